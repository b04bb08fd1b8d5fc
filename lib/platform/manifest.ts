/**
 * What a private folder with libdtrace says about itself. Set-up writes it last, so a folder that has one is complete;
 * everything that is looked up later (which library, what it needs loaded before it) is read here, never guessed.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

export const MANIFEST_NAME = 'manifest.json'
/** Raised when an older folder can't be used any more and has to be made anew. */
export const MANIFEST_FORMAT = 1

const manifestSchema = z.object({
  format: z.literal(MANIFEST_FORMAT),
  /** libdtrace's own version, e.g. `2.0.7`. */
  version: z.string(),
  /** Where the packages came from, e.g. `forky`, or `system` when only headers had to be added. */
  suite: z.string(),
  architecture: z.string(),
  created: z.iso.datetime(),
  /** The glibc that the files were made loadable for. */
  hostGlibc: z.string(),
  /** Paths are relative to the folder, so that it can be moved. Absent: the system's libdtrace is used. */
  library: z.string().optional(),
  /** The folder's own libraries that libdtrace needs, in an order in which each comes after those that it needs. */
  preload: z.array(z.string()),
  syslibdir: z.string().optional(),
  /** For building the addon. */
  includeDirs: z.array(z.string()),
  /** The dtrace(1) of the same version. */
  command: z.string().optional(),
  packages: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Files that were changed to load under an older glibc, with the symbols concerned. */
  adapted: z.record(z.string(), z.array(z.string())),
})

export type Manifest = z.infer<typeof manifestSchema>

/** Reads the manifest of a private folder; `undefined` when there is none or it is of another format. */
export function readManifest(folder: string): Manifest | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, MANIFEST_NAME), 'utf8')
  } catch {
    return undefined
  }
  try {
    return manifestSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

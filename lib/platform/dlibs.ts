/**
 * The D libraries (`io.d`, `tcp.d`, …) that this kernel can compile.
 *
 * libdtrace compiles all of them with the first program, and one that fails fails every program. A kernel built without
 * CONFIG_KALLSYMS_ALL has no data symbols, so `io.d`, which reads `major_names`, cannot be compiled on it (seen with
 * libdtrace 2.0.7, line 134). Then the session gets a folder of its own with links to all the others.
 */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DTraceError } from '../errors.js'
import { SESSION_FOLDER } from './leftovers.js'
import type { LibraryLocation } from './locate.js'

/** A part of DTrace that this system lacks. */
export interface Limitation {
  /** What is left out, e.g. `io.d`. */
  what: string
  /** What its absence means. */
  meaning: string
  /** Why it cannot be had here. */
  reason: string
}

/** The D libraries for a session. */
export interface DLibraries {
  /** Value of the option `syslibdir`; undefined: libdtrace's own. */
  syslibdir: string | undefined
  limitations: Limitation[]
  /** Removes what was made for the session; libdtrace needs it until tracing has started. Any number of times. */
  dispose: () => void
}

const NEEDS_DATA_SYMBOLS = 'io.d'

let dataSymbols: Promise<boolean> | undefined

/** Are the kernel's data symbols known? They do not change while it runs. */
function hasDataSymbols(): Promise<boolean> {
  dataSymbols ??= readFile('/proc/kallsyms').then(
    (symbols) => symbols.includes(' major_names\n'),
    // Without /proc/kallsyms libdtrace itself will say what is wrong.
    () => true,
  )
  return dataSymbols
}

/** Finds out what this kernel can compile, and makes an overlay of the D libraries where that is not everything. */
export async function prepareDLibraries(
  library: LibraryLocation,
  platform: NodeJS.Platform = process.platform,
): Promise<DLibraries> {
  const own = { syslibdir: library.syslibdir, limitations: [], dispose: () => {} }
  if (platform !== 'linux' || (await hasDataSymbols())) return own

  const folder = library.syslibdir ?? join(dirname(await realpath(library.path)), 'dtrace')
  const overlay = await makeFolder()
  const dispose = (): void => {
    process.off('exit', dispose)
    rmSync(overlay, { recursive: true, force: true })
  }
  process.on('exit', dispose)
  try {
    await linkAllBut(NEEDS_DATA_SYMBOLS, folder, overlay)
  } catch (cause) {
    dispose()
    throw new DTraceError(
      'ERR_DTRACE_OPEN',
      `the D libraries of ${folder} can't be linked in ${overlay}: ${(cause as Error).message}`,
      { cause },
    )
  }
  return {
    syslibdir: overlay,
    limitations: [
      {
        what: NEEDS_DATA_SYMBOLS,
        meaning: 'the io provider’s translators (bufinfo_t, devinfo_t, fileinfo_t) and fds[] are not defined',
        reason: 'the kernel was built without CONFIG_KALLSYMS_ALL, so it has no data symbol major_names',
      },
    ],
    dispose,
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), `${SESSION_FOLDER}${process.pid}-`))
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_OPEN',
      `a session needs a temporary folder: ${(cause as Error).message}; set TMPDIR to a folder that can be written to`,
      { cause },
    )
  }
}

/** The same layout, one folder per kernel version, with links to the files. */
async function linkAllBut(name: string, from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (!entry.isDirectory()) {
      if (entry.name !== name) await symlink(source, target)
    } else if (/^\d/.test(entry.name)) {
      await mkdir(target)
      await linkAllBut(name, source, target)
    } else {
      await symlink(source, target)
    }
  }
}

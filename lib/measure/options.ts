/** The options of a measurement, and their check. */
import { z } from 'zod'
import type { Abortable } from '../abort.js'
import type { Options } from '../options.js'
import type { LibraryLocation } from '../platform/locate.js'
import { checkOptions, signalSchema } from '../watch/watcher.js'
import { SECTIONS, type Section } from './sections.js'

/** What is measured beside time and memory: nothing, unless it is asked for. */
export type SectionOptions = { readonly [Name in Section]?: boolean }

export interface MeasureOptions extends SectionOptions, Abortable {
  /** How many times. Default 1. */
  runs?: number
  /** Runs before, which aren't counted. Default 0. */
  warmup?: number
  /** As many runs without probes before those with them, to tell what the probes cost. Default: where `runs` is more than 1. */
  overhead?: boolean
  /**
   * D clauses of your own; `measured` is true in what is measured, and what they aggregate is in the result's `aggregations`.
   *
   * @example 'syscall::write:entry /measured/ { @sizes = quantize(arg2); }'
   */
  program?: string
  /** `$1`, `$2`, … of it. */
  args?: readonly string[]
  /** Of the command. Default: this process'. */
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Standard input, output and error of the command, as `child_process.spawn` takes them. Default: ignored, ignored, inherited. */
  stdio?: readonly [CommandStream, CommandStream, CommandStream]
  /** DTrace options of the session. */
  options?: Options
  /** The libdtrace to use, instead of the one that is found. */
  library?: LibraryLocation
}

export type CommandStream = 'ignore' | 'inherit' | number

export interface CheckedMeasureOptions extends MeasureOptions {
  runs: number
  warmup: number
  overhead: boolean
  sections: ReadonlySet<Section>
  stdio: readonly [CommandStream, CommandStream, CommandStream]
}

const stream = z.union([z.enum(['ignore', 'inherit']), z.int().min(0)])
const flags = Object.fromEntries(SECTIONS.map((name) => [name, z.boolean().optional()]))

const schema = z.strictObject({
  ...flags,
  signal: signalSchema,
  runs: z.int().min(1, 'is 1 or more').max(10_000).default(1),
  warmup: z.int().min(0).max(10_000).default(0),
  overhead: z.boolean().optional(),
  program: z.string().optional(),
  args: z.array(z.string()).optional(),
  cwd: z.string().optional(),
  env: z.record(z.string(), z.string().optional()).optional(),
  stdio: z.tuple([stream, stream, stream]).default(['ignore', 'ignore', 'inherit']),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  library: z.looseObject({ path: z.string() }).optional(),
})

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkMeasureOptions(given: MeasureOptions): CheckedMeasureOptions {
  const checked = checkOptions('measure', schema, given)
  return {
    ...given,
    runs: checked.runs,
    warmup: checked.warmup,
    overhead: checked.overhead ?? checked.runs > 1,
    stdio: checked.stdio,
    sections: new Set(SECTIONS.filter((name) => given[name] === true)),
  }
}

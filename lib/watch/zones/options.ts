/** The options of a zone monitor, and their check. */
import picomatch from 'picomatch'
import { z } from 'zod'
import { DTraceError } from '../../errors.js'
import { RUNTIMES, type Runtime } from '../../platform/containers.js'
import { checkOptions, type WatcherOptions, watcherShape } from '../watcher.js'
import { ZONE_EVENTS, type ZoneEvent, type ZoneEventKind } from './event.js'

export interface ZoneMonitorOptions extends WatcherOptions {
  /** Only zones with such a name: globs. A leading `!` excludes. Default: all. */
  names?: string | readonly string[]
  /** Only zones of these runtimes. Default: all. */
  runtimes?: Runtime | readonly Runtime[]
  /** Only these events. Default: all. */
  events?: ZoneEventKind | readonly ZoneEventKind[]
}

/** A single one stands for a list of it. */
const oneOrMore = <T>(schema: z.ZodType<T>) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' ? [value] : value),
      z
        .array(schema, 'has to be a string, or several of them')
        .min(1, 'an empty list leaves nothing to watch'),
    )
    .optional()

const oneOf = <T extends string>(values: readonly T[], what: string) =>
  z.enum(values as readonly [T, ...T[]], {
    error: ({ input }) => `${JSON.stringify(input)} is no ${what}; there are ${values.join(', ')}`,
  })

const options = z.strictObject({
  ...watcherShape,
  names: oneOrMore(z.string().min(1, 'a glob is empty')),
  runtimes: oneOrMore(oneOf(RUNTIMES, 'runtime')),
  events: oneOrMore(oneOf(ZONE_EVENTS, 'event')),
})

export interface CheckedZoneOptions {
  queueLimit: number
  wanted: (event: ZoneEvent) => boolean
  watcher: WatcherOptions
}

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` */
export function checkZoneOptions(given: ZoneMonitorOptions): CheckedZoneOptions {
  const { names, runtimes, events, queueLimit } = checkOptions('ZoneMonitor', options, given)
  const named = matchNames(names ?? [])
  const ofRuntime = new Set(runtimes)
  const ofKind = new Set(events)
  return {
    queueLimit,
    watcher: given,
    wanted: ({ zone_name, runtime, event }) =>
      (ofKind.size === 0 || ofKind.has(event)) &&
      (ofRuntime.size === 0 || ofRuntime.has(runtime)) &&
      named(zone_name),
  }
}

/** picomatch without its rules for paths: a name is one word to it, whatever is in it. */
const GLOB: picomatch.PicomatchOptions = { dot: true, bash: true, flags: 's', nonegate: true }

function matchNames(globs: readonly string[]): (name: string) => boolean {
  const excluded = (glob: string): boolean => glob.startsWith('!') && !glob.startsWith('!(')
  const compile = (chosen: string[]): ((name: string) => boolean) | undefined => {
    if (chosen.length === 0) return undefined
    try {
      return picomatch(chosen, GLOB)
    } catch (error) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `ZoneMonitor: names: the glob ${JSON.stringify(chosen.join(', '))} can't be used: ${(error as Error).message}`,
      )
    }
  }
  if (globs.includes('!')) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', "ZoneMonitor: names: there is nothing after '!' to exclude")
  }
  const yes = compile(globs.filter((glob) => !excluded(glob)))
  const no = compile(globs.filter(excluded).map((glob) => glob.slice(1)))
  return (name) => yes?.(name) !== false && no?.(name) !== true
}

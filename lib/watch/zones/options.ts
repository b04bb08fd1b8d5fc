/** The options of a zone monitor, and their check. */
import { z } from 'zod'
import { RUNTIMES, type Runtime } from '../../platform/containers.js'
import { checkOptions, type WatcherOptions, watcherShape } from '../watcher.js'
import { ZONE_EVENTS, type ZoneEvent, type ZoneEventKind } from './event.js'
import { zoneMatcher } from './matcher.js'

export interface ZoneMonitorOptions extends WatcherOptions {
  /** Only these zones: globs on `zone_name`, or a `zone_id`. A leading `!` excludes. Default: all. */
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
  names: oneOrMore(z.string()),
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
  const named = zoneMatcher(names, 'ZoneMonitor: names')
  const ofRuntime = new Set(runtimes)
  const ofKind = new Set(events)
  return {
    queueLimit,
    watcher: given,
    wanted: ({ zone_name, zone_id, runtime, event }) =>
      (ofKind.size === 0 || ofKind.has(event)) &&
      (ofRuntime.size === 0 || ofRuntime.has(runtime)) &&
      named?.(zone_name, zone_id) !== false,
  }
}

/**
 * A snapshot every interval.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Duration, parseDuration } from '../act/duration.js'
import { DTraceError } from '../errors.js'
import type { Int64 } from '../record/decoder.js'
import { Run } from '../run.js'
import type { Aggregation } from './aggregation.js'
import { aggregationDeltas } from './deltas.js'
import type { AggregationOptions } from './request.js'

/** Of snapshots that come again and again. */
export interface SnapshotsOptions extends AggregationOptions {
  /** The time between two: milliseconds, or a text such as `'1s'`. */
  interval: Duration
  /** What has been added since the one before, as {@link aggregationDeltas} has it; nothing is cleared. */
  delta?: boolean
  /** Ends them: the loop gets the signal's reason. */
  signal?: AbortSignal
}

/** Where snapshots come from. */
export interface SnapshotSource<Wide extends Int64> {
  take(options: AggregationOptions): Promise<Aggregation<Wide>[]>
  /** Aborts when tracing has ended; the reason has the error where it has died. */
  ended: AbortSignal
}

/** @throws `ERR_DTRACE_ARGUMENT` */
export function snapshots<Wide extends Int64>(
  { interval, delta = false, signal, ...options }: SnapshotsOptions,
  source: SnapshotSource<Wide>,
): AsyncIterableIterator<Aggregation<Wide>[]> {
  const milliseconds = parseDuration(interval, 'interval')
  if (typeof delta !== 'boolean') throw argument(`delta is true or false, not ${String(delta)}`)
  if (delta && (options.clear || options.trunc)) {
    throw argument(
      'delta and clear are one or the other: after a clear, a snapshot has only what is new anyway',
    )
  }
  return new Run({
    begin: async () => {
      const left = new AbortController()
      const take = await taking(options, delta, source)
      const each = every(milliseconds, take, source.ended, left.signal)
      return {
        next: () => each.next(),
        // A generator alone would wait for its next snapshot first.
        return: () => {
          left.abort()
          return each.return(undefined)
        },
      }
    },
    end: async () => {},
    signal,
  })
}

type Take<Wide extends Int64> = () => Promise<Aggregation<Wide>[]>

/** What was there at the beginning is no part of the first delta. */
async function taking<Wide extends Int64>(
  options: AggregationOptions,
  delta: boolean,
  source: SnapshotSource<Wide>,
): Promise<Take<Wide>> {
  if (!delta) return () => source.take(options)
  let before = await source.take(options)
  return async () => {
    const now = await source.take(options)
    const added = aggregationDeltas(before, now)
    before = now
    return added
  }
}

/** At steady times; one that is missed, because the reader was busy, is left out. The last one is of the end of tracing. */
async function* every<Wide extends Int64>(
  milliseconds: number,
  take: Take<Wide>,
  ended: AbortSignal,
  left: AbortSignal,
): AsyncGenerator<Aggregation<Wide>[], undefined, void> {
  const over = AbortSignal.any([ended, left])
  let due = performance.now()
  while (!over.aborted) {
    due = Math.max(due + milliseconds, performance.now())
    // Tracing keeps the process alive, this does not.
    await sleep(due - performance.now(), undefined, { ref: false, signal: over }).catch(() => {})
    if (left.aborted) return
    if (ended.aborted && ended.reason.error !== undefined) throw ended.reason.error
    const rows = await take().catch((error: DTraceError) => {
      // Closed before there was time for the last one; or a child process has ended, and a new one is on its way.
      if (ended.aborted || error.code === 'ERR_DTRACE_HOST_EXITED') return undefined
      throw error
    })
    if (rows !== undefined) yield rows
  }
}

function argument(message: string): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `snapshots: ${message}`)
}

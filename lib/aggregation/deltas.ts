/**
 * What has been added between two snapshots.
 */
import { DTraceError } from '../errors.js'
import type { Int64 } from '../record/decoder.js'
import { CodeSymbol, Stack, type Value } from '../record/values.js'
import { type Aggregation, makeAggregation, type Origin, originOf } from './aggregation.js'

/**
 * What was added between two snapshots of one consumer: a row for each key whose value has changed, in the order of the later one.
 *
 * - `count`, `sum` and the distributions: how much was added, bucket by bucket.
 * - `avg` and `stddev`: those of the firings in between alone.
 * - `min` and `max`: the value as it is, which may be from before: an extreme can't be told for a part of the time.
 *
 * Where the values began anew in between, by `clear()`, `trunc()` or {@link AggregationOptions.clear}, it is what has been added since
 * then. (A `sum` after `trunc(@name, n)` in the program is the exception: libdtrace leaves no trace of that.)
 *
 * @throws `ERR_DTRACE_ARGUMENT` for what `Consumer.aggregations` did not give; `ERR_DTRACE_RANGE` as `aggregations` does
 * @example
 * const before = await consumer.aggregations()
 * …
 * const added = aggregationDeltas(before, await consumer.aggregations())
 */
export function aggregationDeltas<Wide extends Int64>(
  before: readonly Aggregation<Wide>[],
  after: readonly Aggregation<Wide>[],
): Aggregation<Wide>[] {
  if (!Array.isArray(before) || !Array.isArray(after)) throw notTheirs()
  const earlier = new Map(before.map((row) => [identity(row), origin(row)]))
  const added: Aggregation<Wide>[] = []
  for (const row of after) {
    const now = origin(row)
    const delta = difference(earlier.get(identity(row)), now)
    if (delta !== undefined) added.push(makeAggregation<Wide>(row.key, { ...now, words: delta }))
  }
  return added
}

/** Undefined where nothing has changed. */
function difference(before: Origin | undefined, now: Origin): Origin['words'] | undefined {
  const { variable, words } = now
  // What is zero is what a key has that was cleared, and has not fired since then.
  const empty = words.value.every((word) => word === 0n)
  if (before === undefined || beganAnew(before, now)) return empty ? undefined : words
  const unchanged = words.value.every((word, i) => word === before.words.value[i])
  if (unchanged) return undefined
  if (variable.action === 'min' || variable.action === 'max') return words
  const squares = variable.action === 'stddev'
  return {
    generation: words.generation,
    value: subtract(words.value, before.words.value, squares),
    cpus: words.cpus.map((cpu, i) =>
      subtract(cpu, before.words.cpus[i] ?? new BigInt64Array(cpu.length), squares),
    ),
  }
}

function beganAnew(before: Origin, now: Origin): boolean {
  if (before.variable.epoch !== now.variable.epoch) return true
  if (before.words.generation !== now.words.generation) return true
  // The first word of these is how often they fired, which can only grow.
  const counts = ['count', 'avg', 'stddev'].includes(now.variable.action)
  return counts && (now.words.value[0] as bigint) < (before.words.value[0] as bigint)
}

/** Word by word; only the squares of a stddev(), its last two words, are one number. */
function subtract(value: BigInt64Array, before: BigInt64Array, squares: boolean): BigInt64Array {
  const difference = value.map((word, i) => word - (before[i] as bigint))
  if (squares && BigInt.asUintN(64, value[2] as bigint) < BigInt.asUintN(64, before[2] as bigint)) {
    difference[3] = (difference[3] as bigint) - 1n
  }
  return difference
}

function origin(row: Aggregation): Origin {
  const found = originOf(row)
  if (found !== undefined) return found
  throw notTheirs()
}

function notTheirs(): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', 'aggregationDeltas() takes what aggregations() gave')
}

/** The same text for the same variable and key. */
function identity({ id, key }: Aggregation): string {
  return JSON.stringify([id, ...key.map(plain)])
}

function plain(value: Value): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Stack) return [value.pid, ...value.frames.map(({ address }) => String(address))]
  if (value instanceof CodeSymbol) return [value.pid, String(value.address)]
  return value instanceof Uint8Array ? [...value] : value
}

/**
 * From libdtrace's words to values, by its own arithmetic (`dt_print_average`, `dt_stddev` of dt_consume.c).
 */
import { DTraceError } from '../errors.js'
import type { Int64 } from '../record/decoder.js'
import { bucketScale, type Distributing } from './buckets.js'

/** The nine aggregating actions. */
export type AggregatingAction = 'count' | 'sum' | 'min' | 'max' | 'avg' | 'stddev' | Distributing

/** A 64-bit integer, as the consumer's `int64` says. */
export type Integer<Wide extends Int64 = Int64> = Wide extends 'bigint' ? bigint : number

/** A part of a distribution. */
export interface Bucket<Wide extends Int64 = Int64> {
  /** The smallest value that falls into it; `-Infinity` at an open end. */
  min: Integer<Wide> | number
  /** The largest value that falls into it; `Infinity` at an open end. */
  max: Integer<Wide> | number
  /** How many did, or the sum of their increments. */
  count: Integer<Wide>
}

/** What an aggregation variable is, beside its values. */
export interface Variable {
  readonly action: AggregatingAction
  /** The arguments of `lquantize()` and `llquantize()`, as libdtrace packs them. */
  readonly signature: bigint
  /** What `normalize()` said; 1 otherwise. */
  readonly normal: bigint
}

export function isDistributing(action: AggregatingAction): action is Distributing {
  return action === 'quantize' || action === 'lquantize' || action === 'llquantize'
}

/** An integer as the consumer wants it. @throws `ERR_DTRACE_RANGE` where a number can't hold it */
export type ToInteger = (value: bigint) => bigint | number

export function integers(int64: Int64, what: () => string): ToInteger {
  if (int64 === 'bigint') return (value) => value
  return (value) => {
    const number = Number(value)
    if (Number.isSafeInteger(number)) return number
    throw new DTraceError(
      'ERR_DTRACE_RANGE',
      `${what()}: ${value} does not fit into a number (it is past 2^53); open the consumer with int64: 'bigint'`,
    )
  }
}

/** The value, normalized. */
export function toValue(
  variable: Variable,
  words: BigInt64Array,
  integer: ToInteger,
): bigint | number | Bucket[] {
  const { action, normal } = variable
  switch (action) {
    case 'avg':
      return integer(average(words, normal))
    case 'stddev':
      return integer(standardDeviation(words, normal))
    case 'quantize':
    case 'lquantize':
    case 'llquantize':
      return buckets(variable, action, words, integer)
    default:
      return integer((words[0] as bigint) / normal)
  }
}

/** How many firings were added up; undefined where it is not kept. */
export function toCount({ action }: Variable, words: BigInt64Array): bigint | undefined {
  switch (action) {
    case 'count':
    case 'avg':
    case 'stddev':
      return words[0]
    case 'sum':
    case 'min':
    case 'max':
      return undefined
    default:
      return words.reduce((sum, word) => sum + word, 0n)
  }
}

/** Those that hold something. */
function buckets(
  { signature, normal }: Variable,
  action: Distributing,
  words: BigInt64Array,
  integer: ToInteger,
): Bucket[] {
  const scale = bucketScale(action, signature)
  const found: Bucket[] = []
  words.forEach((word, index) => {
    if (word === 0n) return
    const { min, max } = scale.bounds(index)
    found.push({
      min: min === undefined ? Number.NEGATIVE_INFINITY : integer(min),
      max: max === undefined ? Number.POSITIVE_INFINITY : integer(max),
      count: integer(word / normal),
    })
  })
  return found
}

/** Two words: how many, and their sum. */
function average(words: BigInt64Array, normal: bigint): bigint {
  const [count = 0n, sum = 0n] = words
  return count === 0n ? 0n : sum / normal / count
}

/** Four words: how many, their sum, and the sum of their squares, 128 bits of it. */
function standardDeviation(words: BigInt64Array, normal: bigint): bigint {
  const [count = 0n, sum = 0n, low = 0n, high = 0n] = words
  if (count === 0n) return 0n
  const squares = (BigInt.asUintN(64, high) << 64n) | BigInt.asUintN(64, low)
  const mean = sum / normal / count
  return squareRoot(BigInt.asUintN(128, squares / normal / count - mean * mean))
}

/** Rounded down: Newton's method from above. */
function squareRoot(square: bigint): bigint {
  if (square < 2n) return square
  let root = 1n << BigInt((square.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (root + square / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

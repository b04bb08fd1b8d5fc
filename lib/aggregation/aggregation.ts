/**
 * One key of an aggregation, and its value.
 */
import type { Int64 } from '../record/decoder.js'
import type { Field } from '../record/schema.js'
import type { Value } from '../record/values.js'
import type { StringEncoding } from '../record/wire.js'
import type { Distributing } from './buckets.js'
import {
  type AggregatingAction,
  type Bucket,
  type Integer,
  integers,
  toCount,
  toValue,
  type Variable,
} from './values.js'

/** What libdtrace has of one value. */
export interface Words {
  /** Another one after each clear(). */
  readonly generation: bigint
  readonly value: BigInt64Array
  /** With the option `aggpercpu`: the same for each CPU. */
  readonly cpus: readonly BigInt64Array[]
}

/** An aggregation variable, as a snapshot has it. */
export interface AggregationVariable extends Variable {
  readonly name: string
  readonly id: number
  /** Another one each time its values began anew by {@link AggregationOptions.clear}, or by trunc(). */
  readonly epoch: string
  /** A `printa()` has printed it. */
  readonly printed: boolean
}

interface Common<Wide extends Int64> {
  /** As in the program, `@opens`; `@` for the one without a name. */
  readonly name: string
  /** libdtrace's number of the variable. */
  readonly id: number
  /** The values of the tuple, in order; empty without one. Integers of 32 and 64 bits have a sign, as dtrace(1) prints
   * them, smaller ones have none. */
  readonly key: readonly Value[]
  /** How many firings were added up; undefined for `sum`, `min` and `max`, where libdtrace doesn't keep it. */
  readonly count: Integer<Wide> | undefined
  /** What `normalize()` said: `value` is divided by it, `count` isn't. */
  readonly normal: bigint
  /** With the option `aggpercpu`: the value of each CPU by its number, normalized; else empty. */
  readonly perCpu: readonly (Integer<Wide> | readonly Bucket<Wide>[])[]
}

/** An aggregation by `count()`, `sum()`, `min()`, `max()`, `avg()` or `stddev()`. */
export interface IntegerAggregation<Wide extends Int64 = Int64> extends Common<Wide> {
  readonly action: Exclude<AggregatingAction, Distributing>
  readonly value: Integer<Wide>
  readonly perCpu: readonly Integer<Wide>[]
}

/** An aggregation by `quantize()`, `lquantize()` or `llquantize()`. */
export interface DistributionAggregation<Wide extends Int64 = Int64> extends Common<Wide> {
  readonly action: Distributing
  /** The buckets that hold something, in ascending order. */
  readonly value: readonly Bucket<Wide>[]
  readonly perCpu: readonly (readonly Bucket<Wide>[])[]
}

/** One key of an aggregation, and its value; `action` tells which kind of value. */
export type Aggregation<Wide extends Int64 = Int64> = IntegerAggregation<Wide> | DistributionAggregation<Wide>

/** What a row was made of. */
export interface Origin {
  readonly variable: AggregationVariable
  readonly keyFields: readonly Field[]
  readonly words: Words
  readonly int64: Int64
  readonly strings: StringEncoding
}

let originOfRow: (row: AggregationRow) => Origin

class AggregationRow {
  readonly name: string
  readonly id: number
  readonly key: readonly Value[]
  readonly action: AggregatingAction
  readonly value: bigint | number | Bucket[]
  readonly count: bigint | number | undefined
  readonly #origin: Origin

  constructor(key: readonly Value[], origin: Origin) {
    const { variable, words } = origin
    const integer = this.#integers(variable, key, origin.int64)
    const count = toCount(variable, words.value)
    this.name = variable.name
    this.id = variable.id
    this.key = key
    this.action = variable.action
    this.value = toValue(variable, words.value, integer)
    this.count = count === undefined ? undefined : integer(count)
    this.#origin = origin
  }

  static {
    originOfRow = (row) => row.#origin
  }

  get normal(): bigint {
    return this.#origin.variable.normal
  }

  get perCpu(): (bigint | number | Bucket[])[] {
    const { variable, words, int64 } = this.#origin
    const integer = this.#integers(variable, this.key, int64)
    return words.cpus.map((cpu) => toValue(variable, cpu, integer))
  }

  #integers(variable: AggregationVariable, key: readonly Value[], int64: Int64): ReturnType<typeof integers> {
    return integers(int64, () => describe(variable.name, key))
  }
}

/** @throws `ERR_DTRACE_RANGE` with `int64: 'number'`, at a value past 2^53 */
export function makeAggregation<Wide extends Int64>(
  key: readonly Value[],
  origin: Origin,
): Aggregation<Wide> {
  return new AggregationRow(key, origin) as unknown as Aggregation<Wide>
}

/** Undefined for what no snapshot has given. */
export function originOf(row: unknown): Origin | undefined {
  return row instanceof AggregationRow ? originOfRow(row) : undefined
}

function describe(name: string, key: readonly Value[]): string {
  return key.length === 0 ? name : `${name}[${key.map(String).join(', ')}]`
}

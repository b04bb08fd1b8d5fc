/**
 * Reads what `native/aggregation_rows.cc` writes.
 */
import type { NativeAggregations, NativeAggregationVariable } from '../host/messages.js'
import { createDecoder, type Decoder, type DTraceRecord, type Int64, type Probe } from '../record/decoder.js'
import { schemaOf } from '../record/schema.js'
import type { Value } from '../record/values.js'
import { type StringEncoding, WireBatch } from '../record/wire.js'
import { type Aggregation, type AggregationVariable, makeAggregation, type Words } from './aggregation.js'
import type { AggregatingAction } from './values.js'

/** One key, and the values of several variables for it. */
export interface JoinedAggregation<Wide extends Int64 = Int64> {
  readonly key: readonly Value[]
  /** One for each variable, in the order asked for; 0 or empty where it has none for this key. */
  readonly aggregations: readonly Aggregation<Wide>[]
}

/** A decoder needs a probe for each record; here there is none. */
const NO_PROBE: Probe = Object.freeze({ id: 0, provider: '', module: '', function: '', name: '' })

/** How many layouts are remembered. A program has as many as it has aggregations. */
const MAX_DECODERS = 256

export class AggregationReader<Wide extends Int64 = Int64> {
  readonly #int64: Wide
  readonly #strings: StringEncoding
  /** By layout: it takes longer to make one than to read a hundred rows. */
  readonly #decoders = new Map<string, Decoder>()

  #sessions = 0

  constructor(int64: Wide, strings: StringEncoding) {
    this.#int64 = int64
    this.#strings = strings
  }

  /** Whatever is read from now on is of another session. */
  beginAnew(): void {
    this.#sessions++
  }

  /** @throws `ERR_DTRACE_RANGE` with `int64: 'number'`, at a value past 2^53 */
  rows(snapshot: NativeAggregations, data: ArrayBuffer | undefined): Aggregation<Wide>[] {
    return this.joined(snapshot, data).flatMap(({ aggregations }) => aggregations)
  }

  /** @throws as {@link rows} */
  joined(
    { variables, layouts }: NativeAggregations,
    data: ArrayBuffer | undefined,
  ): JoinedAggregation<Wide>[] {
    if (data === undefined) return []
    const named = variables.map((variable) => variableOf(variable, this.#sessions))
    const shapes = layouts.map(({ layout, variables: numbers }) => {
      const decoder = this.#decoder(layout)
      const keys = decoder.schema.fields.length - numbers.length
      return {
        decoder,
        keys,
        keyFields: decoder.schema.fields.slice(0, keys),
        variables: numbers.map((number) => ({
          variable: named[number] as AggregationVariable,
          size: (variables[number] as NativeAggregationVariable).size,
        })),
      }
    })
    const batch = new WireBatch(data, this.#strings)
    const rows = new Array<JoinedAggregation<Wide>>(batch.count)
    const decoded: DTraceRecord[] = []
    let position = batch.start
    for (let i = 0; i < rows.length; i++) {
      const shape = shapes[batch.u32[position >> 2] as number] as (typeof shapes)[number]
      shape.decoder.decode(batch, position, NO_PROBE, decoded, 0, 1)
      const { values } = decoded[0] as DTraceRecord
      const key = values.slice(0, shape.keys)
      const aggregations = shape.variables.map(({ variable, size }, at) =>
        makeAggregation<Wide>(key, {
          variable,
          keyFields: shape.keyFields,
          words: wordsOf(values[shape.keys + at] as Uint8Array, size),
          int64: this.#int64,
          strings: this.#strings,
        }),
      )
      rows[i] = { key, aggregations }
      position += shape.decoder.schema.size
    }
    return rows
  }

  /** What a `printa()` prints: rows, or with several variables one for each key. @throws as {@link rows} */
  printed(bytes: Uint8Array): Aggregation<Wide>[] | JoinedAggregation<Wide>[] {
    if (bytes.length === 0) return []
    const length = new Uint32Array(bytes.buffer, bytes.byteOffset, 1)[0] as number
    const json = Buffer.from(bytes.buffer, bytes.byteOffset + 8, length).toString()
    const snapshot = JSON.parse(json) as NativeAggregations
    const start = bytes.byteOffset + 8 + ((length + 7) & ~7)
    const data = bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
    const several = snapshot.layouts.some(({ variables }) => variables.length > 1)
    return several ? this.joined(snapshot, data) : this.rows(snapshot, data)
  }

  #decoder(layout: NativeAggregations['layouts'][number]['layout']): Decoder {
    const text = JSON.stringify(layout)
    let decoder = this.#decoders.get(text)
    if (decoder === undefined) {
      if (this.#decoders.size >= MAX_DECODERS) this.#decoders.clear()
      decoder = createDecoder(schemaOf(layout), this.#int64)
      this.#decoders.set(text, decoder)
    }
    return decoder
  }
}

function variableOf(native: NativeAggregationVariable, session: number): AggregationVariable {
  return Object.freeze({
    name: native.name,
    id: native.id,
    action: native.action as AggregatingAction,
    signature: BigInt(native.signature),
    normal: BigInt(native.normal),
    epoch: `${session}.${native.epoch}`,
    printed: native.printed,
  })
}

/** The generation, the value, and the value of each CPU. `bytes` is a copy that nothing else uses. */
function wordsOf(bytes: Uint8Array, size: number): Words {
  const all = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 3)
  const length = size >> 3
  const cpus: BigInt64Array[] = []
  for (let at = 1 + length; at + length <= all.length; at += length) cpus.push(all.subarray(at, at + length))
  return { generation: all[0] as bigint, value: all.subarray(1, 1 + length), cpus }
}

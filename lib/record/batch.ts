import { DTraceError } from '../errors.js'
import type { Decoder, DTraceRecord, Probe } from './decoder.js'
import type { Value } from './values.js'
import type { WireBatch } from './wire.js'

/** A clause at a probe: what a record's source number stands for. */
export interface Source {
  readonly probe: Probe
  readonly decoder: Decoder
}

/** Adds up the time spent on decoding, in milliseconds. */
export interface DecodeClock {
  decodeTime: number
}

/**
 * The records of one crossing from the DTrace thread, decoded when they are asked for: all by iteration, or one field of
 * each by {@link RecordBatch.column}.
 *
 * @example
 * consumer.on('batch', (batch) => {
 *   for (const { fields } of batch) seen.add(fields.path)
 * })
 */
export class RecordBatch<Record = DTraceRecord> implements Iterable<Record> {
  readonly #wire: WireBatch
  readonly #sources: readonly Source[]
  readonly #clock: DecodeClock
  /** The number of records. */
  readonly length: number

  constructor(wire: WireBatch, sources: readonly Source[], clock: DecodeClock) {
    this.#clock = clock
    this.#wire = wire
    this.#sources = sources
    this.length = wire.count
  }

  /** Bytes on the wire. */
  get byteLength(): number {
    return this.#wire.byteLength
  }

  /** @throws `ERR_DTRACE_RANGE` with `int64: 'number'`, at a value past 2^53 */
  [Symbol.iterator](): Iterator<Record> {
    // All at once: a generator would cost more than the decoding.
    return this.toArray()[Symbol.iterator]()
  }

  /**
   * All records.
   *
   * @throws as iteration does
   */
  toArray(): Record[] {
    const started = performance.now()
    const records = new Array<Record>(this.length)
    let position = this.#wire.start
    for (let i = 0; i < records.length; ) {
      const { decoder, probe } = this.#sourceAt(position)
      const next = decoder.decode(this.#wire, position, probe, records, i, records.length)
      position += (next - i) * decoder.schema.size
      i = next
    }
    this.#clock.decodeTime += performance.now() - started
    return records
  }

  /**
   * One field of every record; undefined where a record's statement has no field of this name.
   *
   * @throws `ERR_DTRACE_RECORD` when no statement in the batch has it
   */
  column(name: string): (Value | undefined)[] {
    const column: (Value | undefined)[] = new Array(this.length)
    let found = this.length === 0
    let position = this.#wire.start
    for (let i = 0; i < this.length; ) {
      const { decoder } = this.#sourceAt(position)
      const read = decoder.reader(name)
      found ||= read !== undefined
      const next = read?.(this.#wire, position, column, i, this.length) ?? i + 1
      position += (next - i) * decoder.schema.size
      i = next
    }
    if (!found) {
      const names = new Set(
        this.#sources.flatMap(({ decoder }) => decoder.schema.fields.map((field) => field.name)),
      )
      names.delete(undefined)
      throw new DTraceError(
        'ERR_DTRACE_RECORD',
        `no record of this batch has a field ${JSON.stringify(name)}: ${names.size === 0 ? 'the program names none (see docs/records.md)' : `there are ${[...names].join(', ')}`}`,
      )
    }
    return column
  }

  #sourceAt(position: number): Source {
    const source = this.#sources[this.#wire.u32[position >> 2] as number]
    if (source === undefined) {
      throw new DTraceError(
        'ERR_DTRACE_RECORD',
        'a record came before its description: this is a fault of dtrace-consumer',
      )
    }
    return source
  }
}

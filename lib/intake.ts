/** What a session sends, made into what a consumer gives: sources are noted, batches get their decoders, all is counted. */
import { AggregationReader } from './aggregation/reader.js'
import type { ConsumerStats, Drop, Fault, OptionChange } from './consumer-events.js'
import { DTraceError } from './errors.js'
import type { SessionMessage } from './host/messages.js'
import { optionValue } from './options.js'
import { RecordBatch, type Source } from './record/batch.js'
import { createDecoder, type Decoder, type DTraceRecord, type Int64, type Probe } from './record/decoder.js'
import { schemaOf } from './record/schema.js'
import { type StringEncoding, Views, WireBatch } from './record/wire.js'

type MessageOf<Type extends SessionMessage['type']> = Extract<SessionMessage, { type: Type }>

export class Intake {
  readonly stats: ConsumerStats = { records: 0, batches: 0, bytes: 0, drops: 0, errors: 0, decodeTime: 0 }
  readonly #int64: Int64
  readonly #strings: StringEncoding
  /** Of what `printa()` prints. */
  readonly #aggregations: AggregationReader
  readonly #dropped = new Map<string, number>()
  #decoders = new Map<number, Decoder>()
  #probes = new Map<number, Probe>()
  #sources: Source[] = []
  /** Of the memory in which the last batch was; the next one is mostly in the same. */
  #views: Views | undefined

  constructor(int64: Int64, strings: StringEncoding) {
    this.#int64 = int64
    this.#strings = strings
    this.#aggregations = new AggregationReader(int64, strings)
  }

  /** Another session follows, which has numbers of its own. Batches that are still unread keep what they need. */
  reset(): void {
    this.#aggregations.beginAnew()
    this.#decoders = new Map()
    this.#probes = new Map()
    this.#sources = []
  }

  addSource({ source, statement, program, probe, layout }: MessageOf<'source'>): void {
    if (layout !== undefined) {
      const readRows = (bytes: Uint8Array) => this.#aggregations.printed(bytes)
      this.#decoders.set(statement, createDecoder(schemaOf(layout), this.#int64, { program, readRows }))
    }
    const decoder = this.#decoders.get(statement)
    if (decoder === undefined)
      throw new DTraceError('ERR_DTRACE_RECORD', `statement ${statement} came without its layout`)
    this.#sources[source] = { probe: this.#probe(probe), decoder }
  }

  batch({ data, offset, length }: MessageOf<'batch'>): RecordBatch<DTraceRecord> {
    if (this.#views?.data !== data) this.#views = new Views(data)
    const wire = new WireBatch(this.#views, this.#strings, offset, length)
    const batch = new RecordBatch<DTraceRecord>(wire, this.#sources, this.stats)
    this.stats.records += batch.length
    this.stats.batches++
    this.stats.bytes += length
    return batch
  }

  fault({ type: _, probe, address, ...fault }: MessageOf<'fault'>): Fault {
    this.stats.errors += fault.count
    return { probe: this.#probe(probe), address: BigInt(address), ...fault }
  }

  option({ probe, name, value, previous }: MessageOf<'option'>): OptionChange {
    return {
      probe: this.#probe(probe),
      name,
      value: optionValue(value),
      previous: optionValue(previous),
    }
  }

  drop({ kind, cpu, count, message }: Omit<Drop, 'total'>): Drop {
    const total = (this.#dropped.get(kind) ?? 0) + count
    this.#dropped.set(kind, total)
    this.stats.drops += count
    return { kind, cpu, count, total, message }
  }

  #probe(probe: Probe): Probe {
    let known = this.#probes.get(probe.id)
    if (known === undefined) {
      known = Object.freeze(probe)
      this.#probes.set(probe.id, known)
    }
    return known
  }
}

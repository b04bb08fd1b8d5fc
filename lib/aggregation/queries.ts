/**
 * What can be asked of a consumer's aggregations.
 */
import { checkKeys } from '../check-keys.js'
import type { CommandArguments } from '../host/commands.js'
import type { NativeAggregations } from '../host/messages.js'
import type { Int64 } from '../record/decoder.js'
import type { StringEncoding } from '../record/wire.js'
import type { Answer, Session } from '../session.js'
import type { Aggregation } from './aggregation.js'
import { AggregationReader, type JoinedAggregation } from './reader.js'
import {
  type AggregationOptions,
  type JoinedAggregationOptions,
  joinedRequest,
  SNAPSHOT_KEYS,
  snapshotRequest,
} from './request.js'
import { type SnapshotsOptions, snapshots } from './snapshots.js'

/** The session to ask. @throws `ERR_DTRACE_STATE` when there is nothing to ask it yet, or any more */
export type Asked = () => Session

export class AggregationQueries<Wide extends Int64 = Int64> {
  readonly #reader: AggregationReader<Wide>
  /** The programs' texts, which say what aggregations there are. */
  readonly #sources: string[] = []
  readonly #ended = new AbortController()

  constructor(int64: Int64, strings: StringEncoding) {
    this.#reader = new AggregationReader(int64 as Wide, strings)
  }

  /** A snapshot every interval, until tracing ends. */
  snapshots(options: SnapshotsOptions, asked: Asked): AsyncIterableIterator<Aggregation<Wide>[]> {
    checkKeys('snapshots()', options, { interval: true, delta: true, signal: true, ...SNAPSHOT_KEYS })
    const { interval: _, delta: __, signal: ___, ...each } = options
    snapshotRequest(each, this.#sources)
    asked()
    return snapshots(options, { take: (options) => this.rows(options, asked), ended: this.#ended.signal })
  }

  /** Tracing has ended, by an error or as it should. */
  end(error: unknown): void {
    this.#ended.abort({ error })
  }

  /** Another session goes on, with nothing of what the old one had added up. */
  beginAnew(): void {
    this.#reader.beginAnew()
  }

  addProgram(source: string): void {
    this.#sources.push(source)
  }

  async rows(options: AggregationOptions, asked: Asked): Promise<Aggregation<Wide>[]> {
    const { value, data } = await ask(asked, snapshotRequest(options, this.#sources))
    return this.#reader.rows(value, data)
  }

  async joined(options: JoinedAggregationOptions, asked: Asked): Promise<JoinedAggregation<Wide>[]> {
    const { value, data } = await ask(asked, joinedRequest(options, this.#sources))
    return this.#reader.joined(value, data)
  }
}

function ask(asked: Asked, request: CommandArguments['aggregations']): Promise<Answer<NativeAggregations>> {
  return asked().requestWithData(
    'aggregations',
    request,
    ({ reason }) => `the aggregations can't be read: ${reason}`,
  )
}

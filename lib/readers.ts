/** Who reads a consumer's records, one by one: a loop, or a stream that is one. */
import { DTraceError } from './errors.js'
import { RecordQueue } from './queue.js'
import type { RecordBatch } from './record/batch.js'
import type { DTraceRecord } from './record/decoder.js'

export class Readers {
  readonly #limit: number
  readonly #lost: (count: number, why: string) => void
  #queue: RecordQueue<DTraceRecord> | undefined
  #reading = false
  #ending: { error: unknown } | undefined

  /**
   * @param limit the most records that wait for a slow reader
   * @param lost told of those that it does not get
   */
  constructor(limit: number, lost: (count: number, why: string) => void) {
    this.#limit = limit
    this.#lost = lost
  }

  /** Somebody reads. */
  get reading(): boolean {
    return this.#reading
  }

  /** @throws `ERR_DTRACE_STATE` while another one reads */
  read(): AsyncIterableIterator<DTraceRecord> {
    if (this.#reading) {
      throw new DTraceError(
        'ERR_DTRACE_STATE',
        "another loop is reading this consumer; listen to 'batch' for a second reader",
      )
    }
    this.#reading = true
    return this.#ensureQueue()
  }

  /** For the one who reads, or will. */
  push(batch: RecordBatch<DTraceRecord>): void {
    if (!this.#ensureQueue().push(batch))
      this.#lost(batch.length, `the reader is too slow (queueLimit ${this.#limit})`)
  }

  /** No more will come. The first word is the last. */
  end(error?: unknown): void {
    this.#ending ??= { error }
    this.#queue?.end(error)
  }

  #ensureQueue(): RecordQueue<DTraceRecord> {
    if (this.#queue === undefined) {
      this.#queue = new RecordQueue(
        this.#limit,
        () => {
          this.#queue = undefined
          this.#reading = false
        },
        (count) => this.#lost(count, "one of them can't be decoded, which the loop was told"),
      )
      if (this.#ending !== undefined) this.#queue.end(this.#ending.error)
    }
    return this.#queue
  }
}

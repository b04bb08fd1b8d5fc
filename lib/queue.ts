/**
 * What lies between the session, which does not wait, and a `for await` reader, which may be slow.
 */
import type { RecordBatch } from './record/batch.js'

/** Whoever replaces timers for a test replaces them for everybody who looks them up later. */
const { setImmediate } = globalThis
/** So long a loop may go on without anything else of its thread, in milliseconds; one batch may take longer. */
const TURN = 2

/** A bounded queue of batches, read record by record. What does not fit is left out, counted by the caller. */
export class RecordQueue<Record> implements AsyncIterableIterator<Record> {
  readonly #limit: number
  readonly #batches: RecordBatch<Record>[] = []
  #queued = 0
  #current: Record[] = []
  #position = 0
  #ended = false
  #error: unknown
  /** When the reader's turn began, in this turn of the event loop or an earlier one. */
  #since = 0
  #waiting: { resolve: (result: IteratorResult<Record>) => void; reject: (error: unknown) => void }[] = []
  readonly #onReturn: () => void
  readonly #onLost: (count: number) => void

  /**
   * @param limit the most records to keep for the reader
   * @param onReturn called when the reader leaves before the end, also because of a record that can't be decoded
   * @param onLost called with the number of records that such a record takes with it
   */
  constructor(limit: number, onReturn: () => void, onLost: (count: number) => void = () => {}) {
    this.#limit = limit
    this.#onReturn = onReturn
    this.#onLost = onLost
  }

  /** @returns false when there is no room for it: the reader is too slow */
  push(batch: RecordBatch<Record>): boolean {
    if (this.#ended) return true
    // A single batch always fits, however small the limit is.
    if (this.#queued > 0 && this.#queued + batch.length > this.#limit) return false
    this.#batches.push(batch)
    this.#queued += batch.length
    if (this.#waiting.length > 0) this.#beginTurn()
    return true
  }

  /** No more records will come. With an error, the reader gets it after the records that are there. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#serve()
  }

  next(): Promise<IteratorResult<Record>> {
    if (this.#position < this.#current.length) {
      return Promise.resolve({ done: false, value: this.#take() })
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      // A loop that always finds something would keep everything else of this thread waiting.
      if (this.#batches.length > 0 && performance.now() - this.#since > TURN)
        setImmediate(() => this.#beginTurn())
      else this.#serve()
    })
  }

  #beginTurn(): void {
    this.#since = performance.now()
    this.#serve()
  }

  return(): Promise<IteratorResult<Record>> {
    this.#batches.length = 0
    this.#current = []
    this.#position = 0
    this.end()
    this.#onReturn()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #take(): Record {
    this.#queued--
    return this.#current[this.#position++] as Record
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      if (this.#position >= this.#current.length && !this.#refill()) return
      const reader = this.#waiting.shift()
      reader?.resolve({ done: false, value: this.#take() })
    }
  }

  /** Decodes the next batch; false when the readers have been answered otherwise, or have to wait. */
  #refill(): boolean {
    const batch = this.#batches.shift()
    if (batch !== undefined) {
      try {
        this.#current = batch.toArray()
        this.#position = 0
        return this.#current.length > 0 || this.#refill()
      } catch (error) {
        this.#onLost(this.#queued)
        this.#batches.length = 0
        this.#queued = 0
        this.#ended = true
        this.#error = error
        this.#onReturn()
      }
    }
    if (this.#ended) {
      for (const { resolve, reject } of this.#waiting.splice(0)) {
        if (this.#error === undefined) resolve({ done: true, value: undefined })
        else reject(this.#error)
        this.#error = undefined
      }
    }
    return false
  }
}

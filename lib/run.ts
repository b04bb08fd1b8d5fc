/**
 * One run of a program, read record by record: it begins when the first record is asked for, and whatever ends the reading ends it.
 */
import { checkSignal, onAbort } from './abort.js'

/** How a run begins and ends. */
export interface Course<Record> {
  begin(): Promise<AsyncIterator<Record, unknown>>
  /** Called once, also where `begin` failed. */
  end(): Promise<void>
  signal?: AbortSignal | undefined
}

/**
 * The records of a run. Not a generator: that would not end before its next record had come, so a stream that is destroyed while
 * nothing happens would leave the probes where they are.
 */
export class Run<Record> implements AsyncGenerator<Record, undefined, void> {
  readonly #course: Course<Record>
  #records: Promise<AsyncIterator<Record, unknown>> | undefined
  #ignore: () => void = () => {}
  #over = false
  #ending: Promise<void> | undefined

  constructor(course: Course<Record>) {
    this.#course = course
  }

  /** Begins now: then there is something to end, even where nothing is ever read. */
  start(): this {
    this.#records ??= this.#begin()
    this.#records.catch(() => {})
    return this
  }

  /** @throws what beginning throws, what ended the tracing, and the signal's reason, each when the run has ended */
  async next(): Promise<IteratorResult<Record, undefined>> {
    if (this.#over) return { done: true, value: undefined }
    const { signal } = this.#course
    try {
      this.#records ??= this.#begin()
      const records = await this.#records
      const result = await records.next()
      if (result.done !== true && signal?.aborted !== true) return result
    } catch (error) {
      await this.#end()
      throw signal?.aborted ? signal.reason : error
    }
    await this.#end()
    signal?.throwIfAborted()
    return { done: true, value: undefined }
  }

  /** Ends the run, also while a record is being waited for. */
  async return(): Promise<IteratorResult<Record, undefined>> {
    await this.#end()
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<IteratorResult<Record, undefined>> {
    await this.#end()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #begin(): Promise<AsyncIterator<Record, unknown>> {
    const { signal } = this.#course
    checkSignal(signal)
    this.#ignore = onAbort(signal, () => void this.#leave())
    return await this.#course.begin()
  }

  #end(): Promise<void> {
    this.#ending ??= this.#finish()
    return this.#ending
  }

  async #finish(): Promise<void> {
    this.#over = true
    if (this.#records === undefined) return
    await this.#leave()
    this.#ignore()
    await this.#course.end()
  }

  /** Whoever waits for a record waits no longer; records that wait for him are left out. */
  async #leave(): Promise<void> {
    const records = await this.#records?.catch(() => undefined)
    await records?.return?.()
  }
}

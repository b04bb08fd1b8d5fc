/** What lies between a watcher, which does not wait, and a `for await` reader, which may be slow. */
export class EventQueue<Event> implements AsyncIterableIterator<Event> {
  readonly #limit: number
  readonly #onReturn: () => void
  #events: Event[] = []
  #position = 0
  #ended = false
  #error: unknown
  readonly #waiting: {
    resolve: (result: IteratorResult<Event>) => void
    reject: (error: unknown) => void
  }[] = []

  /**
   * @param limit the most events that wait for the reader
   * @param onReturn called when the reader leaves before the end
   */
  constructor(limit: number, onReturn: () => void) {
    this.#limit = limit
    this.#onReturn = onReturn
  }

  /** @returns false when there is no room for it: the reader is too slow */
  push(event: Event): boolean {
    if (this.#ended) return true
    const reader = this.#waiting.shift()
    if (reader !== undefined) {
      reader.resolve({ done: false, value: event })
      return true
    }
    if (this.#events.length - this.#position >= this.#limit) return false
    this.#events.push(event)
    return true
  }

  /** No more events will come. With an error, the reader gets it after the events that are there. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error === undefined) resolve({ done: true, value: undefined })
      else reject(this.#error)
      this.#error = undefined
    }
  }

  next(): Promise<IteratorResult<Event>> {
    if (this.#position < this.#events.length) {
      const value = this.#events[this.#position++] as Event
      if (this.#position === this.#events.length) {
        this.#events = []
        this.#position = 0
      }
      return Promise.resolve({ done: false, value })
    }
    if (this.#ended) {
      const error = this.#error
      this.#error = undefined
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error)
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<Event>> {
    this.#events = []
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
}

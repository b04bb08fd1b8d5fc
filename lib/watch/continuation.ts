/** Records that come in pieces, with an end to the waiting for a piece that was dropped. */
import type { DTraceRecord } from '../record/decoder.js'

/** Makes one of several records. */
interface Assembler<Whole> {
  /** Those that are whole now. */
  add(records: Iterable<DTraceRecord>): readonly Whole[]
  /** Something isn't whole yet. */
  readonly waiting: boolean
  /** What waits, as far as it has come. */
  flush(): readonly Whole[]
}

/** A record's continuation that has not come after this long was dropped, in milliseconds. */
const PATIENCE = 200

export class Continuation<Whole> {
  readonly #assembler: Assembler<Whole>
  readonly #take: (whole: readonly Whole[]) => void
  #timer: NodeJS.Timeout | undefined

  constructor(assembler: Assembler<Whole>, take: (whole: readonly Whole[]) => void) {
    this.#assembler = assembler
    this.#take = take
  }

  add(records: Iterable<DTraceRecord>): void {
    this.#take(this.#assembler.add(records))
    if (this.#assembler.waiting) this.#timer ??= setTimeout(() => this.flush(), PATIENCE).unref()
  }

  /** Nothing more is waited for. */
  flush(): void {
    this.cancel()
    this.#take(this.#assembler.flush())
  }

  /** Nobody wants to know any longer. */
  cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

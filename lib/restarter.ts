/** Makes a new session when the process of the old one has ended before its time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DTraceError } from './errors.js'
import type { Opened, Opening } from './opening.js'
import type { Recipe } from './recipe.js'

/** A process that ends again and again does so for a reason: then it is given up. */
const MOST_IN_A_MINUTE = 5
const MINUTE = 60_000
/** Between the end of one and the start of the next, doubled with each within a minute. */
const FIRST_PAUSE = 100

export class Restarter {
  readonly #recipe: Recipe
  readonly #opening: Opening
  readonly #giveUp = new AbortController()
  readonly #times: number[] = []
  /** Restarts that succeeded. */
  count = 0

  constructor(recipe: Recipe, opening: Opening) {
    this.#recipe = recipe
    this.#opening = opening
  }

  /**
   * @param error why the old session ended
   * @returns undefined when it was given up meanwhile
   * @throws why tracing can't be started again: the last failure, or `error` when sessions start and end again at once
   */
  async start(error: DTraceError): Promise<Opened | undefined> {
    let failure: unknown = error
    for (;;) {
      const now = performance.now()
      while (this.#times.length > 0 && now - (this.#times[0] as number) > MINUTE) this.#times.shift()
      if (this.#times.length >= MOST_IN_A_MINUTE) throw failure
      this.#times.push(now)
      try {
        await sleep(FIRST_PAUSE * 2 ** (this.#times.length - 1), undefined, { signal: this.#giveUp.signal })
      } catch {
        return undefined
      }
      try {
        const opened = await this.#recipe.replay(this.#opening)
        this.#opening.dispose()
        this.count++
        return opened
      } catch (again) {
        if (this.#giveUp.signal.aborted) return undefined
        failure = again
      }
    }
  }

  /** The consumer is to be closed. */
  giveUp(): void {
    this.#giveUp.abort()
  }
}

/**
 * The session of a consumer, and those that take its place: when a D library does not compile on this kernel, when a program that did not
 * compile has left a gap, and when the process that traced has ended.
 */
import { Gaps } from './compile-error.js'
import { DTraceError } from './errors.js'
import type { Opened, Opening } from './opening.js'
import { Recipe } from './recipe.js'
import { Restarter } from './restarter.js'
import type { Session } from './session.js'

export class Sessions {
  readonly #opening: Opening
  /** May it be replaced by one that is only open? */
  readonly #isReplaceable: () => boolean
  readonly #restarter: Restarter | undefined
  readonly #gaps = new Gaps()
  /** What was compiled and enabled. */
  readonly recipe = new Recipe()
  #opened: Opened
  #compiling: Promise<unknown> = Promise.resolve()
  #renewing: Promise<void> | undefined
  #restarting: Promise<void> | undefined
  #librariesLoaded = false

  constructor(opening: Opening, opened: Opened, restart: boolean, isReplaceable: () => boolean) {
    this.#opening = opening
    this.#opened = opened
    this.#isReplaceable = isReplaceable
    this.#restarter = restart ? new Restarter(this.recipe, opening) : undefined
  }

  get current(): Session {
    return this.#opened.session
  }

  /** The process in which it runs. */
  get pid(): number {
    return this.#opened.pid
  }

  get librariesLoaded(): boolean {
    return this.#librariesLoaded
  }

  /** A program that did not compile has left something in the session that must not be there when one is enabled. */
  get hasGaps(): boolean {
    return this.#gaps.areThere
  }

  get isRestarting(): boolean {
    return this.#restarting !== undefined
  }

  get restarts(): boolean {
    return this.#restarter !== undefined
  }

  /** Has the D libraries compiled, as the first program does. */
  prepare(): Promise<undefined> {
    return this.inTurn(() =>
      this.current.request('prepare', [], ({ reason }) => `the D libraries do not compile: ${reason}`),
    )
  }

  /** Compiles a program, and remembers if that failed. */
  compile(work: () => Promise<{ program: number; gap: boolean | null }>): Promise<number> {
    return this.inTurn(() => this.#gaps.watch(work()))
  }

  /**
   * Does what compiles something, in turn, as libdtrace would do it anyway. The first time brings the D libraries with it: what
   * this kernel can't compile of them is left out then, in a session that takes this one's place.
   */
  async inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#compiling.then(() => this.#repairing(work))
    this.#compiling = turn.catch(() => {})
    const value = await turn
    this.#librariesLoaded = true
    return value
  }

  async #repairing<Value>(work: () => Promise<Value>): Promise<Value> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        const reason = error instanceof DTraceError ? error.reason : undefined
        if (reason === undefined || !this.#isReplaceable()) throw error
        const opened = await this.#opening.replace(this.current, reason)
        if (opened === undefined) throw error
        this.#opened = opened
        if (!this.#isReplaceable()) throw error
      }
    }
  }

  /** What a failed compilation has left in the session goes with it: another one compiles the same. */
  async closeGaps(): Promise<void> {
    if (this.#gaps.areThere) {
      this.#renewing ??= this.#opening.renew(this.current).then(async (opened) => {
        this.#opened = opened
        await this.recipe.compile(opened.session)
        this.#gaps.clear()
      })
    }
    await this.#renewing
  }

  /**
   * Has another session trace the same, after this one's process has ended.
   *
   * @returns how many times that was done; undefined when it was given up
   * @throws why it can't be done
   */
  restart(error: DTraceError): Promise<number | undefined> {
    const restarting = this.#restart(error).finally(() => {
      this.#restarting = undefined
    })
    this.#restarting = restarting.then(
      () => {},
      () => {},
    )
    return restarting
  }

  async #restart(error: DTraceError): Promise<number | undefined> {
    const opened = await this.#restarter?.start(error)
    if (opened === undefined) return undefined
    this.current.dispose()
    this.#opened = opened
    return this.#restarter?.count
  }

  /** When nothing is being restarted. */
  async restarted(): Promise<void> {
    await this.#restarting
  }

  /** When no other session will come: the consumer is to be closed. */
  async settle(): Promise<void> {
    this.#restarter?.giveUp()
    await this.#restarting
  }

  /** When nothing is being compiled, here or in a session that takes this one's place. */
  async compiled(): Promise<void> {
    await this.#compiling
    await this.#renewing?.catch(() => {})
  }
}

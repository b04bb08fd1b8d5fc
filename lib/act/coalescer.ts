import { DTraceError } from '../errors.js'
import { type Duration, parseDuration } from './duration.js'

/**
 * When to act. With `every` the flag is tested at a fixed interval, and acted upon when it is set. With `debounce` the
 * action follows when nothing has changed for that long, and at the latest `maxWait` after the first change.
 */
export type Pace =
  | { every: Duration; debounce?: never; maxWait?: never }
  | { debounce: Duration; maxWait?: Duration; every?: never }

/** What was coalesced into one action. */
export interface Coalesced<T> {
  /** How many changes. */
  count: number
  /** The changes themselves, if the coalescer was told to keep them, the oldest first. */
  kept: readonly T[]
  /** How many of `count` aren't in `kept`. */
  omitted: number
  /** When the first of them came, in milliseconds of the clock. */
  since: number
  /** How often this was tried before and failed. */
  failures: number
}

/** Time as the coalescer sees it; tests put in their own. */
export interface Clock {
  now(): number
  setTimer(callback: () => void, milliseconds: number): unknown
  clearTimer(timer: unknown): void
}

/** Timers are unref'ed: it's the consumer that keeps a watcher's process alive, a flag alone mustn't. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, milliseconds) => setTimeout(callback, milliseconds).unref(),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
}

export interface CoalescerOptions<T> {
  pace: Pace
  /** The flag stays set when it throws, and it is called again later. Never called while it is under way. */
  action(changes: Coalesced<T>): Promise<void> | void
  /** Called when the action failed, with the time until the next attempt; `undefined` after {@link Coalescer.stop}. */
  onFailure(error: unknown, changes: Coalesced<T>, retryIn: number | undefined): void
  /** How many changes to keep for the action; those beyond are only counted. Default 0. */
  keep?: number
  clock?: Clock
}

const DEFAULT_MAX_WAIT = '60s'
const FIRST_RETRY = 1000

interface Flag<T> {
  count: number
  kept: T[]
  since: number
  last: number
  failures: number
}

/**
 * A flag that changes set and one action clears: "set the flag; every minute test it; if it's set, send one SIGHUP".
 *
 * The flag is cleared when the action begins, so a change during the action sets it again and leads to one more
 * action; and it is put back when the action fails.
 */
export class Coalescer<T = never> {
  readonly #options: CoalescerOptions<T>
  readonly #clock: Clock
  readonly #every: number | undefined
  readonly #debounce: number
  readonly #maxWait: number
  readonly #keep: number
  readonly #start: number
  #flag: Flag<T> | undefined
  #underWay: Promise<boolean> | undefined
  #timer: unknown
  #wakeAt = Number.POSITIVE_INFINITY
  #ended = Number.NEGATIVE_INFINITY
  #retryAt = 0
  #retryDelay = 0
  #stopped = false

  /** @throws DTraceError `ERR_DTRACE_ARGUMENT` for a pace that makes no sense */
  constructor(options: CoalescerOptions<T>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#keep = options.keep ?? 0
    const pace = options.pace
    if (pace.every !== undefined && (pace.debounce !== undefined || pace.maxWait !== undefined)) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        'every and debounce exclude each other; give { every } or { debounce, maxWait }',
      )
    }
    this.#every = pace.every === undefined ? undefined : parseDuration(pace.every, 'every')
    this.#debounce = this.#every === undefined ? parseDuration(pace.debounce ?? Number.NaN, 'debounce') : 0
    // A debounce beyond the default maxWait raises it; a maxWait the user wrote himself must make sense.
    this.#maxWait =
      pace.maxWait === undefined
        ? Math.max(parseDuration(DEFAULT_MAX_WAIT, 'maxWait'), this.#debounce)
        : parseDuration(pace.maxWait, 'maxWait')
    if (this.#maxWait < this.#debounce) {
      throw new DTraceError('ERR_DTRACE_ARGUMENT', 'maxWait must not be shorter than debounce')
    }
    this.#start = this.#clock.now()
  }

  /** How many changes wait for an action. */
  get pending(): number {
    return this.#flag?.count ?? 0
  }

  /** The action is being carried out. */
  get acting(): boolean {
    return this.#underWay !== undefined
  }

  /** Sets the flag. Changes after {@link stop} are only counted. */
  add(change: T, count = 1): void {
    const now = this.#clock.now()
    this.#flag ??= { count: 0, kept: [], since: now, last: now, failures: 0 }
    this.#flag.count += count
    this.#flag.last = now
    if (this.#flag.kept.length < this.#keep) this.#flag.kept.push(change)
    this.#arm()
  }

  /**
   * Acts now if the flag is set, after the action that is under way, if any.
   *
   * @returns false when the flag is still set, because the action failed (`onFailure` has been told)
   */
  async flush(): Promise<boolean> {
    while (this.#underWay !== undefined) await this.#underWay
    if (this.#flag === undefined) return true
    return await this.#act()
  }

  /** No more actions by time; {@link flush} still works. */
  stop(): void {
    this.#stopped = true
    this.#disarm()
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  /** When the flag, as it is now, is due. */
  #due(flag: Flag<T>): number {
    if (this.#every !== undefined) {
      // The next tick after the flag was set, or after the action that was under way then: the ticks are those of a timer that has run
      // since the start, but nothing wakes up while there is nothing to test.
      const from = Math.max(flag.since, this.#ended)
      return this.#start + (Math.floor((from - this.#start) / this.#every) + 1) * this.#every
    }
    return Math.max(Math.min(flag.last + this.#debounce, flag.since + this.#maxWait), this.#retryAt)
  }

  /** One timer for any number of changes: a change only moves the due time, which is looked at again on waking. */
  #arm(): void {
    if (this.#stopped || this.#flag === undefined || this.#underWay !== undefined) return
    const due = this.#due(this.#flag)
    if (this.#timer !== undefined && this.#wakeAt <= due) return
    this.#disarm()
    this.#wakeAt = due
    this.#timer = this.#clock.setTimer(() => this.#wake(), Math.max(0, due - this.#clock.now()))
  }

  #wake(): void {
    this.#disarm()
    // An action under way arms the timer again when it ends.
    if (this.#flag === undefined || this.#stopped || this.#underWay !== undefined) return
    // Timers round to milliseconds and may be early by less than one.
    if (this.#due(this.#flag) - this.#clock.now() > 1) this.#arm()
    else void this.#act()
  }

  #act(): Promise<boolean> {
    this.#disarm()
    const flag = this.#flag as Flag<T>
    this.#flag = undefined
    const underWay = this.#attempt(flag).finally(() => {
      this.#underWay = undefined
      this.#arm()
    })
    this.#underWay = underWay
    return underWay
  }

  async #attempt(flag: Flag<T>): Promise<boolean> {
    const changes: Coalesced<T> = {
      count: flag.count,
      kept: flag.kept,
      omitted: flag.count - flag.kept.length,
      since: flag.since,
      failures: flag.failures,
    }
    try {
      await this.#options.action(changes)
      this.#ended = this.#clock.now()
      this.#retryAt = 0
      this.#retryDelay = 0
      return true
    } catch (error) {
      this.#putBack(flag)
      const now = this.#clock.now()
      this.#ended = now
      this.#retryDelay =
        this.#every === undefined
          ? Math.min(
              Math.max(this.#retryDelay * 2, this.#debounce, FIRST_RETRY),
              Math.max(this.#maxWait, FIRST_RETRY),
            )
          : 0
      this.#retryAt = now + this.#retryDelay
      this.#options.onFailure(
        error,
        changes,
        this.#stopped ? undefined : this.#due(this.#flag as Flag<T>) - now,
      )
      return false
    }
  }

  #putBack(flag: Flag<T>): void {
    const newer = this.#flag
    flag.failures += 1
    if (newer !== undefined) {
      flag.count += newer.count
      flag.last = newer.last
      for (const change of newer.kept) {
        if (flag.kept.length >= this.#keep) break
        flag.kept.push(change)
      }
    }
    this.#flag = flag
  }
}

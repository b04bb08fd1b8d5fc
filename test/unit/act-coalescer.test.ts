import { describe, expect, it } from 'vitest'
import { type Clock, type Coalesced, Coalescer, type Pace } from '../../lib/act/coalescer.js'

/** Time that passes only when told to. */
class FakeClock implements Clock {
  time = 1000
  #timers = new Map<number, { at: number; callback: () => void }>()
  #next = 1
  wakes = 0

  now(): number {
    return this.time
  }
  setTimer(callback: () => void, milliseconds: number): unknown {
    this.#timers.set(this.#next, { at: this.time + milliseconds, callback })
    return this.#next++
  }
  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as number)
  }
  get armed(): number {
    return this.#timers.size
  }
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds
    for (;;) {
      const due = [...this.#timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0]
      if (due === undefined) break
      const [id, timer] = due
      this.#timers.delete(id)
      this.time = Math.max(this.time, timer.at)
      this.wakes++
      timer.callback()
      await settle()
    }
    this.time = end
    await settle()
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

function setUp(pace: Pace, keep = 0) {
  const clock = new FakeClock()
  const begun = clock.time
  const acts: { at: number; count: number; changes: Coalesced<string> }[] = []
  const failures: { at: number; retryIn: number | undefined }[] = []
  const control: { fail: boolean; hold: Promise<void> | undefined } = { fail: false, hold: undefined }
  const coalescer = new Coalescer<string>({
    pace,
    keep,
    clock,
    async action(changes) {
      acts.push({ at: clock.time - begun, count: changes.count, changes })
      await control.hold
      if (control.fail) throw new Error('target is down')
    },
    onFailure: (_error, _changes, retryIn) => failures.push({ at: clock.time - begun, retryIn }),
  })
  return { clock, coalescer, acts, failures, control }
}

const times = (acts: { at: number; count: number }[]): [number, number][] => acts.map((a) => [a.at, a.count])

describe('a coalescer that tests the flag every minute', () => {
  it('acts once at the tick, however many changes there were', async () => {
    const { clock, coalescer, acts } = setUp({ every: '60s' })
    await clock.pass(10_000)
    for (let i = 0; i < 1000; i++) coalescer.add('x')
    await clock.pass(49_999)
    expect(acts).toHaveLength(0)
    await clock.pass(1)
    expect(times(acts)).toEqual([[60_000, 1000]])
    await clock.pass(600_000)
    expect(acts).toHaveLength(1)
  })

  it('keeps its ticks, and wakes up for none when there is nothing to test', async () => {
    const { clock, coalescer, acts } = setUp({ every: 60_000 })
    await clock.pass(250_000)
    expect(clock.wakes).toBe(0)
    coalescer.add('x')
    await clock.pass(50_000)
    expect(times(acts)).toEqual([[300_000, 1]])
    expect(clock.armed).toBe(0)
  })

  it('keeps the flag, with its count, until the action has succeeded', async () => {
    const { clock, coalescer, acts, failures, control } = setUp({ every: '60s' }, 10)
    control.fail = true
    coalescer.add('first')
    await clock.pass(60_000)
    coalescer.add('second')
    await clock.pass(60_000)
    control.fail = false
    expect(coalescer.pending).toBe(2)
    await clock.pass(60_000)
    expect(times(acts)).toEqual([
      [60_000, 1],
      [120_000, 2],
      [180_000, 2],
    ])
    expect(acts[2]?.changes).toMatchObject({ kept: ['first', 'second'], omitted: 0, failures: 2 })
    expect(failures).toEqual([
      { at: 60_000, retryIn: 60_000 },
      { at: 120_000, retryIn: 60_000 },
    ])
    expect(coalescer.pending).toBe(0)
  })

  it('does not overlap actions; a change during one leads to one more', async () => {
    const { clock, coalescer, acts, control } = setUp({ every: '1s' })
    let release: () => void = () => {}
    control.hold = new Promise((resolve) => {
      release = resolve
    })
    coalescer.add('a')
    await clock.pass(1000)
    expect(coalescer.acting).toBe(true)
    coalescer.add('b')
    coalescer.add('c')
    await clock.pass(5500)
    expect(acts).toHaveLength(1)
    release()
    control.hold = undefined
    await settle()
    await clock.pass(500)
    expect(times(acts)).toEqual([
      [1000, 1],
      [7000, 2],
    ])
  })
})

describe('a coalescer that waits for quiet', () => {
  it('acts when nothing has changed for the debounce time', async () => {
    const { clock, coalescer, acts } = setUp({ debounce: '2s' })
    for (let i = 0; i < 5; i++) {
      coalescer.add('x')
      await clock.pass(1000)
    }
    expect(acts).toHaveLength(0)
    await clock.pass(1000)
    expect(times(acts)).toEqual([[6000, 5]])
  })

  it('acts at maxWait though changes go on', async () => {
    const { clock, coalescer, acts } = setUp({ debounce: '2s', maxWait: '10s' })
    for (let i = 0; i < 25; i++) {
      coalescer.add('x')
      await clock.pass(1000)
    }
    expect(times(acts)).toEqual([
      [10_000, 10],
      [20_000, 10],
    ])
  })

  it('sets no timer per change', async () => {
    const { clock, coalescer } = setUp({ debounce: '2s' })
    for (let i = 0; i < 10_000; i++) coalescer.add('x')
    expect(clock.armed).toBe(1)
    await clock.pass(3000)
    expect(clock.wakes).toBe(1)
  })

  it('tries a failed action again, ever more slowly, up to maxWait', async () => {
    const { clock, coalescer, acts, failures, control } = setUp({ debounce: '2s', maxWait: '10s' })
    control.fail = true
    coalescer.add('x')
    await clock.pass(30_000)
    expect(failures.map((f) => f.retryIn)).toEqual([2000, 4000, 8000, 10_000, 10_000])
    expect(acts.map((a) => a.at)).toEqual([2000, 4000, 8000, 16_000, 26_000])
  })

  it('keeps the oldest changes up to the limit, and counts the others', async () => {
    const { clock, coalescer, acts } = setUp({ debounce: 10 }, 2)
    for (const change of ['a', 'b', 'c']) coalescer.add(change)
    await clock.pass(10)
    expect(acts[0]?.changes).toMatchObject({ count: 3, kept: ['a', 'b'], omitted: 1 })
  })
})

describe('flush', () => {
  it('acts at once if the flag is set, and not otherwise', async () => {
    const { coalescer, acts } = setUp({ every: '60s' })
    expect(await coalescer.flush()).toBe(true)
    expect(acts).toHaveLength(0)
    coalescer.add('x')
    coalescer.stop()
    expect(await coalescer.flush()).toBe(true)
    expect(acts).toHaveLength(1)
  })

  it('waits for the action under way, then acts for what came meanwhile', async () => {
    const { clock, coalescer, acts, control } = setUp({ every: '1s' })
    let release: () => void = () => {}
    control.hold = new Promise((resolve) => {
      release = resolve
    })
    coalescer.add('a')
    await clock.pass(1000)
    coalescer.add('b')
    const flushed = coalescer.flush()
    const again = coalescer.flush()
    await settle()
    expect(acts).toHaveLength(1)
    release()
    expect(await flushed).toBe(true)
    expect(await again).toBe(true)
    expect(acts).toHaveLength(2)
  })

  it('says when the action failed', async () => {
    const { coalescer, failures, control } = setUp({ every: '1s' })
    control.fail = true
    coalescer.add('a')
    coalescer.stop()
    expect(await coalescer.flush()).toBe(false)
    expect(failures).toEqual([{ at: 0, retryIn: undefined }])
    expect(coalescer.pending).toBe(1)
  })
})

describe('a pace that makes no sense', () => {
  it.each([
    [{ every: 'soon' }, /'60s'/],
    [{ every: '' }, /every/],
    [{ every: 0 }, /between/],
    [{ every: -5 }, /between/],
    [{ every: '90 days' }, /out of range/],
    [{ every: '1s', debounce: '1s' }, /exclude each other/],
    [{ debounce: '10s', maxWait: '5s' }, /maxWait/],
    [{}, /debounce/],
  ])('%j is refused', (pace, message) => {
    const act = () => new Coalescer({ pace: pace as Pace, action: () => {}, onFailure: () => {} })
    expect(act).toThrow(message)
    expect(act).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }))
  })
})

import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { abortable, checkSignal } from '../../lib/abort.js'
import { Run } from '../../lib/run.js'
import { EventQueue } from '../../lib/watch/event-queue.js'

/** A run of a queue that the test fills. */
function make(signal?: AbortSignal) {
  const calls: string[] = []
  const queue = new EventQueue<number>(10, () => calls.push('left'))
  const run = new Run<number>({
    begin: async () => {
      calls.push('begin')
      return queue
    },
    end: async () => {
      calls.push('end')
    },
    signal,
  })
  return { calls, queue, run }
}

describe('a run', () => {
  it('begins with the first record that is asked for, and ends with the records', async () => {
    const { calls, queue, run } = make()
    expect(calls).toEqual([])
    queue.push(1)
    queue.push(2)
    queue.end()
    const seen: number[] = []
    for await (const record of run) seen.push(record)
    expect(seen).toEqual([1, 2])
    expect(calls).toEqual(['begin', 'left', 'end'])
    expect(await run.next()).toEqual({ done: true, value: undefined })
  })

  it('that was never read has nothing to end', async () => {
    const { calls, run } = make()
    await run.return()
    expect(calls).toEqual([])
    expect(await run.next()).toMatchObject({ done: true })
  })

  it('ends once, however often it is left', async () => {
    const { calls, queue, run } = make()
    queue.push(1)
    for await (const _ of run) break
    await run.return()
    await run[Symbol.asyncDispose]()
    expect(calls.filter((call) => call === 'end')).toHaveLength(1)
  })

  it('ends while a record is waited for: a stream that is destroyed does not hang', async () => {
    const { calls, run } = make()
    const stream = Readable.from(run)
    stream.resume()
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls).toEqual(['begin'])
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy()
    await closed
    expect(calls).toEqual(['begin', 'left', 'end'])
  })

  it('gives an error of its beginning after it has ended', async () => {
    const calls: string[] = []
    const run = new Run<number>({
      begin: async () => {
        throw new Error('no')
      },
      end: async () => void calls.push('end'),
    })
    await expect(run.next()).rejects.toThrow('no')
    expect(calls).toEqual(['end'])
    expect(await run.next()).toMatchObject({ done: true })
  })

  it('rejects with the reason of its signal when it has ended, and forgets the signal', async () => {
    const abort = new AbortController()
    const { calls, queue, run } = make(abort.signal)
    queue.push(1)
    await run.next()
    const waiting = run.next()
    abort.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(calls.at(-1)).toBe('end')
    expect(getEventListeners(abort.signal, 'abort')).toEqual([])
  })

  it('never begins with a signal that is aborted', async () => {
    const { calls, run } = make(AbortSignal.abort())
    await expect(run.next()).rejects.toMatchObject({ name: 'AbortError' })
    expect(calls).not.toContain('begin')
  })
})

describe('work that can be aborted', () => {
  it('is undone while it goes on, and rejects when both have ended', async () => {
    const abort = new AbortController()
    const order: string[] = []
    let finish: () => void = () => {}
    const work = abortable(
      abort.signal,
      () => new Promise<void>((resolve) => (finish = resolve)).then(() => void order.push('work')),
      async () => void order.push('undone'),
    ).catch((error: Error) => void order.push(error.name))
    abort.abort()
    expect(order).toEqual(['undone'])
    finish()
    await work
    expect(order).toEqual(['undone', 'work', 'AbortError'])
    expect(getEventListeners(abort.signal, 'abort')).toEqual([])
  })

  it('passes values and errors on, and forgets the signal', async () => {
    const { signal } = new AbortController()
    expect(
      await abortable(
        signal,
        async () => 7,
        async () => {},
      ),
    ).toBe(7)
    const failing = async (): Promise<never> => {
      throw new Error('its own')
    }
    await expect(abortable(signal, failing, async () => {})).rejects.toThrow('its own')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('takes AbortSignals and nothing else', () => {
    expect(() => checkSignal('SIGINT')).toThrow(/signal is an AbortSignal/)
    checkSignal(undefined)
  })
})

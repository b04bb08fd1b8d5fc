import { describe, expect, test } from 'vitest'
import { RecordQueue } from '../../lib/queue.js'
import type { RecordBatch } from '../../lib/record/batch.js'

const batch = (...records: number[]): RecordBatch<number> =>
  ({ length: records.length, toArray: () => records }) as unknown as RecordBatch<number>
const broken = (): RecordBatch<number> =>
  ({
    length: 1,
    toArray: () => {
      throw new RangeError('too wide')
    },
  }) as unknown as RecordBatch<number>
const queue = (limit = 10): RecordQueue<number> => new RecordQueue(limit, () => {})

describe('a queue of records', () => {
  test('gives what was put in, in order, and ends', async () => {
    const records = queue()
    records.push(batch(1, 2))
    records.push(batch(3))
    records.end()
    const seen: number[] = []
    for await (const record of records) seen.push(record)
    expect(seen).toEqual([1, 2, 3])
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('a reader that is early waits', async () => {
    const records = queue()
    const first = records.next()
    const second = records.next()
    const third = records.next()
    records.push(batch(1, 2))
    records.end()
    expect(await first).toEqual({ done: false, value: 1 })
    expect(await second).toEqual({ done: false, value: 2 })
    expect(await third).toEqual({ done: true, value: undefined })
  })

  test('a reader that goes on and on leaves the event loop to others every 2 ms', async () => {
    const records = queue()
    for (let i = 0; i < 8; i++) records.push(batch(i))
    records.end()
    let turns = 0
    const count = (): void => {
      turns++
      immediate = setImmediate(count)
    }
    let immediate = setImmediate(count)
    for await (const _ of records) for (const end = performance.now() + 1; performance.now() < end; );
    clearImmediate(immediate)
    expect(turns).toBeGreaterThanOrEqual(2)
  })

  test('is bounded, but takes one batch of any size', async () => {
    const records = queue(2)
    expect(records.push(batch(1, 2, 3))).toBe(true)
    expect(records.push(batch(4))).toBe(false)
    for (const value of [1, 2]) expect(await records.next()).toEqual({ done: false, value })
    expect(records.push(batch(5))).toBe(true)
    expect(await records.next()).toEqual({ done: false, value: 3 })
    expect(await records.next()).toEqual({ done: false, value: 5 })
  })

  test('an error comes after the records that are there, once', async () => {
    const records = queue()
    records.push(batch(1))
    records.end(new Error('died'))
    expect(await records.next()).toEqual({ done: false, value: 1 })
    await expect(records.next()).rejects.toThrow('died')
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('a batch that cannot be decoded ends it with the reason, and what is lost with it is counted', async () => {
    let left = 0
    let lost = 0
    const records = new RecordQueue<number>(
      10,
      () => left++,
      (count) => {
        lost += count
      },
    )
    records.push(broken())
    records.push(batch(1, 2))
    await expect(records.next()).rejects.toThrow('too wide')
    expect([left, lost]).toEqual([1, 3])
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })

  test('leaving early is told and empties it', async () => {
    let left = 0
    const records = new RecordQueue<number>(10, () => left++)
    records.push(batch(1, 2, 3))
    for await (const _ of records) break
    expect(left).toBe(1)
    expect(await records.next()).toEqual({ done: true, value: undefined })
  })
})

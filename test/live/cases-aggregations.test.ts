/** What the test suites of older DTrace APIs check of aggregations: whole tables, bucket by bucket. See docs/older-apis.md. */
import { expect, test } from 'vitest'
import type { Aggregation, Bucket } from '../../lib/index.js'
import { open } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** One `action` for each number from `first` to `last`, twenty to a clause: what one clause may have is bounded. */
function clauses(first: number, last: number, step: number, action: (value: number) => string): string {
  const actions = []
  for (let value = first; value <= last; value += step) actions.push(action(value))
  let text = ''
  for (let i = 0; i < actions.length; i += 20) text += `BEGIN { ${actions.slice(i, i + 20).join(' ')} }\n`
  return text
}

const table = (rows: readonly Aggregation[], name: string): unknown[] => {
  const buckets = rows.find((row) => row.name === name)?.value as readonly Bucket[] | undefined
  return buckets?.map(({ min, max, count }) => [min, max, count].map(Number)) ?? []
}

describe('aggregations', () => {
  test('quantize, lquantize and llquantize: every bucket, none too many; four keys; and what trunc leaves', async () => {
    const consumer = await open()
    const program = await consumer.compile(`
      ${clauses(-32, 31, 1, (value) => `@powers = quantize(${value});`)}
      ${clauses(-5, 14, 1, (value) => `@ends = lquantize(${value}, 0, 10, 2);`)}
      ${clauses(-100, 99, 1, (value) => `@tens = lquantize(${value}, -200, 200, 10);`)}
      ${clauses(0, 100, 1, (value) => `@fine = llquantize(${value}, 10, 0, 1, 20);`)}
      ${clauses(0, 10050, 50, (value) => `@coarse = llquantize(${value}, 10, 2, 3, 10);`)}
      BEGIN { @printed = count(); printa(@printed); }
      BEGIN { @keys["foo", "bar", 9904, 61707] = count(); }
      BEGIN
      {
        @max = max(10); @max = max(20); @min = min(10); @min = min(20); @count = count(); @count = count();
        @sum = sum(10); @sum = sum(20); @avg = avg(30); @avg = avg(1);
        @large = sum(4294967296); @large = sum(4294967297); @small = min(-4294967297);
      }
      BEGIN
      {
        @quantize = quantize(2); @quantize = quantize(4); @quantize = quantize(5); @quantize = quantize(8);
        @lquantize = lquantize(2, 3, 7, 3); @lquantize = lquantize(4, 3, 7, 3);
        @lquantize = lquantize(5, 3, 7, 3); @lquantize = lquantize(8, 3, 7, 3);
      }`)
    expect(await consumer.enable(program)).toMatchObject({ speculations: 0 })
    await consumer.go()
    const rows = await consumer.aggregations()

    expect(table(rows, '@powers')).toEqual([
      [-63, -32, 1],
      [-31, -16, 16],
      [-15, -8, 8],
      [-7, -4, 4],
      [-3, -2, 2],
      [-1, -1, 1],
      [0, 0, 1],
      [1, 1, 1],
      [2, 3, 2],
      [4, 7, 4],
      [8, 15, 8],
      [16, 31, 16],
    ])
    expect(table(rows, '@ends')).toEqual([
      [-Infinity, -1, 5],
      [0, 1, 2],
      [2, 3, 2],
      [4, 5, 2],
      [6, 7, 2],
      [8, 9, 2],
      [10, Infinity, 5],
    ])
    const range = (first: number, last: number, width: number, count: number): number[][] =>
      Array.from({ length: (last + 1 - first) / width }, (_, i) => [
        first + i * width,
        first + (i + 1) * width - 1,
        count,
      ])
    expect(table(rows, '@tens')).toEqual(range(-100, 99, 10, 10))
    expect(table(rows, '@fine')).toEqual([...range(0, 9, 1, 1), ...range(10, 99, 5, 5), [100, Infinity, 1]])
    // Below the first power, Linux's libdtrace has what is between its negative and itself.
    expect(table(rows, '@coarse')).toEqual([
      [-99, 99, 2],
      ...range(100, 999, 100, 2),
      ...range(1000, 9999, 1000, 20),
      [10000, Infinity, 2],
    ])

    expect(rows.find(({ name }) => name === '@keys')).toMatchObject({
      key: ['foo', 'bar', 9904, 61707],
      action: 'count',
      value: 1n,
    })
    const value = (name: string): unknown => rows.find((row) => row.name === name)?.value
    expect(['@max', '@min', '@count', '@sum', '@avg', '@large', '@small', '@printed'].map(value)).toEqual([
      20n,
      10n,
      2n,
      30n,
      15n,
      8589934593n,
      -4294967297n,
      1n,
    ])
    expect(table(rows, '@quantize')).toEqual([
      [2, 3, 1],
      [4, 7, 2],
      [8, 15, 1],
    ])
    expect(table(rows, '@lquantize')).toEqual([
      [-Infinity, 2, 1],
      [3, 5, 2],
      [6, Infinity, 1],
    ])
    expect(new Set(rows.map(({ id }) => id)).size).toBe(16)

    expect(await consumer.aggregations({ trunc: true })).toEqual(rows)
    expect(await consumer.aggregations()).toEqual([])
    await consumer.stop()
    expect(await consumer.aggregations()).toEqual([])
  })
})

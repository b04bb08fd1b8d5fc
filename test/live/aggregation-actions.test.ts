import { expect, test } from 'vitest'
import {
  type Aggregation,
  type DTraceRecord,
  formatAggregations,
  type JoinedAggregation,
} from '../../lib/index.js'
import { collect, once, open, run } from './consumers.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

describe('what a program does with its aggregations', () => {
  test('printa() records their rows as they are then, and the others do what they do under dtrace(1)', async () => {
    const data = `
      BEGIN { @a["x"] = sum(30); @a["y"] = sum(7); @a["z"] = sum(100); @b["x"] = count(); @b["w"] = count(); @q = quantize(5); @m = max(3); }`
    const print = 'printa(@a);'
    const clause = `
      printf("rows="); ${print} normalize(@a, 10); ${print} denormalize(@a); ${print} trunc(@a, 2); ${print}
      trunc(@a, -1); ${print} clear(@a); ${print} printa("%s %@d %@d\\n", @a, @b); trunc(@a); ${print} clear(@m); printa(@q);`
    const program = `${data} END { ${clause} }`
    const consumer = await open({ options: { quiet: true }, text: true })
    await consumer.enable(await consumer.compile(program))
    await consumer.go()
    await consumer.stop()
    const [record] = (await collect(consumer)) as [DTraceRecord]
    const text = await dtrace('-q', '-n', `${program} BEGIN { exit(0); }`)

    // What is printed in the end is what no printa() has printed: @m. Of what there is nothing left, there is nothing to print.
    const rest = (await consumer.aggregations()).filter(({ name }) => name === '@m')
    expect(`${record.text}\n${formatAggregations(rest)}`).toBe(text)
    expect(rest).toMatchObject([{ value: -(1n << 63n) }])

    // The rows are what the text says.
    const rows = record.values as readonly (readonly Aggregation[])[]
    expect(record.fields.rows).toBe(rows[0])
    const joined = rows[6] as unknown as readonly JoinedAggregation[]
    const single = rows.filter((_, i) => i !== 6)
    const texts = single.map((each) => `\n${formatAggregations(each)}`)
    const cells = (row: JoinedAggregation) => [...row.key, ...row.aggregations.map(({ value }) => value)]
    texts.splice(6, 0, joined.map((row) => `${cells(row).join(' ')}\n`).join(''))
    expect(`rows=${texts.join('')}`).toBe(record.text)
    expect(joined.map(({ aggregations }) => aggregations.map(({ name }) => name))[0]).toEqual(['@a', '@b'])
    expect(rows.map((each) => each.length)).toEqual([3, 3, 3, 2, 1, 1, joined.length, 0, 1])
  })

  test('clearing from here and from the program go together', async () => {
    const consumer = await open()
    const records: DTraceRecord[] = []
    let wake = () => {}
    consumer.on('batch', (batch) => {
      records.push(...batch)
      wake()
    })
    const clauses = `
      syscall::chdir:entry /ppid == $pid/ { n++; @c = count(); @keys[n % 3] = sum(n); }
      syscall::prctl:entry /pid == $pid && arg0 == 0x44545243 && arg1 == 1/ { printa(@c); printa(@keys); }
      syscall::prctl:entry /pid == $pid && arg0 == 0x44545243 && arg1 == 2/ { clear(@c); trunc(@keys); printf("cleared"); }`
    await consumer.enable(await consumer.compile(clauses))
    await consumer.go()
    const load = (times: number) =>
      run('sh', ['-c', `i=0; while [ $i -lt ${times} ]; do cd /; i=$((i+1)); done`])
    const told = async (number: number): Promise<DTraceRecord> => {
      const before = records.length
      consumer.mark(number)
      await once('the record of the mark', (resolve: (value: unknown) => void) => {
        wake = () => resolve(undefined)
        if (records.length > before) wake()
      })
      return records.at(-1) as DTraceRecord
    }
    const printed = async () => {
      const [count, keys] = (await told(1)).values as readonly (readonly Aggregation[])[]
      return [count?.map(({ value }) => value), keys?.map(({ value }) => value)]
    }
    await load(6)
    expect(await printed()).toEqual([[6n], [5n, 7n, 9n]])
    // printa() has what there is since the clear, in the order of that.
    await consumer.aggregations({ clear: true })
    await load(3)
    expect(await printed()).toEqual([[3n], [7n, 8n, 9n]])
    // What the program clears begins anew, whatever was taken off before.
    await told(2)
    expect(await consumer.aggregations()).toMatchObject([{ name: '@c', value: 0n }])
    await load(2)
    expect(await printed()).toEqual([[2n], [10n, 11n]])
    await consumer.aggregations({ trunc: true })
    await load(1)
    expect(await printed()).toEqual([[1n], [12n]])
  })
})

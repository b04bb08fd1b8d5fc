/** What the test suites of older DTrace APIs check of records, drops and errors. See docs/older-apis.md. */
import { expect, test } from 'vitest'
import type { Drop, DTraceRecord, Fault } from '../../lib/index.js'
import { once, open, run, within } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

const chdir = async (count: number): Promise<unknown> =>
  await run('sh', ['-c', `i=0; while [ $i -lt ${count} ]; do cd /; i=$((i+1)); done`])

describe('records', () => {
  test('BEGIN is there at once, END after stop() only; those in between in the order of their firing and of their clauses', async () => {
    const consumer = await open({ options: { switchrate: '5ms' } })
    const records: DTraceRecord[] = []
    const begun = once('the record of BEGIN', (resolve) =>
      consumer.on('batch', (batch) => {
        records.push(...batch)
        resolve(undefined)
      }),
    )
    const started = Date.now()
    await consumer.enable(
      await consumer.compile(`
        int64_t n;
        BEGIN { trace(9904); }
        BEGIN { printf("wall=%d edge=%d low=%d high=%d top=%u", walltimestamp, 1LL << 32, -(1LL << 32) - 1, (1LL << 53) + 1, (uint64_t)-1); }
        BEGIN { printf("{ foo: %d", 123); printf(", bar: %d", 456); }
        syscall::chdir:entry /ppid == $pid/ { printf("n=%d clause=%d", n, 1); }
        syscall::chdir:entry /ppid == $pid/ { printf("n=%d clause=%d", n++, 2); }
        END { trace(61707); }`),
    )
    await consumer.go()
    await begun
    const made = 500
    await chdir(made)
    expect(records.some(({ probe }) => probe.name === 'END')).toBe(false)
    await consumer.stop()

    const of = (name: string): DTraceRecord[] => records.filter(({ probe }) => probe.name === name)
    const [first, wide, formatted] = of('BEGIN')
    expect(first).toMatchObject({ values: [9904], probe: { provider: 'dtrace', module: '', function: '' } })
    expect(wide?.fields).toMatchObject({
      edge: 4294967296n,
      low: -4294967297n,
      high: 9007199254740993n,
      top: 18446744073709551615n,
    })
    const wall = Number((wide?.fields.wall as bigint) / 1_000_000n)
    expect(wall).toBeGreaterThan(started - 60_000)
    expect(wall).toBeLessThan(Date.now() + 60_000)
    expect(formatted?.values).toEqual([123, 456])

    const entries = of('entry')
    expect(entries[0]?.probe).toMatchObject({ provider: 'syscall', function: 'chdir' })
    expect(entries.map(({ fields }) => Number(fields.n)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: made * 2 }, (_, i) => i >> 1),
    )
    for (const cpu of new Set(entries.map((record) => record.cpu))) {
      const here = entries
        .filter((record) => record.cpu === cpu)
        .map(({ fields }) => Number(fields.n) * 2 + Number(fields.clause))
      expect(here, `CPU ${cpu}`).toEqual(here.toSorted((a, b) => a - b))
    }
    expect(of('END').map(({ values }) => values)).toEqual([[61707]])
    expect(records.at(-1)?.probe.name).toBe('END')
  })
})

describe('a buffer of 1 kB', () => {
  test('what does not fit into it is counted, beside the errors of clauses; tracing, stop() and close() go on', async () => {
    const consumer = await open({
      host: 'process',
      options: { bufsize: '1k', aggsize: '1k', switchrate: '50ms' },
    })
    const drops: Drop[] = []
    const faults: Fault[] = []
    let delivered = 0
    let told = 0
    consumer.on('drop', (drop) => drops.push(drop))
    consumer.on('fault', (fault) => faults.push(fault))
    consumer.on('batch', (batch) => {
      for (const { probe, values } of batch) {
        if (probe.name === 'entry') delivered++
        else if (values[0] === 'told by ERROR') told++
      }
    })
    const here = 'syscall::chdir:entry /ppid == $pid/'
    await consumer.enable(
      await consumer.compile(`
        BEGIN { trace(*(char *)0); }
        ERROR { trace("told by ERROR"); }
        ${here} { trace(execname); }
        ${here} { @each[i++] = count(); }`),
    )
    await consumer.go()
    const made = 3000
    let over = false
    const load = chdir(made).finally(() => {
      over = true
    })
    let snapshots = 0
    while (!over) {
      await within('a snapshot while keys are dropped', () => consumer.aggregations())
      snapshots++
    }
    await load
    await within('stop() after drops', () => consumer.stop())
    const kept = await within('the last snapshot', () => consumer.aggregations())
    await within('close() after drops', () => consumer.close())

    const sum = (kind: string): number =>
      drops.filter((drop) => drop.kind === kind).reduce((all, { count }) => all + count, 0)
    expect(snapshots).toBeGreaterThan(0)
    expect(sum('principal')).toBeGreaterThan(0)
    expect(delivered + sum('principal')).toBe(made)
    expect(sum('aggregation')).toBeGreaterThan(0)
    expect(kept.length + sum('aggregation')).toBe(made)
    for (const drop of drops) {
      expect(drop).toMatchObject({
        cpu: expect.any(Number),
        message: expect.stringMatching(/drops? on CPU \d+/),
      })
      expect(drop.count).toBeGreaterThan(0)
      expect(drop.total).toBeGreaterThanOrEqual(drop.count)
    }
    expect(consumer.stats().drops).toBe(sum('principal') + sum('aggregation'))
    expect(faults).toMatchObject([
      {
        count: 1,
        name: 'invalid address',
        address: 0n,
        cpu: expect.any(Number),
        probe: { provider: 'dtrace', name: 'BEGIN' },
        message: expect.stringMatching(
          /^error in .* for probe ID \d+ \(dtrace:::BEGIN\): invalid address \(0x0\)/,
        ),
      },
    ])
    expect(told).toBe(1)
  })

  test('a clause that could never fit into it is refused when tracing would start', async () => {
    const consumer = await open({ host: 'process', options: { bufsize: 512, strsize: 1024 } })
    await consumer.enable(await consumer.compile('BEGIN { trace("a"); trace("b"); trace("c"); trace("d"); }'))
    await expect(consumer.go()).rejects.toMatchObject({
      code: 'ERR_DTRACE_ENABLE',
      reason: expect.stringMatching(/exceeds size of buffer/),
    })
    expect(consumer.state).toBe('compiled')
    await within('close() after that', () => consumer.close())
  })
})

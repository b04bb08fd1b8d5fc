import { expect, test } from 'vitest'
import { type Aggregation, type Consumer, formatAggregations } from '../../lib/index.js'
import { once, open } from './consumers.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** Runs a program until it calls exit(). */
async function runToExit(program: string, ...args: Parameters<typeof open>): Promise<Consumer> {
  const consumer = await open(...args)
  const exit = once('exit()', (resolve) => consumer.once('exit', resolve))
  await consumer.enable(await consumer.compile(program))
  await consumer.go()
  await exit
  return consumer
}

/** What dtrace(1) prints at its end: empty lines come from the command itself. */
async function printed(program: string): Promise<string> {
  return (await dtrace('-q', '-n', program)).replace(/^\n+/, '')
}

const byName = (rows: Aggregation[]): Map<string, Aggregation> => new Map(rows.map((row) => [row.name, row]))

describe('aggregations are what dtrace(1) prints', () => {
  test('every action, and keys of every type', async () => {
    const program = `
      BEGIN { @ = count(); @ = count(); @sum = sum(-5); @sum = sum(1LL << 40); @min = min(-3); @min = min(9); @max = max(3); @max = max(-9); }
      BEGIN { @avg = avg(10); @avg = avg(-31); @stddev = stddev(1); @stddev = stddev(100); @stddev = stddev(-4000000000); }
      BEGIN { @quantize = quantize(7); @lquantize = lquantize(5, -10, 10, 3); @llquantize = llquantize(123, 10, 0, 6, 20); }
      BEGIN { @four["a", (short)-3, 1LL << 33, (char)65] = count(); @four["b", (short)3, -1, (char)200] = count(); }
      BEGIN { @text[""] = count(); @text["with \\"quotes\\"\\n"] = count(); @text["\\303\\274"] = count(); }
      BEGIN { @stack[stack(4)] = count(); @ustack[ustack(2)] = count(); }
      BEGIN { @sym[sym((uintptr_t)&\`vfs_read + 5)] = count(); @func[func((uintptr_t)&\`vfs_read)] = count(); @mod[mod((uintptr_t)&\`vfs_read)] = count(); }
      BEGIN { @usym[usym(ucaller)] = count(); @umod[umod(1)] = count(); @uaddr[uaddr(1)] = count(); @ufunc[ufunc(1)] = count(); }
      BEGIN { exit(0); }`
    const consumer = await runToExit(program)
    const rows = await consumer.aggregations()
    expect(formatAggregations(rows)).toBe(await printed(program))

    const found = byName(rows)
    expect(found.get('@')).toEqual({ name: '@', id: 1, key: [], action: 'count', value: 2n, count: 2n })
    expect(found.get('@sum')).toMatchObject({ action: 'sum', value: (1n << 40n) - 5n, count: undefined })
    expect(found.get('@min')?.value).toBe(-3n)
    expect(found.get('@max')?.value).toBe(3n)
    expect(found.get('@avg')).toMatchObject({ value: -10n, count: 2n })
    expect(found.get('@stddev')).toMatchObject({ action: 'stddev', count: 3n })
    expect(found.get('@quantize')?.value).toEqual([{ min: 4n, max: 7n, count: 1n }])
    expect(found.get('@lquantize')?.value).toEqual([{ min: 5n, max: 7n, count: 1n }])
    expect(found.get('@llquantize')?.value).toEqual([{ min: 100n, max: 149n, count: 1n }])
    const four = rows.filter(({ name }) => name === '@four')
    expect(four.map(({ key }) => key)).toContainEqual(['a', 65533, 1n << 33n, 65])
    expect(found.get('@mod')?.key).toMatchObject([{ module: 'vmlinux' }])
    expect(found.get('@ustack')?.key).toMatchObject([{ frames: [{ symbol: 'BEGIN_probe' }] }])
  })
})

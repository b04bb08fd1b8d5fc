import { expect, test } from 'vitest'
import {
  type Aggregation,
  aggregationDeltas,
  type Bucket,
  type Consumer,
  formatAggregations,
  formatQuantize,
} from '../../lib/index.js'
import { keepAwake } from './awake.js'
import { once, open, run } from './consumers.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()
keepAwake()

/** Runs a program until it calls exit(). */
async function runToExit(program: string, ...args: Parameters<typeof open>): Promise<Consumer> {
  const consumer = await open(...args)
  await consumer.enable(await consumer.compile(program))
  await Promise.all([once('exit()', (resolve) => consumer.once('exit', resolve)), consumer.go()])
  return consumer
}

/** dtrace(1) itself prints an empty line or two before them. */
const trimmed = (text: string) => text.replace(/^\n+/, '')

/** What dtrace(1) prints at its end. */
const printed = async (program: string) => trimmed(await dtrace('-q', '-n', program))

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

  test('distributions: full tables, all kinds of scales, negative increments, normalized', async () => {
    const program = `
      int i;
      BEGIN { i = -32; }
      tick-1ms /i < 32/ { @q = quantize(i); @l = lquantize(i, -10, 10, 3); @wide = lquantize(i, -1000, 1000, 100); @ll = llquantize(i * i * i, 10, 0, 3, 20); i++; }
      tick-1ms /i == 32/ { i++; exit(0); }
      BEGIN { @extremes = quantize(-9223372036854775807 - 1); @extremes = quantize(9223372036854775807); @increments = quantize(5, 7); @increments = quantize(100, -3); }
      BEGIN { @below = quantize(3, -2); @zero = quantize(5, 1); @zero = quantize(5, -1); @none = lquantize(5, 0, 10, 5, 0); @nothing = llquantize(5, 10, 0, 2, 10, 0); }
      BEGIN { @ghost = llquantize(1, 4, 0, 2, 16); @ghost = llquantize(-3, 4, 0, 2, 16); @far = llquantize(1000000, 10, 2, 4, 20); @far = llquantize(-1000000, 10, 2, 4, 20); @far = llquantize(-5, 10, 2, 4, 20); @up = llquantize(7, 10, 2, 4, 20); @up = llquantize(777, 10, 2, 4, 20); }
      BEGIN { @edges = lquantize(-100, 0, 10, 5); @edges = lquantize(100, 0, 10, 5); @tens = quantize(1, 25); normalize(@tens, 10); @loss = quantize(1, 2); normalize(@loss, 10); }`
    const consumer = await runToExit(program)
    const rows = await consumer.aggregations()
    const expected = await printed(program)
    expect(trimmed(formatAggregations(rows))).toBe(expected)
    for (const row of rows) expect(`\n${expected}`).toContain(`\n${formatQuantize(row as never)}`)

    const found = byName(rows)
    const table = (name: string) =>
      ((found.get(name) as Aggregation).value as Bucket[]).map(({ min, max, count }) => [min, max, count])
    expect(table('@q')).toEqual([
      [-63n, -32n, 1n],
      [-31n, -16n, 16n],
      [-15n, -8n, 8n],
      [-7n, -4n, 4n],
      [-3n, -2n, 2n],
      [-1n, -1n, 1n],
      [0n, 0n, 1n],
      [1n, 1n, 1n],
      [2n, 3n, 2n],
      [4n, 7n, 4n],
      [8n, 15n, 8n],
      [16n, 31n, 16n],
    ])
    expect(table('@l')).toEqual([
      [Number.NEGATIVE_INFINITY, -11n, 22n],
      ...[-10n, -7n, -4n, -1n, 2n, 5n].map((min) => [min, min + 2n, 3n]),
      [8n, Number.POSITIVE_INFINITY, 24n],
    ])
    // Every value falls into the bucket that says so, whatever the scale.
    const cubes = Array.from({ length: 64 }, (_, i) => BigInt(i - 32) ** 3n)
    for (const { min, max, count } of (found.get('@ll') as Aggregation).value as Bucket[]) {
      expect([min, max, BigInt(cubes.filter((cube) => cube >= min && cube <= max).length)]).toEqual([
        min,
        max,
        count,
      ])
    }
    expect(table('@extremes')).toEqual([
      [Number.NEGATIVE_INFINITY, -(1n << 62n), 1n],
      [1n << 62n, (1n << 63n) - 1n, 1n],
    ])
    expect(found.get('@tens')).toMatchObject({
      value: [{ min: 1n, max: 1n, count: 2n }],
      count: 25n,
      normal: 10n,
    })
  })

  test('in every order that dtrace(1) has, and joined', async () => {
    const data = `
      BEGIN { @a["x", 3] = sum(2); @a["y", 1] = sum(9); @a["w", 2] = sum(5); @a["x", 1] = sum(5); @a["w", 9] = sum(-1); }
      BEGIN { @b["y", 1] = count(); @b["x", 3] = count(); @b["x", 3] = count(); @b["z", 0] = count(); }`
    const settings: Record<string, string>[] = [
      {},
      { aggsortrev: 'set' },
      { aggsortkey: 'set' },
      { aggsortkey: 'set', aggsortrev: 'set' },
      { aggsortkey: 'set', aggsortkeypos: '1' },
    ]
    const names = ['aggsortkey', 'aggsortrev', 'aggsortkeypos']
    // One run prints in each order; the mark says where one ends.
    const prints = settings.map((setting) =>
      [
        ...names.map((name) => `setopt("${name}", "${setting[name] ?? 'unset'}")`),
        'printa(@a)',
        'printa("join %s %d %@d %@d\\n", @a, @b)',
        'printf("mark\\n")',
      ].join('; '),
    )
    const text = await dtrace('-q', '-n', `${data} END { ${prints.join('; ')}; } BEGIN { exit(0); }`)
    const parts = text.split('mark\n').slice(0, settings.length)
    const rowsOf = (part: string) => part.split('\n').filter((line) => line.startsWith('  '))
    const joinedOf = (part: string) => part.split('\n').filter((line) => line.startsWith('join '))

    const consumer = await runToExit(`${data} BEGIN { exit(0); }`)
    const lines = (rows: Aggregation[]) => formatAggregations(rows).split('\n').slice(0, -1)
    const joined = async (options: { sort?: 'key' | 'value'; reverse?: boolean; by?: string } = {}) =>
      (await consumer.joinedAggregations({ names: ['@a', '@b'], ...options })).map(
        ({ key, aggregations }) =>
          `join ${key.join(' ')} ${aggregations.map(({ value }) => String(value)).join(' ')}`,
      )
    for (const [i, setting] of settings.entries()) {
      for (const name of names)
        await consumer.setOption(name as 'aggsortrev', (setting[name] ?? 'unset') as 'unset')
      expect(lines(await consumer.aggregations({ names: ['a'] }))).toEqual(rowsOf(parts[i] as string))
      expect(await joined()).toEqual(joinedOf(parts[i] as string))
    }
    for (const name of names) await consumer.setOption(name as 'aggsortrev', 'unset')

    const [byValue, byValueReverse, byKey, byKeyReverse] = parts.map(rowsOf)
    const sorted = async (sort: 'key' | 'value', reverse: boolean) =>
      lines(await consumer.aggregations({ names: ['@a'], sort, reverse }))
    expect(await sorted('value', false)).toEqual(byValue)
    expect(await sorted('value', true)).toEqual(byValueReverse)
    expect(await sorted('key', false)).toEqual(byKey)
    expect(await sorted('key', true)).toEqual(byKeyReverse)
    expect(lines(await consumer.aggregations({ names: ['@a'], reverse: true }))).toEqual(byValueReverse)
    expect(await joined({ sort: 'key' })).toEqual(joinedOf(parts[2] as string))
    expect(await joined({ sort: 'value', reverse: true })).toEqual(joinedOf(parts[1] as string))
    expect((await joined({ by: '@b' })).map((line) => line.split(' ').at(-1))).toEqual([
      '0',
      '0',
      '0',
      '1',
      '1',
      '2',
    ])

    const across = async (sort: 'keyvar' | 'valuevar', reverse = false) =>
      (await consumer.aggregations({ sort, reverse })).map(({ name, key, value }) => [name, ...key, value])
    const byKeys = [
      ['@a', 'w', 2, 5n],
      ['@a', 'w', 9, -1n],
      ['@a', 'x', 1, 5n],
      ['@a', 'x', 3, 2n],
      ['@b', 'x', 3, 2n],
      ['@a', 'y', 1, 9n],
      ['@b', 'y', 1, 1n],
      ['@b', 'z', 0, 1n],
    ]
    expect(await across('keyvar')).toEqual(byKeys)
    expect(await across('keyvar', true)).toEqual(byKeys.toReversed())
    const byValues = await across('valuevar')
    expect(byValues.filter(([name]) => name === '@a').map((row) => row.at(-1))).toEqual([-1n, 2n, 5n, 5n, 9n])
    expect(await across('valuevar', true)).toEqual(byValues.toReversed())
  })

  test('the values of each CPU, with aggpercpu', async () => {
    const program = 'BEGIN { @c["k"] = count(); @q = quantize(5); @m = max(3); exit(0); }'
    const consumer = await runToExit(program, { options: { aggpercpu: true, cpu: 0 } })
    const rows = await consumer.aggregations()
    const [count] = rows as [Aggregation]
    expect(count.perCpu.filter((value) => value === 1n)).toHaveLength(1)
    const text = await dtrace('-q', '-x', 'aggpercpu', '-x', 'cpu=0', '-n', program)
    expect(formatAggregations(rows)).toBe(trimmed(text))
  })
})

/** Calls chdir() so often. */
const load = (times: number) => run('sh', ['-c', `i=0; while [ $i -lt ${times} ]; do cd /; i=$((i+1)); done`])

describe('snapshots of a program that runs', () => {
  test('clearing loses nothing, deltas add up, and an iterator ends with the tracing', async () => {
    const consumer = await open()
    const clause = `syscall::chdir:entry /ppid == $pid/ {
      this->n = ++n; @count = count(); @sum = sum(this->n); @keys[this->n % 10] = count(); @quantize = quantize(this->n);
      @stddev = stddev(this->n * 4000000000); @avg = avg(this->n); @max = max(this->n); @min = min(this->n); }`
    await consumer.enable(await consumer.compile(clause))
    await expect(consumer.aggregations()).rejects.toMatchObject({
      code: 'ERR_DTRACE_STATE',
      message: /running/,
    })
    expect(() => consumer.snapshots({ interval: 10 })).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_STATE' }),
    )
    await consumer.go()
    expect(await consumer.aggregations()).toEqual([])

    const times = 30_000
    const total = (BigInt(times) * BigInt(times + 1)) / 2n
    const first = await consumer.aggregations()
    const loaded = load(times)
    let over = false
    const ended = loaded.then(() => {
      over = true
    })
    const sums = { count: 0n, sum: 0n, keys: 0n, quantize: 0n }
    let largest = 0n
    let snapshots = 0
    const add = (rows: Aggregation<'bigint'>[]) => {
      for (const row of rows) {
        if (row.name === '@count') sums.count += row.value as bigint
        if (row.name === '@sum') sums.sum += row.value as bigint
        if (row.name === '@keys') sums.keys += row.value as bigint
        if (row.name === '@quantize') sums.quantize += row.count as bigint
        if (row.name === '@max' && (row.value as bigint) > largest) largest = row.value as bigint
      }
    }
    while (!over) {
      add(await consumer.aggregations({ clear: true }))
      snapshots++
    }
    await ended
    add(await consumer.aggregations({ clear: true }))
    expect(snapshots).toBeGreaterThan(2)
    expect(sums).toEqual({ count: BigInt(times), sum: total, keys: BigInt(times), quantize: BigInt(times) })

    // Keys stay, with nothing in them; those of min and max come again when they fire.
    const cleared = byName(await consumer.aggregations())
    expect(cleared.get('@count')?.value).toBe(0n)
    expect(cleared.get('@quantize')?.value).toEqual([])
    expect([cleared.has('@min'), cleared.has('@max')]).toEqual([false, false])
    expect(first).toEqual([])

    // What is cleared is taken off in the order, too: the last key has fired once, all others not.
    await load(1)
    const sorted = await consumer.aggregations({ names: ['@keys'], sort: 'value', reverse: true })
    expect(sorted.map(({ value }) => value)).toEqual([1n, ...Array(9).fill(0n)])
    expect(sorted[0]?.key).toEqual([BigInt(times + 1) % 10n])
    const single = byName(await consumer.aggregations())
    const n = BigInt(times + 1)
    for (const name of ['@sum', '@avg', '@min', '@max']) expect(single.get(name)?.value).toBe(n)
    // Its value isn't looked at: what two CPUs have is added up without a carry, see docs/aggregations.md.
    expect(single.get('@stddev')?.count).toBe(1n)

    // Deltas clear nothing.
    const before = await consumer.aggregations()
    await load(2)
    const after = await consumer.aggregations()
    const delta = byName(aggregationDeltas(before, after))
    expect(delta.get('@count')?.value).toBe(2n)
    expect(delta.get('@sum')?.value).toBe(2n * n + 3n)
    expect(delta.get('@avg')).toMatchObject({ value: n + 1n, count: 2n })
    expect(delta.get('@stddev')?.count).toBe(2n)
    expect(delta.get('@quantize')?.count).toBe(2n)
    expect(delta.get('@max')?.value).toBe(n + 2n)
    expect(delta.has('@min')).toBe(false)
    expect(aggregationDeltas(after, await consumer.aggregations())).toEqual([])
    await consumer.aggregations({ names: ['count'], clear: true })
    await load(1)
    expect(byName(aggregationDeltas(after, await consumer.aggregations())).get('@count')?.value).toBe(1n)

    // trunc: keys go.
    await consumer.aggregations({ names: ['@keys'], trunc: true })
    expect(await consumer.aggregations({ names: ['@keys'] })).toEqual([])
    await load(1)
    expect((await consumer.aggregations({ names: ['@keys'] })).map(({ value }) => value)).toEqual([1n])

    // A reader that leaves, one that is aborted, and one that stays until the end.
    for await (const rows of consumer.snapshots({ interval: '5ms', names: ['@count'] })) {
      expect(rows).toHaveLength(1)
      break
    }
    const abort = new AbortController()
    const aborted = async () => {
      for await (const _ of consumer.snapshots({ interval: '5ms', signal: abort.signal }))
        abort.abort(new Error('enough'))
    }
    await expect(aborted()).rejects.toThrow('enough')
    const waiting = consumer.snapshots({ interval: '1h' })
    const never = waiting.next()
    await waiting.return?.()
    expect(await never).toEqual({ done: true, value: undefined })
    let added = 0n
    const reading = (async () => {
      for await (const [row] of consumer.snapshots({ interval: '1h', delta: true, names: ['@count'] })) {
        added += row?.value as bigint
      }
    })()
    await consumer.aggregations()
    await load(5)
    await consumer.stop()
    await reading
    expect(added).toBe(5n)
    expect(byName(await consumer.aggregations()).get('@count')?.value).toBe(7n)
    await consumer.close()
    await expect(consumer.aggregations()).rejects.toMatchObject({
      code: 'ERR_DTRACE_STATE',
      message: /closed/,
    })
  })

  test('10,000 keys, in a child process as well; what does not fit is told as drops', async () => {
    const consumer = await open({ host: 'process', options: { aggsize: '16m' } })
    const clause = 'syscall::chdir:entry /ppid == $pid/ { @a[++n, "a"] = count(); @sum = sum(n); }'
    await consumer.enable(await consumer.compile(clause))
    await consumer.go()
    await load(10_000)
    const rows = await consumer.aggregations({ names: ['@a'], sort: 'key' })
    expect(rows.map(({ key }) => Number(key[0]))).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
    await consumer.close()

    const small = await open({ options: { aggsize: '16k' } })
    const drops: { kind: string; count: number }[] = []
    small.on('drop', (drop) => drops.push(drop))
    await small.enable(await small.compile('syscall::chdir:entry /ppid == $pid/ { @a[++n] = count(); }'))
    await small.go()
    await load(1000)
    const kept = (await small.aggregations()).length
    expect(new Set(drops.map(({ kind }) => kind))).toEqual(new Set(['aggregation']))
    expect(drops.reduce((sum, { count }) => sum + count, 0) + kept).toBe(1000)
  })
})

describe('what can go wrong with aggregations', () => {
  test('programs without any, names that are none, and options that are none', async () => {
    const consumer = await runToExit(
      'BEGIN { @opens = count(); @big = sum(1LL << 60); @q = quantize(1LL << 60); /* @no */ printf("@no"); exit(0); }',
      {
        int64: 'number' as never,
      },
    )
    const refused = async (options: unknown, message: RegExp) =>
      await expect(consumer.aggregations(options as never)).rejects.toMatchObject({
        code: 'ERR_DTRACE_ARGUMENT',
        message: expect.stringMatching(message),
      })
    await refused({ names: ['@no'] }, /no aggregation @no: there are @opens, @big, @q/)
    await refused({ names: 'opens' }, /array/)
    await refused({ names: [5] }, /name is a text/)
    await refused({ names: ['@opens', 'opens'] }, /twice/)
    await refused({ sort: 'up' }, /"key" or "value" or "keyvar" or "valuevar", not "up"/)
    await refused({ reverse: 1 }, /reverse is true or false/)
    await refused({ clear: true, trunc: true }, /one or the other/)
    await refused(null, /object/)
    expect(() => consumer.snapshots({ interval: 'soon' as never })).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }),
    )
    expect(() => consumer.snapshots({ interval: 5, delta: true, clear: true })).toThrow(/one or the other/)
    await expect(consumer.joinedAggregations({ names: [] })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
    })
    await expect(consumer.joinedAggregations({ names: ['@opens'], by: '@big' })).rejects.toThrow(
      /by is one of/,
    )

    expect(await consumer.aggregations({ names: ['opens'] })).toEqual([
      { name: '@opens', id: 1, key: [], action: 'count', value: 1, count: 1 },
    ])
    for (const name of ['@big', '@q']) {
      await expect(consumer.aggregations({ names: [name] })).rejects.toMatchObject({
        code: 'ERR_DTRACE_RANGE',
        message: expect.stringMatching(`^${name}: 1152921504606846976 does not fit`),
      })
    }
    await consumer.close()

    const without = await runToExit('BEGIN { exit(0); }')
    expect(await without.aggregations({ clear: true })).toEqual([])
    await expect(without.aggregations({ names: ['@a'] })).rejects.toThrow(/no program here has any/)
    expect(() => formatQuantize({ name: '@a' } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }),
    )
  })
})

import { cpus } from 'node:os'
import { pid, umask } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Symbol as CodeSymbol,
  type Drop,
  type DTraceRecord,
  int32,
  Printed,
  program,
  Stack,
} from '../../lib/index.js'
import { BEGIN, Calls, dtrace, traced } from './actions-driver.js'
import { keepAwake } from './awake.js'
import { once, open } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()
keepAwake()

let calls: Awaited<ReturnType<typeof Calls.compile>>
beforeAll(async () => {
  calls = await Calls.compile()
})
afterAll(async () => await calls.remove())

const texts = (records: readonly DTraceRecord[]): string => records.map(({ text }) => text).join('')

/** Where something is differs from run to run. */
const withoutAddresses = (text: string): string => text.replace(/0xffff[0-9a-f]{12}/g, '0xffff…')

describe('what an action records, and what libdtrace prints for it', () => {
  test('trace, printf, print, tracemem, sym, printa', async () => {
    const source = `
      BEGIN
      {
        trace(9904); trace((int8_t)-1); trace((uint8_t)255); trace((int16_t)-300); trace((uint16_t)65535);
        trace((int32_t)-2147483647); trace((uint32_t)4294967295); trace(-5000000000); trace((uint64_t)1 << 63);
        trace("plain"); trace("naïve");
        trace(curthread->se.load);
      }
      BEGIN
      {
        printf("[d=%d|w=%5d|l=%-5d|z=%05d|x=%#x|s=%10s|c=%c|%%|t=%s]\\n", -1, 42, 42, 42, 255, "right", 65, "naïve");
        printf("[big=%d neg=%d u=%u o=%o X=%X]\\n", 9007199254740993, -9007199254740993, (uint64_t)-1, 8, 48879);
        printf("no values\\n");
      }
      BEGIN
      {
        tracemem(&\`vfs_read, 24); tracemem(&\`vfs_read, 24, 5); tracemem(&\`vfs_read, 24, (int8_t)-1);
        printf("load="); print(&curthread->se.load);
      }
      BEGIN
      {
        sym((uintptr_t)&\`vfs_read); func((uintptr_t)&\`vfs_read + 4); mod((uintptr_t)&\`vfs_read); sym((uint64_t)5);
      }
      BEGIN
      {
        @sums["a"] = sum(3); @sums["b"] = sum(4); @dist = quantize(7); @dist = quantize(8);
        printa("%s: %@d\\n", @sums); printa(@dist);
      }
      BEGIN { exit(0); }`
    const printed = await dtrace(source)
    const consumer = await open({ text: true, options: { quiet: true } })
    const records = await traced(consumer, source)

    const [integers, formatted, memory, symbols] = records
    expect(integers?.values.slice(0, 9)).toEqual([
      9904,
      -1,
      255,
      -300,
      65535,
      -2147483647,
      4294967295,
      -5000000000n,
      1n << 63n,
    ])
    expect(integers?.values.slice(9, 11)).toEqual(['plain', 'naïve'])
    // struct load_weight { unsigned long weight; u32 inv_weight }
    const struct = integers?.values[11] as Uint8Array
    expect(struct).toBeInstanceOf(Uint8Array)
    expect(struct.length).toBe(16)

    expect(formatted?.fields).toMatchObject({ d: -1, w: 42, x: 255, s: 'right', c: 65, t: 'naïve' })
    expect(formatted?.fields).toMatchObject({ big: 9007199254740993n, neg: -9007199254740993n })
    expect(formatted?.fields.u).toBe((1n << 64n) - 1n)

    const [whole, part, negative, load] = (memory?.values ?? []) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Printed,
    ]
    expect([whole.length, part.length, negative.length]).toEqual([24, 5, 24])
    expect(part).toEqual(whole.slice(0, 5))
    expect(negative).toEqual(whole)
    expect(load).toBeInstanceOf(Printed)
    expect(load.address).toBeGreaterThan(0n)
    expect(load.bytes.slice(0, 12)).toEqual(struct.slice(0, 12))
    expect(memory?.fields.load).toBe(load)

    const [sym, func, mod, none] = (symbols?.values ?? []) as CodeSymbol[]
    expect(sym).toMatchObject({ pid: undefined, module: 'vmlinux', symbol: 'vfs_read', offset: 0 })
    expect(func).toMatchObject({ module: 'vmlinux', symbol: 'vfs_read', offset: 4, text: 'vmlinux`vfs_read' })
    expect(mod).toMatchObject({ module: 'vmlinux', text: 'vmlinux' })
    expect(none).toMatchObject({ address: 5n, module: undefined, symbol: undefined, text: '0x5' })

    expect(withoutAddresses(texts(records))).toBe(withoutAddresses(printed.toString()))
  })

  test('stacks and symbols of the kernel and of a process', async () => {
    const process = calls.start()
    try {
      const source = `
        #pragma D option stackframes=3
        #pragma D option ustackframes=4
        ${BEGIN}
        syscall::chdir:entry /pid == ${process.pid} && !done/
        {
          done = 1;
          stack(); printf("few="); stack(2); ustack(); printf("two="); ustack(2); printf("%k", stack(1));
          usym(ucaller); ufunc(ucaller); umod(ucaller); uaddr(ucaller); sym(caller); mod(caller);
          exit(0);
        }`
      const load = async () => await process.make(1)
      const printed = await dtrace(source, { load })
      // In another process than the one whose child is looked at: see docs/processes.md.
      const consumer = await open({ host: 'process', text: true, options: { quiet: true } })
      const records = await traced(consumer, source, load)
      const { fields, values } = records.at(-1) as DTraceRecord
      const [kernel, , user, , , usym, , umod, uaddr] = values as [...Stack[]] & CodeSymbol[]
      expect(kernel).toBeInstanceOf(Stack)
      expect(kernel).toHaveLength(3)
      expect(kernel?.pid).toBeUndefined()
      for (const frame of kernel as Stack) {
        expect(frame).toMatchObject({ module: 'vmlinux', symbol: expect.stringMatching(/^\w+$/) })
        expect(frame.address).toBeGreaterThan(1n << 63n)
      }
      expect((fields.few as Stack).frames).toEqual(kernel?.frames.slice(0, 2))

      expect(user?.pid).toBe(process.pid)
      expect(user).toHaveLength(4)
      const named = user?.frames.map(({ module, symbol }) => `${module}:${symbol}`)
      // glibc's syscall() makes no frame of its own, so what called it is left out.
      expect(named?.slice(1, 3)).toEqual(['calls:outer', 'calls:main'])
      expect(user?.frames[1]?.offset).toBeGreaterThan(0)
      expect(fields.two).toHaveLength(2)
      expect(usym).toMatchObject({ pid: process.pid, module: expect.any(String) })
      expect(uaddr?.text).toMatch(/`/)
      expect(umod?.text).toBe(uaddr?.module)

      expect(texts(records)).toBe(printed.toString())
    } finally {
      await process.end()
    }
  })
})

describe('ustack() with room for strings', () => {
  // dtrace(1) 2.0.7 prints its header as a first frame, so there is nothing to compare with.
  test('has the same frames as without, in records and in keys', async () => {
    const process = calls.start()
    try {
      const consumer = await open({ host: 'process' })
      const source = `
        ${BEGIN}
        syscall::chdir:entry /pid == ${process.pid} && !done/
        {
          done = 1;
          ustack(3); ustack(3, 0); ustack(3, 8); ustack(3, 500); ustack(2, 64);
          @[ustack(2, 100)] = count();
          exit(0);
        }`
      const records = await traced(consumer, source, async () => await process.make(1))
      const stacks = records.at(-1)?.values as Stack[]
      const [first] = stacks
      expect(first).toMatchObject({ pid: process.pid })
      expect(first).toHaveLength(3)
      for (const stack of stacks.slice(1, 4)) expect(stack).toEqual(first)
      expect(stacks[4]).toMatchObject({ pid: process.pid, frames: first?.frames.slice(0, 2) })
      const [row] = await consumer.aggregations()
      expect(row?.key).toMatchObject([{ pid: process.pid, frames: first?.frames.slice(0, 2) }])
    } finally {
      await process.end()
    }
  })
})

describe('what a clause does beside recording', () => {
  test('setopt() sets an option and is told; one that fails is a fault; exit() has its status', async () => {
    const consumer = await open({ text: true, options: { switchrate: '20ms' } })
    const options: unknown[] = []
    const faults: string[] = []
    let status: number | undefined
    consumer.on('option', ({ probe, ...change }) => options.push([probe.name, change]))
    consumer.on('fault', ({ message }) => faults.push(message))
    consumer.on('exit', (exit) => {
      status = exit.status
    })
    const records = await traced(
      consumer,
      `BEGIN { trace(1); setopt("quiet"); setopt("switchrate", "15ms"); setopt("nosuch", "1"); }
       tick-50ms /ticks++ == 1/ { trace(2); exit(3); }`,
    )
    expect(options).toEqual([
      ['BEGIN', { name: 'quiet', value: 1, previous: undefined }],
      ['BEGIN', { name: 'switchrate', value: 15_000_000, previous: 20_000_000 }],
    ])
    expect(faults).toEqual([expect.stringMatching(/option "nosuch"/)])
    expect(await consumer.getOption('switchrate')).toBe(15_000_000)
    expect(status).toBe(3)
    // Not quiet yet, and quiet then.
    expect(records.map(({ text }) => text)).toEqual(['          1', '2'])
  })

  test('freopen(), ftruncate() and jstack() are refused where they stand, system() without destructive when it starts', async () => {
    const consumer = await open()
    const refused = async (source: string, error: object) =>
      await expect(consumer.compile(source)).rejects.toMatchObject(error)
    await refused('BEGIN { trace(1); }\nBEGIN { freopen("/tmp/x"); }', {
      code: 'ERR_DTRACE_UNSUPPORTED',
      message: expect.stringMatching(/line 2: freopen\(\)/),
    })
    await refused('BEGIN { ftruncate (); }', { code: 'ERR_DTRACE_UNSUPPORTED' })
    await refused('BEGIN { jstack(); }', { code: 'ERR_DTRACE_COMPILE', reason: /jstack/ })
    await consumer.enable(
      await consumer.compile(
        '/* freopen("x") */ BEGIN { printf("freopen(\\"x\\")"); system("true"); exit(0); }',
      ),
    )
    await expect(consumer.go()).rejects.toMatchObject({
      code: 'ERR_DTRACE_ENABLE',
      message: expect.stringMatching(/option destructive/),
    })
  })
})

describe('speculations', () => {
  const source = (pid: number): string => `
    ${BEGIN}
    syscall::chdir:entry /pid == ${pid}/ { self->spec = speculation(); self->n = ++n; }
    syscall::chdir:entry /self->spec/ { speculate(self->spec); printf("n=%d\\n", self->n); }
    syscall::chdir:return /self->spec && arg1 == 0/ { commit(self->spec); self->spec = 0; }
    syscall::chdir:return /self->spec/ { discard(self->spec); self->spec = 0; }
    syscall::chdir:return /pid == ${pid} && n == 8/ { printf("last\\n"); exit(0); }`

  test('what is committed comes, what is discarded does not', async () => {
    const process = calls.start(0)
    try {
      // Each is read before the next one begins, so that there is always a free buffer.
      const load = async () => {
        for (let i = 0; i < 4; i++) await process.make(2)
      }
      const clauses = `#pragma D option nspec=16\n${source(process.pid)}`
      const printed = await dtrace(clauses, { load })
      const consumer = await open({ text: true, options: { quiet: true } })
      const records = await traced(consumer, clauses, load)
      expect(records.map(({ fields }) => fields.n).filter((n) => n !== undefined)).toEqual([1n, 3n, 5n, 7n])
      expect(texts(records)).toBe(printed.toString())
    } finally {
      await process.end()
    }
  })

  test('what is committed before anybody has looked comes, too, though exit() was called by then', async () => {
    // When dtrace_go() is over, the thread that called it makes such a set (platform::Buffers), on BEGIN's processor.
    const consumer = await open()
    const records = await traced(
      consumer,
      `BEGIN { begun = 1; }
       syscall::epoll_create1:entry /begun && !n/ { self->spec = speculation(); self->n = ++n; }
       syscall::epoll_create1:entry /self->spec/ { speculate(self->spec); printf("n=%d", self->n); }
       syscall::epoll_create1:entry /self->spec/ { commit(self->spec); self->spec = 0; }
       syscall::epoll_create1:entry /n/ { exit(0); }`,
    )
    expect(records.map(({ fields }) => fields.n).filter((n) => n !== undefined)).toEqual([1n])
  })

  test('one for which there is no buffer is reported', async () => {
    const process = calls.start(0)
    try {
      const consumer = await open({ options: { nspec: 1, switchrate: '100ms' } })
      const drops: Drop[] = []
      consumer.on('drop', (drop) => drops.push(drop))
      await consumer.enable(
        await consumer.compile(
          `syscall::chdir:entry /pid == ${process.pid}/ { self->spec = speculation(); }
           syscall::chdir:entry /self->spec/ { speculate(self->spec); printf("n=%d", 1); self->spec = 0; }`,
        ),
      )
      await consumer.go()
      await process.make(10)
      await consumer.stop()
      expect(drops.map(({ kind }) => kind)).toContain('speculation-unavailable')
      const failed = drops.filter(({ kind }) => kind === 'speculation-unavailable')
      expect(failed.reduce((sum, { count }) => sum + count, 0)).toBe(9)
      // Of all CPUs together.
      expect(failed[0]).toMatchObject({
        cpu: undefined,
        message: expect.stringMatching(/failed speculation/),
      })
    } finally {
      await process.end()
    }
  })
})

describe('flow', () => {
  test('entries and returns, as deep as dtrace -F indents them', async () => {
    const process = calls.start(0)
    try {
      const at = (name: string): string => `syscall::chdir:${name} /pid == ${process.pid}`
      const source = `
        ${BEGIN}
        syscall::umask:return /pid == ${pid}/ { trace(0); }
        ${at('entry')}/ { trace(1); }
        ${at('entry')}/ { trace(2); }
        ${at('return')}/ { trace(3); }
        ${at('return')} && ++returns == 4/ { exit(0); }`
      // One look into the buffers for all of it, since libdtrace begins anew with each: with the first record after BEGIN's it looks
      // at once, and after that when a switchrate is over.
      const switchrate = '1s'
      const load = async () => {
        umask(umask())
        await delay(100)
        await process.make(4)
      }
      const flags = ['-F', '-x', `switchrate=${switchrate}`]
      const lines = (await dtrace(source, { load, flags })).toString().split('\n')
      const consumer = await open({ flow: true, options: { switchrate } })
      const records = (await traced(consumer, source, load)).filter(({ probe }) => probe.function === 'chdir')
      expect(records.slice(0, 4).map(({ flow, depth }) => [flow, depth])).toEqual([
        ['entry', 0],
        [undefined, 1],
        ['return', 0],
        // A second clause at a return is a return, too.
        ['entry', 0],
      ])
      const arrow = { entry: ' => ', return: ' <= ' }
      const shown = records.map(
        ({ flow, depth = 0, probe }) =>
          `${'  '.repeat(depth)}${flow === undefined ? `| ${probe.function}:${probe.name}` : arrow[flow] + probe.function}`,
      )
      const printed = lines
        .filter((line) => line.includes('chdir'))
        .map((line) => line.slice(4, 4 + 41).trimEnd())
      expect(shown).toEqual(printed)
      expect(records[0]).not.toHaveProperty('text')
    } finally {
      await process.end()
    }
  })
})

describe("order: 'time'", () => {
  test.skipIf(cpus().length < 2)('merges the records of the CPUs, and holds none for long', async () => {
    const pair = [calls.start(0), calls.start(1)] as const
    try {
      const consumer = await open({ order: 'time', text: true, options: { quiet: true } })
      const records: DTraceRecord[] = []
      const waits: bigint[] = []
      let told = (): void => {}
      consumer.on('batch', (batch) => {
        const now = process.hrtime.bigint()
        records.push(...batch)
        waits.push(now - (records.at(-1)?.fields.timestamp as bigint))
        told()
      })
      const pids = pair.map(({ pid }) => `pid == ${pid}`).join(' || ')
      const chdir = program({
        probe: 'syscall::chdir:entry',
        when: pids,
        emit: { pid: int32('pid') },
      })
      await consumer.enable(await consumer.compile(chdir))
      await consumer.go()
      // Alone, a record waits no longer than what it waits for could take: 30 ms, and not for the next one. Others may keep
      // this machine busy, so it is the shortest wait that counts.
      for (let i = 0; i < 5; i++) {
        const record = once('the record of one call', (resolve) => {
          told = () => resolve(undefined)
        })
        await pair[0].make(1)
        await record
      }
      expect(waits.some((wait) => wait < 300_000_000n)).toBe(true)
      records.length = 0

      const each = 5000
      await Promise.all(pair.map(async (calls) => await calls.make(each)))
      await consumer.stop()
      expect(records.length).toBe(2 * each)
      const times = records.map(({ fields }) => fields.timestamp as bigint)
      const sorted = [...times].sort((a, b) => (a < b ? -1 : 1))
      expect(times).toEqual(sorted)
      // They did run at the same time, so that there was something to merge.
      let changes = 0
      for (let i = 1; i < records.length; i++) if (records[i]?.cpu !== records[i - 1]?.cpu) changes++
      expect(changes).toBeGreaterThan(10)
      for (const { fields, text } of records.slice(0, 100)) {
        expect(text).toBe(`timestamp=${fields.timestamp} pid=${fields.pid}`)
      }
    } finally {
      for (const calls of pair) await calls.end()
    }
  })
})

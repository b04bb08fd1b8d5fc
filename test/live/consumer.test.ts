import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  bytes,
  Consumer,
  type DTraceRecord,
  int32,
  int64,
  program,
  Stack,
  string,
  uint8,
  uint64,
} from '../../lib/index.js'
import { collect, once, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

describe('a consumer goes through its states', () => {
  test('open, compiled, running, stopped, closed', async () => {
    const consumer = await open()
    expect(consumer.version).toMatch(/^D \d+\.\d+/)
    expect(consumer.state).toBe('open')
    const compiled = await consumer.compile('BEGIN { trace(42); } END { trace("bye"); }')
    expect(consumer.state).toBe('compiled')
    const info = await consumer.enable(compiled)
    expect(info).toMatchObject({ matches: 2, aggregations: 0, recordGenerators: 2, speculations: 0 })
    await consumer.go()
    expect(consumer.state).toBe('running')
    await consumer.stop()
    expect(consumer.state).toBe('stopped')
    const records = await collect(consumer)
    expect(records.map((record) => [record.probe.name, ...record.values])).toEqual([
      ['BEGIN', 42],
      ['END', 'bye'],
    ])
    await consumer.close()
    expect(consumer.state).toBe('closed')
    await consumer.close()
  })

  test('a call in the wrong state rejects with ERR_DTRACE_STATE and names the right one', async () => {
    const consumer = await open()
    await expect(consumer.go()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE', message: /compiled/ })
    await expect(consumer.stop()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await consumer.compile('BEGIN { exit(0); }')
    await expect(consumer.go()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE', message: /enable/ })
    await consumer.close()
    for (const call of [
      consumer.compile('BEGIN {}'),
      consumer.go(),
      consumer.stop(),
      consumer.setOption('quiet', true),
      consumer.getOption('bufsize'),
    ]) {
      await expect(call).rejects.toMatchObject({ name: 'DTraceError', code: 'ERR_DTRACE_STATE' })
    }
  })

  test('several programs: compiled first, then enabled, all of them', async () => {
    const consumer = await open()
    const first = await consumer.compile('BEGIN { trace("first"); }')
    const second = await consumer.compile('BEGIN { trace("second"); exit(0); }')
    await consumer.enable(first)
    await expect(consumer.compile('BEGIN {}')).rejects.toMatchObject({
      code: 'ERR_DTRACE_STATE',
      message: expect.stringMatching(/before the first enable/),
    })
    await expect(consumer.enable(first)).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await expect(consumer.go()).rejects.toMatchObject({
      code: 'ERR_DTRACE_STATE',
      message: expect.stringMatching(/not enabled/),
    })
    await consumer.enable(second)
    await consumer.go()
    expect((await collect(consumer)).map(({ values }) => values[0])).toEqual(['first', 'second'])
  })

  test('close() while a command is under way waits for it', async () => {
    const consumer = await open()
    const compiling = consumer.compile('BEGIN { exit(0); }')
    await consumer.close()
    await compiling
    expect(consumer.state).toBe('closed')
  })

  test('a second consumer in the process is refused while the first is open, and welcome after it', async () => {
    const first = await open({ host: 'in-process' })
    await expect(Consumer.open({ host: 'in-process' })).rejects.toMatchObject({
      code: 'ERR_DTRACE_BUSY',
      message: /close\(\)/,
    })
    await first.close()
    const second = await open({ host: 'in-process' })
    expect(second.state).toBe('open')
  })

  test('exit() is told when it has been called, though nothing comes after it', async () => {
    // libdtrace waits a second for more. A machine that is busy with something else has two more tries.
    let waited = Number.POSITIVE_INFINITY
    for (let i = 0; i < 3 && waited > 900; i++) {
      const consumer = await open()
      const exited = once<unknown>('the exit event', (resolve) => consumer.on('exit', resolve))
      await consumer.enable(await consumer.compile('syscall::umask:entry /pid == $pid/ { exit(0); }'))
      await consumer.go()
      // By then the thread is asleep, with nothing to look at.
      await delay(100)
      const called = performance.now()
      process.umask(process.umask())
      await exited
      waited = performance.now() - called
      await consumer.close()
    }
    expect(waited).toBeLessThan(900)
  })

  test('exit() is told to who stops when he sees its record, too; and what END gives to it', async () => {
    const consumer = await open()
    const exits: { status: number }[] = []
    consumer.on('exit', (exit) => exits.push(exit))
    const seen = once<unknown>('the record', (resolve) => consumer.on('batch', resolve))
    const clause = 'syscall::umask:entry /pid == $pid/ { printf("n=%d", 1); exit(3); }'
    await consumer.enable(await consumer.compile(clause))
    await consumer.go()
    process.umask(process.umask())
    await seen
    await consumer.stop()
    expect(exits).toEqual([{ status: 3 }])
    await consumer.close()

    const second = await open()
    const ended = once<unknown>('the exit event', (resolve) => second.on('exit', resolve))
    await second.enable(await second.compile('BEGIN {} END { exit(4); }'))
    await second.go()
    await second.stop()
    expect(await ended).toEqual({ status: 4 })
  })

  test('exit() in the program ends iteration and is told with its status', async () => {
    const consumer = await open()
    const exited = once<{ status: number }>('the exit event', (resolve) => consumer.on('exit', resolve))
    const records = await collect(consumer.run('BEGIN { trace("only"); } BEGIN { exit(3); }'))
    expect(records[0]?.values).toEqual(['only'])
    expect(await exited).toEqual({ status: 3 })
    expect(consumer.state).toBe('stopped')
  })

  test('it disposes of itself', async () => {
    let seen: Consumer
    {
      await using consumer = await Consumer.open()
      seen = consumer
    }
    expect(seen.state).toBe('closed')
  })

  test('leaving the loop stops tracing', async () => {
    const consumer = await open()
    for await (const _ of consumer.run('syscall:::entry { trace(probefunc); } '.replace(':::', '::read:')))
      break
    expect(consumer.state).toBe('stopped')
  })
})

describe('records have the types of the D program', () => {
  test('trace(): integers by size and sign, strings, bytes', async () => {
    const consumer = await open()
    const records = await collect(
      consumer.run(`BEGIN {
        trace(1); trace(-1); trace((int8_t)-3); trace((uint8_t)253); trace((int16_t)-300); trace((uint16_t)65000);
        trace((uint32_t)4294967295); trace((int64_t)-5000000000); trace((uint64_t)-1);
        trace("text"); tracemem(curthread->comm, 16); exit(9);
      }`),
    )
    const [, ...rest] = records
    expect(rest).toEqual([])
    const values = records[0]?.values ?? []
    expect(values.slice(0, 10)).toEqual([
      1,
      -1,
      -3,
      253,
      -300,
      65000,
      4294967295,
      -5000000000n,
      18446744073709551615n,
      'text',
    ])
    expect(values[10]).toBeInstanceOf(Uint8Array)
    expect(values[10]).toHaveLength(16)
    expect(values[11]).toBe(9)
  })

  test('printf() names and signs its values', async () => {
    const consumer = await open()
    const [record] = await collect(
      consumer.run(`BEGIN {
        printf("name=%s pid=%d big=%u neg=%d (%x) frames=", execname, pid, (uint64_t)1 << 40, (int64_t)-2, 255);
        stack();
        printf("percent 100%% last=%-5d|\\n", 7);
        exit(0);
      }`),
    )
    expect(record?.fields).toMatchObject({ pid: consumer.hostPid, big: 1n << 40n, neg: -2n, last: 7 })
    expect(Object.keys(record?.fields ?? {})).toEqual(['name', 'pid', 'big', 'neg', 'frames', 'last'])
    expect(record?.values[4]).toBe(255)
    expect(record?.fields.frames).toBeInstanceOf(Stack)
  })

  test('a clause without actions gives a record without values', async () => {
    const consumer = await open()
    const records = await collect(consumer.run('BEGIN {} BEGIN { exit(0); }'))
    expect(records[0]).toMatchObject({ values: [], fields: {}, probe: { provider: 'dtrace', name: 'BEGIN' } })
  })

  test('the same probe is the same frozen object', async () => {
    const consumer = await open()
    const records = await collect(consumer.run('BEGIN { trace(1); } BEGIN { trace(2); exit(0); }'))
    expect(records[0]?.probe).toBe(records[1]?.probe)
    expect(Object.isFrozen(records[0]?.probe)).toBe(true)
  })

  test('stacks and symbols have names', async () => {
    // In another process than the one whose child is looked at: see docs/processes.md.
    const consumer = await open({ host: 'process' })
    const child = spawn('sh', ['-c', 'while :; do : < /dev/null; done'])
    try {
      const clause = `syscall::openat:entry /pid == ${child.pid}/ { stack(); ustack(); sym((uintptr_t)caller); usym(ucaller); umod(ucaller); exit(0); }`
      const [record] = await collect(consumer.run(clause))
      const [kernel, user, symbol, userSymbol, module] = record?.values ?? []
      expect(String(kernel)).toMatch(/^vmlinux`\w+\+0x/)
      expect((kernel as Stack).at(0)).toMatchObject({ module: 'vmlinux', symbol: expect.any(String) })
      expect((kernel as Stack).pid).toBeUndefined()
      expect((user as Stack).pid).toBe(child.pid)
      expect(String(user)).toMatch(/`/)
      expect(String(symbol)).toMatch(/^vmlinux`/)
      expect(String(userSymbol)).not.toBe('')
      expect(String(module)).not.toMatch(/`/)
    } finally {
      child.kill()
    }
  })

  test('system() runs its command, and printa() records its rows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-test-'))
    try {
      const consumer = await open({ options: { destructive: true, quiet: false } })
      const source = `BEGIN { @a = count(); system("echo %d > ${folder}/said", 42); printf("x=%d", 3); printa(@a); exit(0); }`
      const [record] = await collect(consumer.run(source))
      expect(record?.fields).toEqual({ x: 3 })
      expect(record?.values.slice(0, 2)).toEqual([42, 3])
      expect(await readFile(join(folder, 'said'), 'utf8')).toBe('42\n')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test("int64: 'number' gives numbers, and an error past 2^53", async () => {
    const consumer = await open({ int64: 'number' as never })
    const records = collect(consumer.run('BEGIN { printf("fits=%d", (int64_t)-9007199254740991); exit(0); }'))
    expect((await records)[0]?.fields).toEqual({ fits: -9007199254740991 })
    await consumer.close()
    const second = await open({ int64: 'number' as never })
    await expect(
      collect(second.run('BEGIN { printf("wide=%u", (uint64_t)1 << 53); exit(0); }')),
    ).rejects.toMatchObject({
      code: 'ERR_DTRACE_RANGE',
      message: /wide.*bigint/,
    })
  })

  test('strings: UTF-8 by default, byte for byte as latin1', async () => {
    const source = 'BEGIN { trace("caf\\303\\251"); trace("\\377x"); trace("plain"); exit(0); }'
    const utf8 = await open()
    expect((await collect(utf8.run(source)))[0]?.values.slice(0, 3)).toEqual(['café', '\ufffdx', 'plain'])
    await utf8.close()
    const latin1 = await open({ strings: 'latin1' })
    expect((await collect(latin1.run(source)))[0]?.values.slice(0, 3)).toEqual([
      'caf\xc3\xa9',
      '\xffx',
      'plain',
    ])
  })

  test('a typed program records what it describes', async () => {
    const consumer = await open()
    const typed = program({
      probe: 'BEGIN',
      emit: {
        execname: string('execname'),
        pid: int32('pid'),
        small: uint8('200'),
        wide: int64('-1'),
        raw: bytes('curthread->comm', 16),
        id: uint64('id'),
      },
    })
    for await (const { fields } of consumer.run(typed)) {
      const pid: number = fields.pid
      const wide: bigint = fields.wide
      expect([pid, wide, fields.small, fields.id]).toEqual([consumer.hostPid, -1n, 200, 1n])
      expect(Buffer.from(fields.raw).toString('latin1').replace(/\0.*$/s, '')).toBe(fields.execname)
      break
    }
  })

  test('arguments, defaultargs, a file, and a shebang line', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-test-'))
    try {
      const file = join(folder, 'with arguments.d')
      await writeFile(
        file,
        '#!/usr/sbin/dtrace -s\n#pragma D option quiet\nBEGIN { trace($1); trace($$2); trace($3); exit(0); }\n',
      )
      const consumer = await open()
      const [record] = await collect(consumer.run({ file }, { args: ['17', 'two words'], defaultArgs: true }))
      expect(record?.values.slice(0, 3)).toEqual([17, 'two words', 0])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('batches', () => {
  test('have a length, records, and columns', async () => {
    const consumer = await open()
    const batches: { length: number; columns: unknown[]; records: DTraceRecord[] }[] = []
    consumer.on('batch', (batch) => {
      batches.push({ length: batch.length, columns: batch.column('n'), records: [...batch] })
      expect(() => batch.column('nothing')).toThrow(/there are n/)
    })
    await consumer.enable(await consumer.compile('BEGIN { printf("n=%d", 1); } BEGIN { printf("n=%d", 2); }'))
    await consumer.go()
    await consumer.stop()
    expect(batches.flatMap((batch) => batch.columns)).toEqual([1, 2])
    expect(batches.flatMap((batch) => batch.records.map((record) => record.fields.n))).toEqual([1, 2])
    expect(batches.reduce((sum, batch) => sum + batch.length, 0)).toBe(2)
    expect(consumer.stats()).toMatchObject({ records: 2, drops: 0, errors: 0 })
  })

  test('stop() and close() work from inside a listener, and a listener that throws ends nothing', async () => {
    const source = `
      import { Consumer } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
      const consumer = await Consumer.open()
      const caught = []
      process.on('uncaughtException', (error) => caught.push(error.message))
      consumer.once('batch', () => { throw new Error('on purpose') })
      await consumer.enable(await consumer.compile('BEGIN { trace(1); } syscall::read:entry { trace(2); }'))
      await consumer.go()
      await new Promise((resolve) => consumer.on('batch', async () => { await consumer.stop(); await consumer.close(); resolve() }))
      console.log(JSON.stringify([caught, consumer.state]))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source])
    expect(JSON.parse(stdout)).toEqual([['on purpose'], 'closed'])
  })
})

describe('nothing is lost in silence', () => {
  test('an error in a clause is a fault event; tracing goes on', async () => {
    const consumer = await open()
    const faults: { message: string; name: string; address: bigint; count: number }[] = []
    consumer.on('fault', (fault) => faults.push(fault))
    const records = await collect(
      consumer.run('BEGIN { trace(*(int *)64); } BEGIN { trace("after"); } BEGIN { exit(0); }'),
    )
    expect(records[0]?.values).toEqual(['after'])
    expect(faults).toMatchObject([
      { count: 1, name: 'invalid address', address: 64n, message: /BEGIN.*invalid address/ },
    ])
    expect(consumer.stats().errors).toBe(1)
  })

  test('a full kernel buffer is reported: delivered and dropped are what was made', async () => {
    const consumer = await open({ options: { bufsize: '16k', switchrate: '200ms' } })
    let delivered = 0
    let dropped = 0
    consumer.on('batch', (batch) => {
      delivered += batch.length
    })
    consumer.on('drop', (drop) => {
      expect(drop).toMatchObject({ kind: 'principal', count: expect.any(Number), message: /drop/ })
      dropped += drop.count
    })
    const made = 20_000
    await consumer.enable(await consumer.compile('syscall::chdir:entry /ppid == $pid/ { trace(execname); }'))
    await consumer.go()
    await run('sh', ['-c', `i=0; while [ $i -lt ${made} ]; do cd /; i=$((i+1)); done`])
    await consumer.stop()
    expect(dropped).toBeGreaterThan(0)
    expect(delivered + dropped).toBe(made)
    expect(consumer.stats()).toMatchObject({ records: delivered, drops: dropped })
  })

  test('a value that cannot be a number ends the loop; what it takes with it is counted, and another loop may follow', async () => {
    const consumer = await open({ int64: 'number' as never })
    let dropped = 0
    consumer.on('drop', (drop) => {
      dropped += drop.count
    })
    const clause =
      'syscall::chdir:entry /ppid == $pid && arg0 != 0/ { printf("wide=%u", i++ == 0 ? (uint64_t)1 << 60 : 1); }'
    await consumer.enable(await consumer.compile(clause))
    await consumer.go()
    const refused = expect(collect(consumer)).rejects.toMatchObject({ code: 'ERR_DTRACE_RANGE' })
    await run('sh', ['-c', 'cd /; cd /; cd /'])
    await refused
    const second = collect(consumer)
    await run('sh', ['-c', 'cd /'])
    await consumer.stop()
    const read = await second
    expect(read.at(-1)?.fields).toEqual({ wide: 1 })
    expect(dropped + read.length).toBe(4)
  })

  test('a reader that is too slow loses records from its queue, counted', async () => {
    const consumer = await open({ queueLimit: 100 })
    let dropped = 0
    consumer.on('drop', (drop) => {
      expect(drop.kind).toBe('reader')
      dropped = drop.total
    })
    await consumer.enable(await consumer.compile('syscall::chdir:entry /ppid == $pid/ { trace(pid); }'))
    await consumer.go()
    await run('sh', ['-c', 'i=0; while [ $i -lt 20000 ]; do cd /; i=$((i+1)); done'])
    await consumer.stop()
    const read = (await collect(consumer)).length
    expect(dropped).toBeGreaterThan(0)
    expect(read + dropped).toBe(20_000)
  })
})

describe('a program that runs can be told numbers', () => {
  test('mark() reaches a clause', async () => {
    const consumer = await open()
    const records: DTraceRecord[] = []
    const marked = once('the record of mark()', (resolve) =>
      consumer.on('batch', (batch) => {
        records.push(...batch)
        resolve(undefined)
      }),
    )
    await consumer.enable(
      await consumer.compile(
        'syscall::prctl:entry /pid == $pid && arg0 == 0x44545243/ { printf("a=%d b=%d c=%d d=%d", arg1, arg2, arg3, arg4); }',
      ),
    )
    await consumer.go()
    consumer.mark(1, 2n, 3, 4)
    await marked
    expect(records[0]?.fields).toEqual({ a: 1n, b: 2n, c: 3n, d: 4n })
  })
})

import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { open as openFile, readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DTraceRecord, ProcessEnd, Stack } from '../../lib/index.js'
import { packageRoot } from '../../lib/platform/locate.js'
import { HOST, once, open } from './consumers.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'
import { ProcessMaker, Running, status } from './process-maker.js'

const describe = requireDTrace()
const run = promisify(execFile)

let made: ProcessMaker
beforeAll(async () => {
  made = await ProcessMaker.make()
})
afterAll(async () => await made[Symbol.asyncDispose]())

/** PIDFD_GET_INFO tells how a process ended that isn't ours from here on. */
const [major = 0, minor = 0] = release().split('.').map(Number)
const tellsEnds = major > 6 || (major === 6 && minor >= 15)

const PROGRAM = `
#pragma D option quiet
pid$target:a.out:add:entry { printf("entry %d %d\\n", arg0, arg1); }
pid$target:a.out:add:return { printf("return %d\\n", arg1); }
pid$target:liblinked.so:twice:entry { printf("twice %d\\n", arg0); }
pid$target:liblinked.so:twice:return { printf("twice gives %d\\n", arg1); }
pid$target:a.out:main:entry { printf("main %d\\n", arg0); }
`

describe('create()', () => {
  test('holds a program at its start, traces its functions, and tells its end', async () => {
    const consumer = await open()
    const output = join(made.folder, 'output')
    const input = join(made.folder, 'input')
    await run('mkfifo', [input])
    await using pipe = await openFile(input, 'r+')
    const script = ['add:2:3', 'twice:21', 'print:COLOUR', 'folder', 'line', 'exit:7']
    const target = await consumer.create(made.program, script, {
      cwd: made.folder,
      env: { COLOUR: 'blue' },
      stdin: { file: input },
      stdout: { file: output },
    })
    expect(target.created).toBe(true)
    // Nothing of it has run, and it is as any shell would have started it.
    expect(await status(target.pid)).toMatchObject({
      State: 't',
      SigBlk: '0000000000000000',
    })
    const stackProgram = `${PROGRAM} pid$target:a.out:add:entry { ustack(); } BEGIN { trace($target); }`
    await consumer.enable(await consumer.compile(stackProgram))
    expect(await readFile(output, 'utf8')).toBe('')

    const told: (DTraceRecord | ProcessEnd)[] = []
    consumer.on('batch', (batch) => told.push(...batch))
    consumer.on('process', (end) => told.push(end))
    await consumer.go()
    // As long as it lives its addresses have names.
    await expect.poll(() => told.length).toBeGreaterThan(6)
    await pipe.write('\n')
    const end = { pid: target.pid, status: 7, signal: undefined }
    expect(await target.exit).toEqual(end)
    expect(await readFile(output, 'utf8')).toBe(`up ${target.pid}\n5\n42\nblue\n${made.folder}\n`)

    // The end comes after the records of what it did.
    expect(told.pop()).toEqual(end)
    const records = told as DTraceRecord[]
    const values = (name: string, of: string): unknown[] =>
      records.filter(({ probe }) => probe.function === of && probe.name === name).map((r) => r.values)
    expect(records.find(({ probe }) => probe.name === 'BEGIN')?.values).toEqual([target.pid])
    expect(values('entry', 'main')).toEqual([[7n]])
    const [[first, second], [stack]] = values('entry', 'add') as [[bigint, bigint], [Stack]]
    expect([first, second]).toEqual([2n, 3n])
    expect(values('return', 'add')).toEqual([[5n]])
    expect(values('entry', 'twice')).toEqual([[21n]])
    expect(values('return', 'twice')).toEqual([[42n]])
    expect(stack.pid).toBe(target.pid)
    expect(stack.frames[0]).toMatchObject({ module: 'process', symbol: 'add' })
    expect(stack.frames.map(({ symbol }) => symbol)).toContain('act')

    await expect(target.kill()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await expect(consumer.grab(process.pid)).rejects.toMatchObject({ code: 'ERR_DTRACE_ARGUMENT' })
    await consumer.stop()
    await expect(consumer.create(made.program)).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
  })

  test(
    'prints what dtrace -c prints',
    async () => {
      const script = ['add:7:8', 'twice:4', 'add:-1:1']
      const own = join(packageRoot, '.dtrace', 'bin', 'dtrace')
      const dtrace = existsSync(own) ? own : 'dtrace'
      const { stdout } = await run(dtrace, ['-n', PROGRAM, '-c', [made.program, ...script].join(' ')])
      const consumer = await open()
      const target = await consumer.create(made.program, script, { stdout: 'ignore' })
      await consumer.enable(await consumer.compile(PROGRAM))
      let text = ''
      consumer.on('batch', (batch) => {
        for (const { probe, values } of batch) {
          const word = {
            add: probe.name,
            twice: probe.name === 'entry' ? 'twice' : 'twice gives',
            main: 'main',
          }
          text += `${word[probe.function as 'add']} ${values.join(' ')}\n`
        }
      })
      await consumer.go()
      expect(await target.exit).toMatchObject({ status: 0 })
      const printed = stdout.split('\n').filter((line) => /^(entry|return|twice|main)/.test(line))
      expect(text.trim().split('\n')).toEqual(printed)
    },
    patience(120_000),
  )

  test('several at once; each is let run, killed, released, or ends with the consumer', async () => {
    const consumer = await open()
    const quiet = { stdin: 'ignore', stdout: 'ignore' } as const
    const sleep = ['60']
    const [early, killed, released, left, idle] = [
      await consumer.create(made.program, ['raise:6'], quiet),
      await consumer.create('sleep', sleep, quiet),
      await consumer.create('sleep', sleep, quiet),
      await consumer.create('sleep', sleep, quiet),
      await consumer.create('sleep', sleep, quiet),
    ]
    await early.continue()
    expect(await early.exit).toEqual({ pid: early.pid, status: undefined, signal: 'SIGABRT' })
    await killed.continue()
    await killed.continue()
    await expect(killed.kill('SIGNOTHING' as NodeJS.Signals)).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
    })
    await killed.kill()
    expect(await killed.exit).toEqual({ pid: killed.pid, status: undefined, signal: 'SIGTERM' })
    await released.release()
    expect(await released.exit).toBeUndefined()
    await expect(released.release()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await left.continue()
    await consumer.close()
    expect(await left.exit).toBeUndefined()
    await expect.poll(() => status(left.pid)).toBeUndefined()
    expect(await idle.exit).toBeUndefined()
    await expect.poll(() => status(idle.pid)).toBeUndefined()
    expect(await status(released.pid)).toMatchObject({ TracerPid: '0' })
    process.kill(released.pid, 'SIGKILL')
  })

  test('refuses what it can not start or hold, and says why', async () => {
    const consumer = await open()
    const refused = async (promise: Promise<unknown>): Promise<unknown[]> => {
      const error = await promise.then(
        () => ({ code: 'accepted' }),
        (reason) => reason,
      )
      return [error.code, error.errno, error.message]
    }
    const text = (part: string): unknown => expect.stringContaining(part)
    expect(await refused(consumer.create('/nonexistent'))).toEqual([
      'ERR_DTRACE_ARGUMENT',
      2,
      text('No such file'),
    ])
    expect(await refused(consumer.create('/etc/passwd'))).toEqual(['ERR_DTRACE_ARGUMENT', 13, text('denied')])
    expect(await refused(consumer.create('/'))).toEqual(['ERR_DTRACE_ARGUMENT', 13, text('denied')])
    expect(await refused(consumer.create(''))).toEqual(['ERR_DTRACE_ARGUMENT', undefined, text('file')])
    for (const options of [{ cwd: '/nonexistent' }, { stdout: { file: '/nonexistent/file' } }]) {
      const created = consumer.create('true', [], options)
      expect(await refused(created)).toEqual(['ERR_DTRACE_ARGUMENT', 2, text('No such')])
    }
    expect(await refused(consumer.create('true', [], { stdin: 5 as never }))).toContain('ERR_DTRACE_ARGUMENT')
    expect(await refused(consumer.create('true', 'x' as never))).toContain('ERR_DTRACE_ARGUMENT')

    expect(await refused(consumer.grab(2 ** 22 + 1))).toEqual([
      'ERR_DTRACE_ARGUMENT',
      3,
      text('no such process'),
    ])
    expect(await refused(consumer.grab(process.pid))).toEqual([
      'ERR_DTRACE_ARGUMENT',
      undefined,
      text('own process'),
    ])
    for (const pid of [0, -1, 1.5, '5' as never]) {
      expect(await refused(consumer.grab(pid))).toContain('ERR_DTRACE_ARGUMENT')
    }
    // Where process 2 is the kernel's, not a container's.
    if ((await readFile('/proc/2/comm', 'utf8').catch(() => '')) === 'kthreadd\n') {
      expect(await refused(consumer.grab(2))).toEqual([
        'ERR_DTRACE_ARGUMENT',
        3,
        text('thread of the kernel'),
      ])
    }
    // It would be a child of the session's own process.
    if (HOST !== 'process') {
      const child = spawn('sleep', ['60'])
      const own = ['ERR_DTRACE_PROCESS', undefined, text('child of the process')]
      expect(await refused(consumer.grab(child.pid as number))).toEqual(own)
      child.kill()
    }
    using tracer = await Running.start(made.program)
    const traced = Number(await tracer.tell('traced'))
    expect(await refused(consumer.grab(traced))).toEqual(['ERR_DTRACE_PROCESS', 1, text('traces it already')])
    await consumer.grab(tracer.pid)
    expect(await refused(consumer.grab(tracer.pid))).toEqual(['ERR_DTRACE_STATE', undefined, text('already')])
  })
})

describe('grab()', () => {
  test('traces a process that runs on, and tells its end', async () => {
    using running = await Running.start(made.program)
    const consumer = await open()
    const target = await consumer.grab(running.pid)
    expect(target).toMatchObject({ pid: running.pid, created: false })
    // It is not kept waiting.
    expect(await running.tell('add:1:1')).toBe('2')
    await consumer.enable(await consumer.compile(PROGRAM))
    const records: DTraceRecord[] = []
    consumer.on('batch', (batch) => records.push(...batch))
    await consumer.go()
    expect(await running.tell('add:20:3')).toBe('23')
    expect(await running.tell('fork')).toBe('42')
    // libdtrace would be told of this by a breakpoint, which is not left in the process.
    expect(await running.tell(`load:${made.plugin}`)).toBe('50')
    expect(await running.tell('twice:8')).toBe('16')
    running.child.stdin?.write('exit:9\n')
    const known = tellsEnds ? 9 : undefined
    expect(await target.exit).toEqual({ pid: running.pid, status: known, signal: undefined })
    expect(records.map(({ probe, values }) => [probe.function, probe.name, ...values])).toEqual([
      ['add', 'entry', 20n, 3n],
      ['add', 'return', 23n],
      ['twice', 'entry', 8n],
      ['twice', 'return', 16n],
    ])
  })
})

interface Left {
  pid: number
  output: string
  code: number | null
  signal: string | null
}

/** Holds a process in a process of its own, which leaves at some step. */
async function leave(how: string, step: string, way: string, what: string | number): Promise<Left> {
  const fixture = join(import.meta.dirname, 'fixtures', 'hold-at.mjs')
  const child = spawn(process.execPath, [fixture, how, step, way === 'kill' ? 'stay' : way, String(what)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  let words = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    words += text
    if (way === 'kill' && /^at \d+$/m.test(words)) child.kill('SIGKILL')
  })
  // Not before all that hold its output are gone: it, the keeper, and the process that was started.
  const [code, signal] = await once<[number | null, string | null]>(
    `the end of all (${how}, ${step}, ${way}): ${words}`,
    (resolve) => child.on('close', (...end) => resolve(end)),
    60,
  )
  return { pid: Number(/^at (\d+)$/m.exec(words)?.[1]), output, code, signal }
}

const ends = { kill: [null, 'SIGKILL'], exit: [7, null], throw: [1, null], close: [0, null] } as const

describe('whatever happens to the consumer', () => {
  test.each([
    ['held', 'kill'],
    ['compiled', 'kill'],
    ['enabled', 'kill'],
    ['running', 'kill'],
    ['held', 'exit'],
    ['running', 'exit'],
    ['enabled', 'throw'],
    ['held', 'close'],
  ] as const)('a created process does not outlive it: %s, %s', async (step, way) => {
    const { pid, output, code, signal } = await leave('create', step, way, made.program)
    expect([code, signal]).toEqual(ends[way])
    // One that was never let run has done nothing.
    if (step !== 'running') expect(output).toBe('')
    await expect.poll(() => status(pid)).toBeUndefined()
  })

  test.each([
    ['grab', 'held', 'kill'],
    ['hold', 'held', 'kill'],
    ['hold', 'enabled', 'kill'],
    ['grab', 'running', 'kill'],
    ['hold', 'enabled', 'exit'],
    ['grab', 'running', 'exit'],
    ['hold', 'held', 'close'],
  ] as const)('a grabbed process lives on: %s, %s, %s', async (how, step, way) => {
    using running = await Running.start(made.program)
    const { pid, code, signal } = await leave(how, step, way, running.pid)
    expect([code, signal]).toEqual(ends[way])
    expect(pid).toBe(running.pid)
    expect(await status(pid)).toMatchObject({ TracerPid: '0' })
    // Nothing is left in it that it could run into: neither a probe nor libdtrace's breakpoint in the dynamic linker.
    expect(await running.tell('add:30:3')).toBe('33')
    expect(await running.tell(`load:${made.plugin}`)).toBe('50')
  })
})

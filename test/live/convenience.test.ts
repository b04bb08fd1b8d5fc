import diagnostics from 'node:diagnostics_channel'
import { once as event, getEventListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { beforeEach, expect, test } from 'vitest'
import { Consumer, type Drop, int32, program, string, trace, uint64 } from '../../lib/index.js'
import { RescanWatcher, watchOpens } from '../../lib/watch/index.js'
import { collect, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** What happens to consumers, as a service's monitoring would see it. */
const seen: string[] = []
for (const name of ['open', 'compile', 'enable', 'go', 'stop', 'close']) {
  const moment = name === 'close' ? 'asyncEnd' : 'start'
  diagnostics.subscribe(`tracing:dtrace-consumer:${name}:${moment}`, () => seen.push(name))
}
beforeEach(() => {
  seen.length = 0
})

const CHDIR = 'syscall::chdir:entry /ppid == $pid/ { printf("pid=%d", pid); }'
const chdir = (times: number) =>
  run('sh', ['-c', `i=0; while [ $i -lt ${times} ]; do cd /; i=$((i+1)); done`])
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

/** Whatever was opened has been closed. */
function nothingIsLeft(): void {
  expect(seen.filter((name) => name === 'open').length).toBe(seen.filter((name) => name === 'close').length)
}

describe('trace()', () => {
  test('opens at the first record, and ends with exit() or with a program that is wrong', async () => {
    const exits: number[] = []
    const records = trace('BEGIN { trace("only"); exit(3); }').on('exit', ({ status }) => exits.push(status))
    expect(seen).toEqual([])
    const [first] = await collect(records)
    expect(first?.values).toEqual(['only', 3])
    expect(exits).toEqual([3])
    expect(seen).toEqual(['open', 'compile', 'enable', 'go', 'close'])
    expect(await records.next()).toEqual({ done: true, value: undefined })
    await expect(collect(trace('BEGIN { wrong'))).rejects.toMatchObject({ code: 'ERR_DTRACE_COMPILE' })
    nothingIsLeft()
  })

  test('has the fields of a typed program; an error in the loop comes out of it, and nothing is left', async () => {
    const emit = { name: string('execname'), pid: int32('pid'), wide: uint64('1') }
    const loop = async () => {
      for await (const { fields } of trace(program({ probe: 'BEGIN', emit }), { int64: 'number' })) {
        const wide: number = fields.wide
        expect([fields.pid, wide]).toEqual([process.pid, 1])
        throw new Error('of the loop')
      }
    }
    await expect(loop()).rejects.toThrow('of the loop')
    nothingIsLeft()
  })

  test('abort ends it while it waits for a record; aborted before, it opens nothing', async () => {
    const abort = new AbortController()
    const { signal } = abort
    const records = trace('BEGIN { trace("up"); } BEGIN { trace(*(int *)64); }', { signal })
    const fault = event(records, 'fault')
    expect((await records.next()).value?.values).toEqual(['up'])
    expect(await fault).toMatchObject([{ name: 'invalid address', address: 64n }])
    const waiting = records.next()
    abort.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    nothingIsLeft()
    expect(listeners(signal)).toBe(0)
    seen.length = 0
    await expect(collect(trace('BEGIN { exit(0); }', { signal }))).rejects.toThrow('enough')
    expect(seen).toEqual([])
  })

  test('drops and faults are warnings where nobody listens: the first drop, and their sum', async () => {
    const warnings: string[] = []
    const listen = (warning: Error & { code?: string }) =>
      warnings.push(`${warning.code}: ${warning.message}`)
    process.on('warning', listen)
    const dropped: Drop[] = []
    const count = (message: unknown) => dropped.push((message as { drop: Drop }).drop)
    diagnostics.subscribe('dtrace-consumer:drop', count)
    const records = trace(`BEGIN { trace(*(int *)64); } BEGIN { trace("up"); } ${CHDIR}`, { queueLimit: 1 })
    expect((await records.next()).value?.values).toEqual(['up'])
    while (dropped.length < 3) await chdir(100)
    await records.return()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    diagnostics.unsubscribe('dtrace-consumer:drop', count)
    expect(warnings).toEqual([
      expect.stringMatching(/^DTRACE_TRACE_FAULT: .*invalid address/),
      expect.stringMatching(
        `^DTRACE_TRACE_DROP: ${dropped[0]?.count} records dropped: the reader is too slow`,
      ),
      `DTRACE_TRACE_DROP: ${dropped.at(-1)?.total} records dropped in all (reader)`,
    ])
  })
})

describe('an AbortSignal', () => {
  test('ends the opening: nothing is left, and the next one opens', async () => {
    const abort = new AbortController()
    const opening = Consumer.open({ signal: abort.signal })
    abort.abort()
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toEqual(['open', 'close'])
    await expect(Consumer.open({ signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toEqual(['open', 'close'])
    await expect(Consumer.open({ signal: 'SIGINT' as never })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
    })
  })

  test('of records() only ends the loop; that of open() ends the consumer, and its loop when all is gone', async () => {
    const service = new AbortController()
    const consumer = await open({ signal: service.signal })
    await consumer.enable(await consumer.compile(CHDIR))
    await consumer.go()
    const reading = new AbortController()
    const loop = expect(collect(consumer.records({ signal: reading.signal }))).rejects.toMatchObject({
      name: 'AbortError',
    })
    reading.abort()
    await loop
    expect(consumer.state).toBe('running')
    const another = consumer.records()
    await chdir(1)
    expect((await another.next()).value?.fields.pid).toBeGreaterThan(0)

    const waiting = expect(another.next()).rejects.toThrow('of the service')
    service.abort(new Error('of the service'))
    await waiting
    expect(consumer.state).toBe('closed')
    expect([listeners(service.signal), listeners(reading.signal)]).toEqual([0, 0])
  })

  test('of compile() leaves a closed consumer; aborted before, the consumer as it was', async () => {
    const consumer = await open()
    await expect(consumer.compile('BEGIN {}', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(consumer.state).toBe('open')
    const abort = new AbortController()
    const compiling = consumer.compile('BEGIN {}', { signal: abort.signal })
    abort.abort()
    await expect(compiling).rejects.toMatchObject({ name: 'AbortError' })
    expect(consumer.state).toBe('closed')
    expect(listeners(abort.signal)).toBe(0)
  })

  test('of go() takes the probes away', async () => {
    const consumer = await open()
    const { signal: unused } = new AbortController()
    await consumer.enable(await consumer.compile(CHDIR, { signal: unused }), { signal: unused })
    expect(listeners(unused)).toBe(0)
    const abort = new AbortController()
    const going = consumer.go({ signal: abort.signal })
    abort.abort()
    await expect(going).rejects.toMatchObject({ name: 'AbortError' })
    expect(consumer.state).toBe('closed')
  })

  test('of run() stops tracing', async () => {
    const consumer = await open()
    const abort = new AbortController()
    const iterator = consumer.run('BEGIN { trace("up"); }', { signal: abort.signal })
    await iterator.next()
    const waiting = iterator.next()
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    expect(consumer.state).toBe('stopped')
  })

  test('stops a watcher, whose loop gets the reason when all is gone', async () => {
    const starting = new AbortController()
    const { signal } = starting
    const aborted = expect(watchOpens({ signal })).rejects.toMatchObject({ name: 'AbortError' })
    starting.abort()
    await aborted
    nothingIsLeft()
    await expect(watchOpens({ signal })).rejects.toMatchObject({ name: 'AbortError' })

    const folder = mkdtempSync(join(tmpdir(), 'dtrace-abort-'))
    try {
      const abort = new AbortController()
      const watcher = await RescanWatcher.start({ paths: folder, abortSignal: abort.signal })
      const loop = expect(collect(watcher)).rejects.toThrow('enough')
      abort.abort(new Error('enough'))
      await loop
      nothingIsLeft()
      expect([listeners(signal), listeners(abort.signal)]).toEqual([0, 0])
      const misplaced = RescanWatcher.start({ paths: folder, signal: abort.signal as never })
      await expect(misplaced).rejects.toMatchObject({
        code: 'ERR_DTRACE_ARGUMENT',
        message: expect.stringMatching(/abortSignal/),
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('streams', () => {
  test('a pipeline of records; what it was too slow for is counted', async () => {
    const consumer = await open({ queueLimit: 100 })
    const drops: Drop[] = []
    consumer.on('drop', (drop) => drops.push(drop))
    await consumer.enable(await consumer.compile(CHDIR))
    await consumer.go()
    let through = 0
    let release: () => void = () => {}
    const slow = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (_line, _encoding, done) => {
        if (++through === 1) release = done
        else done()
      },
    })
    const toLine = new Transform({
      objectMode: true,
      transform: ({ fields }, _encoding, done) => done(null, `${fields.pid}\n`),
    })
    const piping = pipeline(consumer.stream(), toLine, slow)
    await chdir(20_000)
    await consumer.stop()
    release()
    await piping
    const dropped = drops.reduce((sum, { count }) => sum + count, 0)
    expect(new Set(drops.map(({ kind }) => kind))).toEqual(new Set(['reader']))
    expect(dropped).toBeGreaterThan(0)
    expect(through + dropped).toBe(20_000)
  })

  test('cancelled, it stops the tracing although no record comes', async () => {
    const consumer = await open()
    await consumer.enable(await consumer.compile(`BEGIN { trace("up"); } ${CHDIR}`))
    await consumer.go()
    const reader = consumer.webStream().getReader()
    expect(() => consumer.stream()).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_STATE' }))
    expect((await reader.read()).value?.values).toEqual(['up'])
    const next = reader.read()
    await reader.cancel()
    expect(await next).toMatchObject({ done: true })
    expect(consumer.state).toBe('stopped')
  })

  test('a web stream of a trace: cancelled, it leaves nothing', async () => {
    const reader = ReadableStream.from(trace('BEGIN { trace("up"); }')).getReader()
    expect((await reader.read()).value?.values).toEqual(['up'])
    const next = reader.read()
    await reader.cancel()
    expect(await next).toMatchObject({ done: true })
    nothingIsLeft()
  })
})

describe('diagnostics_channel', () => {
  test('tells operations with their results and errors, and drops, faults and exits', async () => {
    const messages: [string, Record<string, unknown>][] = []
    const names = ['compile:asyncEnd', 'compile:error', 'open:asyncEnd'].map(
      (name) => `tracing:dtrace-consumer:${name}`,
    )
    names.push(
      'dtrace-consumer:fault',
      'dtrace-consumer:exit',
      'dtrace-consumer:drop',
      'dtrace-consumer:error',
    )
    const listen = (message: unknown, name: string | symbol) =>
      void messages.push([String(name), { ...(message as object) }])
    for (const name of names) diagnostics.subscribe(name, listen)
    try {
      const consumer = await open({ options: { bufsize: '8m' } })
      await expect(consumer.compile('BEGIN { wrong')).rejects.toThrow()
      const source = 'BEGIN { trace(*(int *)64); } BEGIN { exit(4); }'
      await collect(consumer.run(source))
      const of = (name: string) =>
        messages.filter(([channel]) => channel.endsWith(name)).map(([, message]) => message)
      expect(of('open:asyncEnd')).toMatchObject([{ options: { options: { bufsize: '8m' } } }])
      expect(of('compile:error')).toMatchObject([{ consumer, error: { code: 'ERR_DTRACE_COMPILE' } }])
      expect(of('compile:asyncEnd').at(-1)).toMatchObject({ consumer, source, result: { source } })
      expect(of('consumer:fault')).toMatchObject([{ consumer, fault: { address: 64n } }])
      expect(of('consumer:exit')).toMatchObject([{ consumer, status: 4 }])
      expect([...of('consumer:drop'), ...of('consumer:error')]).toEqual([])
    } finally {
      for (const name of names) diagnostics.unsubscribe(name, listen)
    }
  })
})

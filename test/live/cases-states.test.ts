/**
 * What the test suites of older DTrace APIs check of a consumer's states: every call in each of them works, or says that it is the
 * wrong one; none hangs, and none spoils what follows. See docs/older-apis.md.
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Consumer, DTraceError, type DTraceRecord, type Program } from '../../lib/index.js'
import { HOST, once, open, run, within } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

const STEPS = ['open', 'compiled', 'enabled', 'running', 'stopped', 'closed'] as const
type Step = (typeof STEPS)[number]

const ALIVE: readonly Step[] = ['open', 'compiled', 'enabled', 'running', 'stopped']
const TRACING: readonly Step[] = ['running', 'stopped']

interface Call {
  /** Where it works; elsewhere it rejects with `ERR_DTRACE_STATE`. */
  works: readonly Step[]
  /** Where it takes the consumer to another state: there it is called as the way on. */
  leaves?: readonly Step[]
  /** Another code. */
  unless?: Partial<Record<Step, string>>
  call: (consumer: Consumer, program: Program | undefined) => unknown
}

const FIRST =
  'BEGIN { @a = count(); @b = count(); } syscall::prctl:entry /pid == $pid && arg0 == 0x44545243/ { trace(arg1); }'

const CALLS: Record<string, Call> = {
  setOption: {
    works: ALIVE,
    call: async (consumer) => {
      await consumer.setOption('quiet', true)
      await consumer.setOption('switchrate', '5ms')
    },
  },
  getOption: { works: ALIVE, call: async (consumer) => await consumer.getOption('bufsize') },
  compile: {
    works: ['open', 'compiled'],
    leaves: ['open', 'compiled'],
    call: async (consumer) => await consumer.compile('BEGIN {}'),
  },
  enable: {
    works: ['compiled'],
    leaves: ['compiled'],
    call: async (consumer, program) => await consumer.enable(program as Program),
  },
  go: { works: ['enabled'], leaves: ['enabled'], call: async (consumer) => await consumer.go() },
  stop: { works: TRACING, leaves: ['running'], call: async (consumer) => await consumer.stop() },
  close: { works: STEPS, leaves: ALIVE, call: async (consumer) => await consumer.close() },
  aggregations: { works: TRACING, call: async (consumer) => await consumer.aggregations() },
  joinedAggregations: {
    works: TRACING,
    // Names are looked up first, in what has been compiled.
    unless: { open: 'ERR_DTRACE_ARGUMENT' },
    call: async (consumer) => await consumer.joinedAggregations({ names: ['@a', '@b'] }),
  },
  snapshots: {
    works: TRACING,
    call: async (consumer) => {
      for await (const _ of consumer.snapshots({ interval: '10ms' })) break
    },
  },
  create: {
    works: ['open', 'compiled', 'enabled', 'running'],
    call: async (consumer) => {
      const target = await consumer.create('sleep', ['60'], { stdin: 'ignore', stdout: 'ignore' })
      await target.continue()
      await target.kill('SIGKILL')
      expect(await target.exit).toMatchObject({ signal: 'SIGKILL' })
    },
  },
  grab: {
    works: [],
    // No process has this number: Linux has 2^22 at most.
    unless: {
      open: 'ERR_DTRACE_ARGUMENT',
      compiled: 'ERR_DTRACE_ARGUMENT',
      enabled: 'ERR_DTRACE_ARGUMENT',
      running: 'ERR_DTRACE_ARGUMENT',
    },
    call: async (consumer) => await consumer.grab(2 ** 22 + 1),
  },
  probes: {
    works: ALIVE,
    call: async (consumer) => expect(await consumer.probes('BEGIN', { arguments: true })).toHaveLength(1),
  },
  mark: { works: ['running'], call: (consumer) => consumer.mark(1) },
  run: {
    works: ['open', 'compiled'],
    leaves: ['open', 'compiled'],
    call: async (consumer) => {
      for await (const _ of consumer.run('BEGIN {}')) break
    },
  },
  records: { works: STEPS, call: async (consumer) => await consumer.records().return?.() },
  stream: {
    works: STEPS,
    leaves: ['running'],
    call: (consumer) =>
      once('the end of the stream', (resolve) => {
        consumer
          .stream()
          .once('close', () => resolve(undefined))
          .destroy()
      }),
  },
  webStream: {
    works: STEPS,
    leaves: ['running'],
    call: async (consumer) => await consumer.webStream().cancel(),
  },
  stats: { works: STEPS, call: (consumer) => consumer.stats() },
  ref: { works: STEPS, call: (consumer) => consumer.unref().ref() },
}

/** What is public and has no row of its own. */
function others(): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(Consumer.prototype))
    .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor' && !(name in CALLS))
    .map(([name]) => name)
}

async function failureOf(what: string, call: () => unknown): Promise<unknown> {
  try {
    await within(what, call)
    return undefined
  } catch (error) {
    return error
  }
}

describe('every call in every state', () => {
  test('works, or rejects with ERR_DTRACE_STATE, and the consumer goes on as if it had not been called', async () => {
    const documented = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
    const consumer = await open()
    const records: DTraceRecord[] = []
    let closed = 0
    consumer.on('batch', (batch) => records.push(...batch))
    consumer.on('close', () => closed++)
    let program: Program | undefined
    let marked = 0

    const ways: Record<Step, () => Promise<unknown>> = {
      open: async () => {
        program = await consumer.compile(FIRST)
      },
      compiled: async () => {
        await consumer.enable(program as Program)
      },
      enabled: () => consumer.go(),
      running: () => consumer.stop(),
      stopped: async () => await Promise.all([consumer.close(), consumer.close()]),
      closed: () => consumer[Symbol.asyncDispose](),
    }
    for (const step of STEPS) {
      for (const [name, { works, leaves, call, unless }] of Object.entries(CALLS)) {
        if (leaves?.includes(step)) continue
        const what = `${name}() when ${step}`
        const error = await failureOf(what, () => call(consumer, program))
        if (works.includes(step)) expect(error, what).toBeUndefined()
        else {
          expect(error, what).toBeInstanceOf(DTraceError)
          expect(error, what).toMatchObject({ code: unless?.[step] ?? 'ERR_DTRACE_STATE' })
        }
      }
      for (const name of others()) {
        const what = `${name}() without arguments when ${step}`
        const call = consumer[name as keyof Consumer] as () => unknown
        const error = await failureOf(what, () => call.call(consumer))
        if (error === undefined) continue
        expect(error, what).toBeInstanceOf(DTraceError)
        expect(documented, what).toContain((error as DTraceError).code)
      }
      expect(consumer.state).toBe(step === 'enabled' ? 'compiled' : step)
      expect([consumer.version, consumer.host, consumer.hostPid]).toEqual([
        expect.stringMatching(/^D \d/),
        HOST,
        expect.any(Number),
      ])
      if (step === 'running') marked++
      await within(`leaving ${step}`, ways[step])
    }
    expect(records.filter(({ values }) => values[0] === 1n)).toHaveLength(marked)
    expect(closed).toBe(1)
    expect(consumer.stats()).toMatchObject({ drops: 0, errors: 0 })
  })

  test('what is no program and no option is refused, and leaves the consumer open', async () => {
    const consumer = await open({ host: 'process' })
    const programs: [unknown, string][] = [
      [undefined, 'ERR_DTRACE_ARGUMENT'],
      [61707, 'ERR_DTRACE_ARGUMENT'],
      ['this is not D', 'ERR_DTRACE_COMPILE'],
      ['bogus-probe { trace(0); }', 'ERR_DTRACE_COMPILE'],
      ['syscall', 'ERR_DTRACE_COMPILE'],
    ]
    for (const [source, code] of programs)
      await expect(consumer.compile(source as string), String(source)).rejects.toMatchObject({ code })
    const options: [unknown?, unknown?][] = [
      [],
      ['bogusoption'],
      ['bufpolicy'],
      ['bufpolicy', 100],
      ['bufpolicy', true],
      ['dynvarsize', 1.23],
      ['quiet', { foo: 1024 }],
      ['quiet', [false]],
      ['quiet', 1.024],
      ['quiet', new Date(0)],
    ]
    for (const option of options) {
      const [name, value] = option as ['bufsize', string]
      await expect(consumer.setOption(name, value), `${name}=${value}`).rejects.toMatchObject({
        code: 'ERR_DTRACE_OPTION',
      })
    }
    for (const policy of ['ring', 'fill', 'switch'] as const) await consumer.setOption('bufpolicy', policy)
    for (const quiet of [true, false, '1', '0']) await consumer.setOption('quiet', quiet as boolean)
    expect(consumer.state).toBe('open')
    expect(consumer.version.split(' ')[1]?.split('.').map(Number)[0]).toBeGreaterThanOrEqual(1)
  })

  test('a program is enabled once, and by the consumer that compiled it', async () => {
    const [first, second] = await Promise.all([open({ host: 'process' }), open({ host: 'process' })])
    const [one, two] = [
      await first.compile('BEGIN { trace(1); }'),
      await first.compile('BEGIN { trace(2); }'),
    ]
    await second.compile('BEGIN { trace(3); }')
    await expect(second.enable(two)).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await first.enable(one)
    await expect(first.enable(one)).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
    await first.enable(two)
    await first.go()
    await first.stop()
    const seen = []
    for await (const { values } of first) seen.push(values[0])
    expect(seen).toEqual([1, 2])
  })
})

describe('a listener that throws', () => {
  test('does not keep stop() and close() from ending, whichever event it listens to', async () => {
    const { stdout } = await run(
      process.execPath,
      [new URL('fixtures/throwing-listeners.mjs', import.meta.url).pathname, HOST],
      { timeout: 60_000 },
    )
    const { caught, ...end } = JSON.parse(stdout) as { caught: string[] }
    expect([...new Set(caught)].sort()).toEqual(['batch', 'close', 'drop', 'fault'])
    expect(end).toEqual({ closing: 'resolved', state: 'closed', accounted: 3000, errors: 1 })
  })
})

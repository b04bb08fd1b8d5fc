/**
 * Whatever a consumer is doing, it can be told to end: by its signal, by the call's own signal, or by close(). What was under way
 * ends in its result or in an error, nothing hangs, and nothing is left. Sessions in child processes: there many are tried at once.
 */
import { expect, test } from 'vitest'
import { type Consumer, DTraceError, type Program } from '../../lib/index.js'
import { keepAwake } from './awake.js'
import { open, probesGone, within } from './consumers.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'

const describe = requireDTrace()
keepAwake()

const SOURCE = 'BEGIN { @a = count(); } tick-50hz { trace(1); }'
const REASON = new Error('enough')

const STEPS = ['open', 'compiled', 'enabled', 'running', 'stopped'] as const
type Step = (typeof STEPS)[number]

/** A consumer that has come so far. */
async function at(step: Step, signal?: AbortSignal): Promise<[Consumer, Program | undefined]> {
  const consumer = await open({ host: 'process', ...(signal === undefined ? {} : { signal }) })
  const on = STEPS.indexOf(step)
  const program = on > 0 ? await consumer.compile(SOURCE) : undefined
  if (on > 1) await consumer.enable(program as Program)
  if (on > 2) await consumer.go()
  if (on > 3) await consumer.stop()
  return [consumer, program]
}

type Pending = [what: string, step: Step, begin: (consumer: Consumer, program: Program) => Promise<unknown>]

/** Everything that takes its time, and no call at all in every state. */
const PENDING: readonly Pending[] = [
  ...STEPS.map((step): Pending => ['nothing', step, async () => undefined]),
  [
    'setOption() and getOption()',
    'open',
    async (consumer) => {
      await Promise.all([consumer.setOption('bufsize', '1m'), consumer.getOption('bufsize')])
    },
  ],
  ['compile()', 'open', async (consumer) => await consumer.compile(SOURCE)],
  [
    'two of compile()',
    'open',
    (consumer) => Promise.all([consumer.compile(SOURCE), consumer.compile('END {}')]),
  ],
  ['run()', 'open', async (consumer) => await consumer.run(SOURCE).next()],
  ['enable()', 'compiled', async (consumer, program) => await consumer.enable(program)],
  ['go()', 'enabled', async (consumer) => await consumer.go()],
  [
    'a loop',
    'running',
    async (consumer) => {
      for await (const _ of consumer);
    },
  ],
  ['aggregations()', 'running', async (consumer) => await consumer.aggregations()],
  [
    'snapshots()',
    'running',
    async (consumer) => {
      for await (const _ of consumer.snapshots({ interval: '1h' }));
    },
  ],
  ['stop()', 'running', async (consumer) => await consumer.stop()],
]

/** Five at a time: each of them is a process. */
async function forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: 5 }, worker))
}

/** What came of a call: undefined for any result. */
async function end(what: string, call: Promise<unknown>): Promise<unknown> {
  return await within(what, () =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
}

async function nothingIsLeft(consumers: readonly Consumer[]): Promise<void> {
  for (const { state } of consumers) expect(state).toBe('closed')
  await probesGone(...consumers.map(({ hostPid }) => hostPid))
}

describe('in every state, and while every call is under way', () => {
  test(
    'the signal of open() ends the consumer',
    async () => {
      const consumers: Consumer[] = []
      await forEach(PENDING, async ([name, step, begin]) => {
        const what = `${name} when ${step}, aborted`
        const abort = new AbortController()
        const [consumer, program] = await at(step, abort.signal)
        consumers.push(consumer)
        const closed = new Promise((resolve) => consumer.once('close', () => resolve(undefined)))
        const call = end(what, begin(consumer, program as Program))
        abort.abort(REASON)
        const error = await call
        // A call that had been answered before has its result.
        if (error !== undefined && error !== REASON) {
          expect(error, what).toBeInstanceOf(DTraceError)
          expect(error, what).toMatchObject({ code: 'ERR_DTRACE_STATE' })
        }
        if (name === 'a loop' || name === 'run()') expect(error, what).toBeDefined()
        await within(`the end after ${what}`, () => closed)
        await within(`close() after ${what}`, () => consumer.close())
      })
      await nothingIsLeft(consumers)
    },
    patience(240_000),
  )

  test(
    'close() ends it, asked once or twice',
    async () => {
      const consumers: Consumer[] = []
      await forEach(PENDING, async ([name, step, begin]) => {
        const what = `${name} when ${step}, closed`
        const [consumer, program] = await at(step)
        consumers.push(consumer)
        const call = end(what, begin(consumer, program as Program))
        const closing = [consumer.close(), consumer.close()]
        const error = await call
        if (error !== undefined) {
          expect(error, what).toBeInstanceOf(DTraceError)
          expect(error, what).toMatchObject({ code: 'ERR_DTRACE_STATE' })
        }
        await within(`close() after ${what}`, () => Promise.all(closing))
        await expect(consumer.compile(SOURCE), what).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
      })
      await nothingIsLeft(consumers)
    },
    patience(240_000),
  )
})

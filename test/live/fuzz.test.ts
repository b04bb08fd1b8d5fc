import { monitorEventLoopDelay } from 'node:perf_hooks'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Consumer, DTraceError } from '../../lib/index.js'
import { options, program } from './fuzz-programs.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** A thousand take half an hour; each run of the suite does some, other ones each time. */
const RUNS = Number(process.env.DTRACE_FUZZ_RUNS ?? 20)
/** For one program; the longest that were seen took a tenth of it. */
const LIMIT = 120_000

type Outcome = 'records' | 'nothing' | 'ERR_DTRACE_HOST_EXITED' | `ERR_DTRACE_${string}`

async function within<Value>(what: string, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has not ended within ${LIMIT} ms`)), LIMIT)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The whole life of a session with that program. */
async function live(source: string, given: Record<string, string | number | boolean>): Promise<Outcome> {
  const consumer = await Consumer.open({ host: 'process', options: given })
  const problems: unknown[] = []
  consumer.on('error', (error) => problems.push(error))
  try {
    await consumer.enable(
      await consumer.compile(source, { args: source.includes('$1') ? ['1'] : [], allowNoMatches: true }),
    )
    let records = 0
    const first = new Promise<void>((resolve) => {
      consumer.on('batch', (batch) => {
        records += batch.toArray().length
        resolve()
      })
      for (const event of ['exit', 'error', 'fault', 'drop'] as const) consumer.once(event, () => resolve())
      setTimeout(resolve, 300).unref()
    })
    await consumer.go()
    await first
    if (consumer.state === 'running') await consumer.aggregations()
    if (consumer.state === 'running') await consumer.stop()
    const [problem] = problems
    if (problem !== undefined) throw problem
    return records > 0 ? 'records' : 'nothing'
  } catch (error) {
    // Told in one way only, whatever it was.
    if (!(error instanceof DTraceError)) throw error
    return error.code
  } finally {
    await consumer.close()
  }
}

describe('random programs and options, in child sessions', () => {
  test(
    `${RUNS} of them end in records or a DTraceError each, and the service goes on`,
    async () => {
      const outcomes = new Map<Outcome, number>()
      const delay = monitorEventLoopDelay()
      delay.enable()
      await fc.assert(
        fc.asyncProperty(program, options, async (source, given) => {
          const outcome = await within(
            JSON.stringify({ source, given }),
            live(source, given).catch((error) => {
              if (error instanceof DTraceError) return error.code
              throw error
            }),
          )
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
          if (outcome === 'ERR_DTRACE_HOST_EXITED')
            console.log(`host exited: ${JSON.stringify({ source, given })}`)
        }),
        // A smaller one is not worth the minutes that it takes to find.
        { numRuns: RUNS, endOnFailure: true },
      )
      const seen = [...outcomes]
        .sort(([, a], [, b]) => b - a)
        .map(([outcome, count]) => `${outcome} ${count}`)
      console.log(`outcomes: ${seen.join(', ')}; event loop: ${(delay.max / 1e6).toFixed(0)} ms at most`)
      expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(RUNS)
      // And it can still trace.
      expect(await live('BEGIN { trace(1); exit(0); }', {})).toBe('records')
    },
    LIMIT + RUNS * 20_000,
  )
})

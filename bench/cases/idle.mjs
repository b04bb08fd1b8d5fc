/**
 * What tracing costs when nothing happens: the rescan watcher, and for comparison a consumer and the bare C consumer.
 * They wait side by side, each with probes of its own; none fires.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'

const SECONDS = 20
const GOAL_PERCENT = 0.2

/** @param {import('../harness/context.mjs').Context} context */
export async function idle(context) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: '10ms' } }
  const consumers = [
    { name: 'RescanWatcher', command: context.node('node-watcher', { directory: context.folder }) },
    { name: 'Node, opens.d', command: context.node('node-consumer', { ...run, read: 'records' }) },
    { name: 'bare C, opens.d', command: context.bare(run) },
  ]
  context.progress(`idle: ${SECONDS} s`)
  const results = await Promise.all(
    consumers.map(async ({ name, command }) => ({ name, ...(await once(name, command)) })),
  )
  const { percent } = results[0]
  return {
    name: 'idle',
    title: 'CPU while nothing happens',
    setting:
      `RescanWatcher: default options, one directory, nothing below it changes; the others: switchrate 10ms; ` +
      `${SECONDS} s side by side; percent of one processor`,
    columns: ['consumer', 'CPU ms', 'CPU %', 'records'],
    rows: results.map((result) => [
      result.name,
      (result.cpuMicroseconds / 1e3).toFixed(1),
      result.percent.toFixed(3),
      String(result.records),
    ]),
    verdicts: [
      {
        goal: `the watcher uses at most ${GOAL_PERCENT} %`,
        value: `${percent.toFixed(3)} %`,
        met: percent <= GOAL_PERCENT,
      },
    ],
    data: { unit: 'percent of one processor', seconds: SECONDS, results },
  }
}

async function once(name, command) {
  return withConsumer(name, command, async (consumer) => {
    await consumer.ready()
    // The compiler's and the collector's afterwork belongs to starting, not to being idle.
    await delay(3_000)
    await consumer.begin()
    await delay(SECONDS * 1_000)
    const result = await consumer.finish(0)
    return { ...result, percent: result.cpuMicroseconds / result.seconds / 1e4 }
  })
}

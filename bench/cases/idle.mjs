/**
 * What tracing costs when nothing happens: the rescan watcher, and for comparison a consumer and the bare C consumer.
 * They wait side by side, each with probes of its own; none fires.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'

const SECONDS = 20
/** V8 clears up after the start when the program has been quiet for 8 s: about 30 ms of CPU, once. */
const SETTLE_SECONDS = 15
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
      `RescanWatcher: default options, one directory, nothing below it changes; the others: switchrate 10ms;\n` +
      `${SECONDS} s side by side, ${SETTLE_SECONDS} s after the start; percent of one processor\n` +
      'what the rest of the machine does to files is looked at, and costs (last column): measure on a quiet one',
    columns: ['consumer', 'CPU ms', 'CPU %', 'records looked at'],
    rows: results.map((result) => [
      result.name,
      (result.cpuMicroseconds / 1e3).toFixed(1),
      result.percent.toFixed(3),
      String(result.looked ?? result.records),
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
    await delay(SETTLE_SECONDS * 1_000)
    await consumer.begin()
    await delay(SECONDS * 1_000)
    const result = await consumer.finish(0)
    return { ...result, percent: result.cpuMicroseconds / result.seconds / 1e4 }
  })
}

/** What a watcher costs when nothing happens below the directory that it watches. */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'

const SECONDS = 20
const GOAL_PERCENT = 0.2

/** @param {import('../harness/context.mjs').Context} context */
export async function idle(context) {
  context.progress(`idle: a watcher for ${SECONDS} s`)
  const command = context.node('node-watcher', { directory: context.folder })
  const result = await withConsumer('watcher', command, async (consumer) => {
    await consumer.ready()
    // The compiler's and the collector's afterwork belongs to starting, not to being idle.
    await delay(2_000)
    await consumer.begin()
    await delay(SECONDS * 1_000)
    return consumer.finish(0)
  })
  const percent = result.cpuMicroseconds / result.seconds / 1e4
  return {
    name: 'idle',
    title: "The watcher's idle CPU",
    setting: `RescanWatcher on one directory, default options, nothing below it changes, ${SECONDS} s; percent of one processor`,
    columns: ['consumer', 'CPU ms', 'CPU %', 'changes seen'],
    rows: [
      [
        'RescanWatcher',
        (result.cpuMicroseconds / 1e3).toFixed(1),
        percent.toFixed(3),
        String(result.records),
      ],
    ],
    verdicts: [
      { goal: `at most ${GOAL_PERCENT} %`, value: `${percent.toFixed(3)} %`, met: percent <= GOAL_PERCENT },
    ],
    data: { unit: 'percent of one processor', percent, ...result },
  }
}

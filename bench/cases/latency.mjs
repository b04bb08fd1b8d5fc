/**
 * Latency from the system call to the JavaScript callback. The load generator puts CLOCK_MONOTONIC into a call's
 * argument, the probe emits that argument, and the consumer takes the clock again at the start of its callback.
 */

import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'
import { runLoad } from '../harness/load.mjs'
import { median } from '../harness/statistics.mjs'

const RATE = 200

/** No switchrate: whatever the package's default is, and the bare consumer is then given the same. */
const settings = [
  { name: 'default', options: {} },
  { name: 'switchrate 1ms', options: { switchrate: '1ms' } },
  { name: 'lowest latency (switchrate 0)', options: { switchrate: '0' } },
]

/** @param {import('../harness/context.mjs').Context} context */
export async function latency(context) {
  const count = context.quick ? 400 : 2_000
  const rounds = context.quick ? 1 : 3
  const results = []
  for (const setting of settings) {
    const ours = []
    const bare = []
    for (let round = 1; round <= rounds; round++) {
      const run = { file: context.program('latency'), options: { ...commonOptions, ...setting.options } }
      context.progress(`latency, ${setting.name}, round ${round}/${rounds}: Node`)
      const mine = await once(
        context,
        'Node',
        context.node('node-consumer', { ...run, latency: 'sent' }),
        count,
      )
      ours.push(mine)
      context.progress(`latency, ${setting.name}, round ${round}/${rounds}: bare C`)
      const switchrate = `${Math.round(mine.switchrateMicroseconds)}us`
      const same = { ...run, options: { ...run.options, switchrate }, latency: 0 }
      bare.push(await once(context, 'bare C', context.bare(same), count))
    }
    results.push(
      { setting: setting.name, consumer: 'bare C', ...summary(bare) },
      { setting: setting.name, consumer: 'Node', ...summary(ours) },
    )
  }
  return {
    name: 'latency',
    title: 'Latency from the system call to the callback',
    setting: `program latency.d, ${RATE} events a second, ${count.toLocaleString('en')} of them, ${rounds} interleaved rounds, medians of the rounds' figures`,
    columns: ['setting', 'switchrate', 'median µs', 'p99 µs', 'CPU %', 'lost'],
    rows: results.map((result) => [
      `${result.consumer}, ${result.setting}`,
      `${result.switchrateMicroseconds / 1e3} ms`,
      result.medianMicroseconds.toFixed(0),
      result.p99Microseconds.toFixed(0),
      result.cpuPercent.toFixed(2),
      String(result.lost),
    ]),
    verdicts: [],
    data: { unit: 'microseconds', ratePerSecond: RATE, count, results },
  }
}

async function once(context, name, command, count) {
  return withConsumer(name, command, async (consumer) => {
    const { switchrateMicroseconds } = await consumer.ready()
    await consumer.begin()
    const load = await runLoad(context.load, 'latency', { count, rate: RATE })
    const result = await consumer.finish(load.made)
    return {
      switchrateMicroseconds,
      ...result.latency,
      lost: load.made - result.stopped.records,
      cpuPercent: result.cpuMicroseconds / result.seconds / 1e4,
    }
  })
}

const summary = (runs) => ({
  switchrateMicroseconds: runs[0].switchrateMicroseconds,
  medianMicroseconds: median(runs.map((run) => run.medianMicroseconds)),
  p99Microseconds: median(runs.map((run) => run.p99Microseconds)),
  cpuPercent: median(runs.map((run) => run.cpuPercent)),
  lost: runs.reduce((sum, run) => sum + run.lost, 0),
  runs,
})

/** One run of the latency programs: a load of time stamps at a rate, and what the consumer sampled. */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from './consumer-process.mjs'
import { commonOptions } from './context.mjs'
import { runLoad } from './load.mjs'
import { median } from './statistics.mjs'

const WARM_UP = 2_000
/** Longer than any switchrate that is measured. */
const SETTLE_MS = 500

export const percentiles = ['median', 'p90', 'p99', 'p999']

/**
 * Node and the bare consumer in turn, with the same options; without a switchrate Node has its default, and the bare one
 * is given the same.
 *
 * @param {import('./context.mjs').Context} context
 * @param {{ label: string, options: Record<string, string>, rate: number, count: number, rounds: number }} plan
 */
export async function measureLatency(context, { label, options, rate, count, rounds }) {
  const ours = []
  const bare = []
  const run = { file: context.program('latency'), options: { ...commonOptions, ...options } }
  for (let round = 1; round <= rounds; round++) {
    context.progress(`${label}, round ${round}/${rounds}: Node`)
    const command = context.node('node-consumer', { ...run, latency: 'sent' })
    const mine = await once(context, 'Node', command, { rate, count })
    ours.push(mine)
    context.progress(`${label}, round ${round}/${rounds}: bare C`)
    const switchrate = `${Math.round(mine.switchrateMicroseconds)}us`
    const same = { ...run, options: { ...run.options, switchrate }, latency: 0 }
    bare.push(await once(context, 'bare C', context.bare(same), { rate, count }))
  }
  return [
    { consumer: 'bare C', ...summary(bare) },
    { consumer: 'Node', ...summary(ours) },
  ]
}

async function once(context, name, command, { rate, count }) {
  return withConsumer(name, command, async (consumer) => {
    const { switchrateMicroseconds } = await consumer.ready()
    await runLoad(context.load, 'latency', { count: WARM_UP, rate })
    await delay(SETTLE_MS)
    await consumer.begin()
    const load = await runLoad(context.load, 'latency', { count, rate })
    const result = await consumer.finish(load.made)
    const { records, drops } = result.stopped
    if (records + drops !== load.made)
      throw new Error(`${name}: of ${load.made} calls ${records} were delivered and ${drops} dropped`)
    return {
      switchrateMicroseconds,
      ...result.latency,
      lost: drops,
      cpuPercent: result.cpuMicroseconds / result.seconds / 1e4,
      peakKilobytes: result.peakKilobytes,
    }
  })
}

function summary(runs) {
  const keys = [...percentiles.map((name) => `${name}Microseconds`), 'cpuPercent']
  const medians = runs.map(({ medianMicroseconds }) => medianMicroseconds)
  return {
    switchrateMicroseconds: runs[0].switchrateMicroseconds,
    ...Object.fromEntries(keys.map((key) => [key, median(runs.map((run) => run[key]))])),
    spread: [Math.min(...medians), Math.max(...medians)],
    lost: runs.reduce((sum, run) => sum + run.lost, 0),
    runs,
  }
}

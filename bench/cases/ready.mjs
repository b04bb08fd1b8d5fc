/**
 * Time to ready: from the start until the probes are enabled. Two figures for each: within the process, from the first
 * call until tracing; and from the start of the process, which for Node includes Node's own start.
 */

import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'
import { median } from '../harness/statistics.mjs'

const GOAL = 1.3

/** @param {import('../harness/context.mjs').Context} context */
export async function ready(context) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: '10ms' } }
  const consumers = [
    { name: 'bare C', command: context.bare(run), runs: [] },
    { name: 'Node', command: context.node('node-consumer', { ...run, read: 'records' }), runs: [] },
  ]
  for (let round = 1; round <= context.rounds; round++) {
    for (const { name, command, runs } of consumers) {
      context.progress(`ready, round ${round}/${context.rounds}: ${name}`)
      runs.push(
        await withConsumer(name, command, async (consumer) => {
          const result = await consumer.ready()
          await consumer.finish(0)
          return result
        }),
      )
    }
  }
  const results = consumers.map(({ name, runs }) => ({
    name,
    milliseconds: median(runs.map((result) => result.milliseconds)),
    spawnMilliseconds: median(runs.map((result) => result.spawnMilliseconds)),
    cpuMilliseconds: median(
      runs.map((result) => Object.values(result.steps).reduce((sum, step) => sum + step.cpuMilliseconds, 0)),
    ),
    runs,
  }))
  const [bare, ours] = results
  const ratio = ours.milliseconds / bare.milliseconds
  return {
    name: 'ready',
    title: 'Time to ready',
    setting: `program opens.d, ${context.rounds} interleaved rounds, medians`,
    columns: ['consumer', 'first call to tracing, ms', 'CPU, ms', 'process start to tracing, ms'],
    rows: results.map((result) => [
      result.name,
      result.milliseconds.toFixed(0),
      result.cpuMilliseconds.toFixed(0),
      result.spawnMilliseconds.toFixed(0),
    ]),
    verdicts: [
      {
        goal: `first call to tracing at most ${GOAL}× bare C`,
        value: `${ratio.toFixed(2)}×`,
        met: ratio <= GOAL,
      },
    ],
    data: {
      unit: 'milliseconds',
      ratio,
      spawnRatio: ours.spawnMilliseconds / bare.spawnMilliseconds,
      results,
    },
  }
}

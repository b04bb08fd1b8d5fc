/**
 * Time to ready: from the start until the probes are enabled, of a small program and of the rescan watcher's. Two figures for each:
 * within the process, from the first call until tracing; and from the start of the process, which for Node includes Node's own
 * start.
 */
import { rescanProgram } from '../consumers/rescan-program.mjs'
import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'
import { median } from '../harness/statistics.mjs'

const GOAL = 1.1

/** @param {import('../harness/context.mjs').Context} context */
export async function ready(context) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: '10ms' } }
  const directory = context.folder
  const consumers = [
    { name: 'bare C', command: context.bare(run) },
    { name: 'Consumer', command: context.node('node-consumer', { ...run, read: 'records' }) },
    { name: 'bare C, the watcher’s program', command: context.bare(await rescanProgram(directory)) },
    { name: 'RescanWatcher', command: context.node('node-watcher', { directory }) },
  ].map((consumer) => ({ ...consumer, runs: [] }))
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
  const results = consumers.map(({ name, runs }) => {
    const times = runs.map(({ milliseconds }) => milliseconds)
    return {
      name,
      milliseconds: median(times),
      spread: [Math.min(...times), Math.max(...times)],
      spawnMilliseconds: median(runs.map(({ spawnMilliseconds }) => spawnMilliseconds)),
      cpuMilliseconds: median(runs.map(({ steps }) => total(steps))),
      steps: Object.fromEntries(
        Object.keys(runs[0].steps).map((name) => [
          name,
          median(runs.map(({ steps }) => steps[name].milliseconds)),
        ]),
      ),
      runs,
    }
  })
  const [bare, ours, bareRescan, rescan] = results
  const pairs = [
    { name: 'Consumer', bare, ours },
    { name: 'RescanWatcher', bare: bareRescan, ours: rescan },
  ].map(({ name, bare, ours }) => ({
    name,
    ratio: ours.milliseconds / bare.milliseconds,
    spawnRatio: ours.spawnMilliseconds / bare.spawnMilliseconds,
  }))
  return {
    name: 'ready',
    title: 'Time to ready',
    setting:
      `program opens.d, and the one of RescanWatcher with the same arguments and options; ${context.rounds} interleaved rounds, medians\n` +
      'the last column is where the time goes, in ms: what the consumer in C or in Node calls one after the other',
    columns: [
      'consumer',
      'first call to tracing, ms',
      'spread',
      'CPU, ms',
      'process start to tracing, ms',
      'steps',
    ],
    rows: results.map((result) => [
      result.name,
      result.milliseconds.toFixed(0),
      result.spread.map((end) => end.toFixed(0)).join(' to '),
      result.cpuMilliseconds.toFixed(0),
      result.spawnMilliseconds.toFixed(0),
      Object.entries(result.steps)
        .map(([name, time]) => `${name} ${time.toFixed(0)}`)
        .join(', '),
    ]),
    verdicts: pairs.map(({ name, ratio }) => ({
      goal: `${name}: first call to tracing at most ${GOAL}× bare C`,
      value: `${ratio.toFixed(2)}×`,
      met: ratio <= GOAL,
    })),
    chart: {
      kind: 'bars',
      title: 'Time to ready, first call to tracing',
      unit: 'ms',
      groups: [
        { label: 'opens.d', bars: [bare, ours].map(bar) },
        { label: 'the watcher’s program', bars: [bareRescan, rescan].map(bar) },
      ],
    },
    data: { unit: 'milliseconds', pairs, results },
  }
}

const total = (steps) => Object.values(steps).reduce((sum, { cpuMilliseconds }) => sum + cpuMilliseconds, 0)
const bar = ({ name, milliseconds, spread }) => ({ label: name, value: milliseconds, spread })

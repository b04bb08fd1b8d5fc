/** Memory of a consumer through twenty million records at full speed: what it has after each million. */
import { commonOptions } from '../harness/context.mjs'
import { fieldsOf } from '../harness/programs.mjs'
import { measureUnderLoad, optionText, whole } from '../harness/under-load.mjs'

/**
 * Flat: after all of them there is at most so much more than after half. In the first seconds V8's young generation grows to its
 * full size, 16 MB in one step.
 */
const GOAL_PERCENT = 5
const HALF = 10
const MEGABYTE = 1024 * 1024

/** @param {import('../harness/context.mjs').Context} context */
export async function memory(context) {
  const step = context.quick ? 100_000 : 1_000_000
  const options = { ...commonOptions, switchrate: '10ms' }
  const run = {
    ...{ file: context.program('opens'), options, fields: fieldsOf.opens },
    ...{ read: 'records', memoryEvery: step },
  }
  const { results } = await measureUnderLoad(context, {
    label: 'memory',
    rounds: 1,
    entries: [{ name: 'Node, typed objects', command: context.node('node-consumer', run) }],
    load: { rate: 0, count: 2 * HALF * step, warmUp: { count: 10_000, rate: 10_000 } },
  })
  const [{ made, lost, perSecond, peakMegabytes, runs }] = results
  const samples = runs[0].memory
  const growth = (key) => (samples.at(-1)[key] / samples[HALF - 1][key] - 1) * 100
  const megabytes = (key) => samples.map((sample) => ({ x: sample.records / 1e6, y: sample[key] / MEGABYTE }))
  return {
    name: 'memory',
    title: 'Memory after many records',
    setting:
      `program opens.d, ${optionText(options)}; ${whole(made)} records at full speed (${whole(perSecond)}/s), ` +
      `${whole(lost)} lost; the process's peak: ${peakMegabytes.toFixed(0)} MB`,
    columns: ['after records', 'RSS MB', 'heap used MB', 'heap MB', 'array buffers MB'],
    rows: samples.map(({ records, rss, heapUsed, heapTotal, arrayBuffers }) => [
      whole(records),
      ...[rss, heapUsed, heapTotal, arrayBuffers].map((bytes) => (bytes / MEGABYTE).toFixed(1)),
    ]),
    verdicts: [
      {
        goal: `from ${whole(HALF * step)} to ${whole(2 * HALF * step)} records RSS grows by at most ${GOAL_PERCENT} %`,
        value: `${growth('rss').toFixed(1)} %`,
        met: growth('rss') <= GOAL_PERCENT,
      },
    ],
    chart: {
      kind: 'lines',
      title: 'Memory after many records',
      x: { label: 'million records', log: false },
      y: { label: 'MB', log: false },
      lines: [
        { label: 'RSS', points: megabytes('rss') },
        { label: 'heap used', points: megabytes('heapUsed') },
      ],
    },
    data: { unit: 'bytes', samples, growthPercent: growth('rss'), peakMegabytes, lost, perSecond },
  }
}

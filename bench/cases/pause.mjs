/**
 * How long the JavaScript thread is kept from its event loop while records come as fast as they can: the delay of a timer that
 * is due each millisecond (perf_hooks' monitorEventLoopDelay), and that of a consumer for which nothing comes. What the idle
 * one shows is the timer's own millisecond and what the machine adds.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'
import { fieldsOf } from '../harness/programs.mjs'
import { median } from '../harness/statistics.mjs'
import { measureUnderLoad, optionText, whole } from '../harness/under-load.mjs'

const GOAL_MS = 5
const kinds = { records: 'Node, typed objects', columns: 'Node, columns', iterate: 'Node, for await' }

/** @param {import('../harness/context.mjs').Context} context */
export async function pause(context) {
  const options = { ...commonOptions, switchrate: '10ms' }
  const node = (read) =>
    context.node('node-consumer', {
      ...{ file: context.program('opens'), options, fields: fieldsOf.opens },
      ...{ read, pauses: true },
    })
  const seconds = context.quick ? 3 : 10
  const { rounds } = context
  const idleRuns = []
  for (let round = 1; round <= rounds; round++) {
    context.progress(`pause, idle, round ${round}/${rounds}`)
    idleRuns.push({ loopDelay: await idle(node('records'), seconds), perSecond: 0, drops: 0 })
  }
  const { results } = await measureUnderLoad(context, {
    label: 'pause',
    rounds,
    entries: Object.entries(kinds).map(([read, name]) => ({ name, command: node(read) })),
    load: { rate: 0, seconds, warmUp: { count: context.quick ? 100_000 : 300_000, rate: 50_000 } },
  })
  const all = [
    { name: 'Node, nothing comes', runs: idleRuns },
    ...results.map(({ name, runs }) => ({ name, runs })),
  ].map(({ name, runs }) => ({ name, ...summary(runs), runs }))
  const worst = all.slice(1).reduce((most, entry) => (entry.p999 > most.p999 ? entry : most))
  return {
    name: 'pause',
    title: "The JavaScript thread's pauses at full speed",
    setting:
      `delay of a timer of 1 ms, that millisecond included; program opens.d, ${optionText(options)}; ` +
      `${rounds} rounds of ${seconds} s, medians`,
    columns: ['consumer', 'median ms', 'p99 ms', 'p99.9 ms', 'longest ms', 'load/s', 'lost'],
    rows: all.map(({ name, p50, p99, p999, longest, perSecond, lost }) => [
      name,
      ...[p50, p99, p999, longest].map((value) => value.toFixed(2)),
      whole(perSecond),
      whole(lost),
    ]),
    verdicts: [
      {
        goal: `p99.9 is at most ${GOAL_MS} ms, however records are read`,
        value: `${worst.p999.toFixed(2)} ms (${worst.name})`,
        met: worst.p999 <= GOAL_MS,
      },
    ],
    chart: {
      kind: 'bars',
      title: 'Event-loop delay at full speed',
      unit: 'ms, p99.9',
      groups: [
        { label: '', bars: all.map(({ name, p999, spread }) => ({ label: name, value: p999, spread })) },
      ],
    },
    data: { unit: 'milliseconds', seconds, results: all },
  }
}

async function idle(command, seconds) {
  return withConsumer('idle', command, async (consumer) => {
    await consumer.ready()
    await delay(1_000)
    await consumer.begin()
    await delay(seconds * 1_000)
    return (await consumer.finish(0)).loopDelay
  })
}

function summary(runs) {
  const of = (key) => median(runs.map(({ loopDelay }) => loopDelay[key]))
  const p999s = runs.map(({ loopDelay }) => loopDelay.p999Milliseconds)
  return {
    p50: of('medianMilliseconds'),
    p99: of('p99Milliseconds'),
    p999: of('p999Milliseconds'),
    spread: [Math.min(...p999s), Math.max(...p999s)],
    longest: Math.max(...runs.map(({ loopDelay }) => loopDelay.longestMilliseconds)),
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    lost: runs.reduce((sum, { drops }) => sum + drops, 0),
  }
}

/**
 * CPU per record delivered to JavaScript as a typed object, against the bare C consumer: at a steady 50,000 a second,
 * and with the load generator as fast as it goes.
 *
 * CPU is user and system time of the consumer's whole process from just before the load until the last record has been
 * delivered, divided by the records delivered. What the process costs idle meanwhile is in it: nothing is subtracted.
 * The kernel's side (the probe itself) is paid by the traced process and is the same for all.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { commonOptions } from '../harness/context.mjs'
import { runLoad } from '../harness/load.mjs'
import { median } from '../harness/statistics.mjs'

const SWITCHRATE = '10ms'
const GOAL = 3
const RATE = 50_000
const WARM_UP = 100_000
/** Longer than a switch: by then the last record of the warm-up has been delivered. */
const SETTLE_MS = 300

/** The first is the yardstick, the second what the goal is about. */
const consumers = (context, run) => [
  { name: 'bare C', command: context.bare(run) },
  { name: 'Node, typed objects', command: context.node('node-consumer', { ...run, read: 'records' }) },
  { name: 'Node, columns', command: context.node('node-consumer', { ...run, read: 'columns' }) },
  { name: 'Node, for await', command: context.node('node-consumer', { ...run, read: 'iterate' }) },
  ...(context.dtrace === undefined
    ? []
    : [
        {
          name: 'dtrace(1) piped to Node',
          command: context.node('node-pipe', { command: context.dtrace, ...run }),
        },
      ]),
]

/** @param {import('../harness/context.mjs').Context} context */
export async function throughput(context) {
  const paced = await measure(context, 'paced', { count: context.quick ? 100_000 : 200_000, rate: RATE })
  const full = await measure(context, 'full', { count: context.quick ? 200_000 : 500_000, rate: 0 })

  const rows = []
  for (const { load, results } of [paced, full]) {
    const label = load.rate === 0 ? 'full speed' : `${RATE.toLocaleString('en')}/s`
    for (const { name, cpu, ratio, drops, perSecond, spread } of results) {
      rows.push([
        `${name}, ${label}`,
        cpu.toFixed(3),
        spread.map((value) => value.toFixed(3)).join(' to '),
        `${ratio.toFixed(2)}×`,
        Math.round(perSecond).toLocaleString('en'),
        String(drops),
      ])
    }
  }
  const ours = paced.results[1]
  const pacedDrops = paced.results[0].drops + ours.drops
  return {
    name: 'throughput',
    title: 'CPU per record delivered',
    setting:
      `program opens.d (execname, pid, path: 1,000 paths of 40 to 70 bytes in turn), switchrate ${SWITCHRATE}, ` +
      `${Object.entries(commonOptions)
        .map((option) => option.join(' '))
        .join(', ')}; ` +
      `${context.rounds} interleaved rounds after a warm-up of ${WARM_UP.toLocaleString('en')} records, medians\n` +
      'CPU: user + system of the whole consumer process, idle cost included; ratio of medians',
    columns: ['consumer', 'µs/record', 'spread', 'to bare C', 'load/s', 'lost'],
    rows,
    verdicts: [
      {
        goal: `typed objects at ${RATE.toLocaleString('en')}/s cost at most ${GOAL}× bare C`,
        value: `${ours.ratio.toFixed(2)}×`,
        met: ours.ratio <= GOAL,
      },
      {
        goal: `nothing lost at ${RATE.toLocaleString('en')}/s in either`,
        value: `${pacedDrops} lost`,
        met: pacedDrops === 0,
      },
    ],
    data: {
      unit: 'microseconds of CPU per record',
      options: { ...commonOptions, switchrate: SWITCHRATE },
      paced,
      full,
    },
  }
}

async function measure(context, label, { count, rate }) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: SWITCHRATE } }
  const entries = consumers(context, run).map((consumer) => ({ ...consumer, runs: [] }))
  for (let round = 1; round <= context.rounds; round++) {
    for (const { name, command, runs } of entries) {
      context.progress(`throughput, ${label}, round ${round}/${context.rounds}: ${name}`)
      runs.push(
        await withConsumer(name, command, (consumer) => once(context, name, consumer, { count, rate })),
      )
    }
  }
  const bare = median(entries[0].runs.map((result) => result.cpu))
  return {
    load: { count, rate },
    results: entries.map(({ name, runs }) => {
      const cpus = runs.map((result) => result.cpu)
      const cpu = median(cpus)
      return {
        name,
        cpu,
        ratio: cpu / bare,
        spread: [Math.min(...cpus), Math.max(...cpus)],
        drops: runs.reduce((sum, result) => sum + result.drops, 0),
        perSecond: median(runs.map((result) => result.perSecond)),
        runs,
      }
    }),
  }
}

async function once(context, name, consumer, { count, rate }) {
  await consumer.ready()
  // What is measured is the long run: V8 has by then compiled what it compiles. Both get the same warm-up.
  await runLoad(context.load, 'open', { count: WARM_UP, rate: RATE, folder: context.folder })
  await delay(SETTLE_MS)
  await consumer.begin()
  const load = await runLoad(context.load, 'open', { count, rate, folder: context.folder })
  const result = await consumer.finish(load.made)
  const accounted = result.stopped.records + result.stopped.drops
  if (accounted !== load.made) {
    throw new Error(
      `${name}: ${load.made} opens were made, but ${result.stopped.records} records delivered and ` +
        `${result.stopped.drops} reported as dropped: ${load.made - accounted} are unaccounted for`,
    )
  }
  return {
    cpu: (result.cpuMicroseconds + (result.childCpuMicroseconds ?? 0)) / result.records,
    records: result.records,
    drops: result.stopped.drops,
    perSecond: load.perSecond,
    seconds: result.seconds,
  }
}

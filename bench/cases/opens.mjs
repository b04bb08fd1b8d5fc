/**
 * What it costs to know of each open: `watchOpens`, with full paths and typed events, and opensnoop of bcc's libbpf-tools, with the
 * strings that were passed, its lines read by Node. Both look at every open of the machine and tell those of the load.
 *
 * CPU is user and system time of the consumer's process (and opensnoop's own), from just before the load until the last open has been
 * told. What the traced process pays is the time that each of its opens takes longer than untraced.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { runLoad } from '../harness/load.mjs'
import { median } from '../harness/statistics.mjs'

const RATE = 50_000
const WARM_UP = 50_000
const SETTLE_MS = 500

export const needs = ['opensnoop']

/** @param {import('../harness/context.mjs').Context} context */
export async function opens(context) {
  const opensnoop = context.peer('opensnoop')
  const consumers = [
    { name: 'watchOpens', command: context.node('node-opens', { process: 'load' }) },
    {
      name: 'opensnoop piped to Node',
      command: context.node('node-opens', { process: 'load', opensnoop }),
    },
  ].map((consumer) => ({ ...consumer, runs: [] }))
  const count = context.quick ? 100_000 : 200_000
  const untraced = await fullSpeed(context, count)
  for (let round = 1; round <= context.rounds; round++) {
    for (const { name, command, runs } of consumers) {
      context.progress(`opens, round ${round}/${context.rounds}: ${name}`)
      runs.push(await withConsumer(name, command, (consumer) => once(context, consumer, count)))
    }
  }
  const results = consumers.map(({ name, runs }) => ({
    name,
    cpu: median(runs.map(({ cpu }) => cpu)),
    traced: median(runs.map(({ traced }) => traced)),
    drops: runs.reduce((sum, { drops }) => sum + drops, 0),
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    runs,
  }))
  const [ours, theirs] = results
  return {
    name: 'opens',
    title: 'CPU per open that is told',
    setting:
      `${count.toLocaleString('en')} opens at up to ${RATE.toLocaleString('en')}/s, of 1,000 files in turn, after a warm-up; ` +
      `${context.rounds} interleaved rounds, medians; default options\n` +
      `an untraced open takes ${untraced.toFixed(1)} µs at full speed; the third column is what each takes longer then`,
    columns: ['consumer', 'µs CPU/open', 'µs longer', 'opens/s', 'lost'],
    rows: results.map(({ name, cpu, traced, drops, perSecond }) => [
      ...[
        name,
        cpu.toFixed(2),
        (traced - untraced).toFixed(1),
        Math.round(perSecond).toLocaleString('en'),
        String(drops),
      ],
    ]),
    verdicts: [
      { goal: 'watchOpens loses nothing', value: `${ours.drops} lost`, met: ours.drops === 0 },
      {
        goal: 'it costs at most what opensnoop and reading its lines do',
        value: `${(ours.cpu / theirs.cpu).toFixed(2)}×`,
        met: ours.cpu <= theirs.cpu,
      },
    ],
    data: { unit: 'microseconds', untraced, results },
  }
}

async function fullSpeed(context, count) {
  const load = await runLoad(context.load, 'open', { count, rate: 0, folder: context.folder })
  return 1e6 / load.perSecond
}

async function once(context, consumer, count) {
  await consumer.ready()
  await runLoad(context.load, 'open', { count: WARM_UP, rate: RATE, folder: context.folder })
  await delay(SETTLE_MS)
  const traced = await fullSpeed(context, WARM_UP)
  await delay(SETTLE_MS)
  await consumer.begin()
  const load = await runLoad(context.load, 'open', { count, rate: RATE, folder: context.folder })
  const result = await consumer.finish(load.made)
  const cpu = (result.cpuMicroseconds + (result.childCpuMicroseconds ?? 0)) / result.records
  return { cpu, traced, drops: result.stopped.drops, records: result.records, perSecond: load.perSecond }
}

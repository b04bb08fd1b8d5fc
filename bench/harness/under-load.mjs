/**
 * Consumers under load, one after the other in each round: what a record costs, and where the records went.
 *
 * CPU is user and system time of the consumer's whole process and of those that it has started, from just before the load
 * until the last record has been delivered, divided by the records delivered. What they cost idle meanwhile is in it: nothing
 * is subtracted. The kernel's side, the probe itself, is paid by the traced process.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from './consumer-process.mjs'
import { runLoad } from './load.mjs'
import { median } from './statistics.mjs'

/** A folder that isn't there: a call that fails at once is traced all the same, and makes a higher rate. */
export const FOLDER = '/music-that-is-not-there/of'
/** Other paths, so that what a peer still holds of the warm-up in its output buffer is told apart. */
const WARM_UP_FOLDER = '/warm-up-with-what-is-missing'
/** Longer than a switch: by then the last record of the warm-up has been delivered. */
const SETTLE_MS = 500

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string[]} command
 * @property {boolean} [peer] it tells its losses as it can: what it doesn't tell is shown, and stops nothing
 *
 * @typedef {object} Load
 * @property {number} rate 0: as fast as it goes
 * @property {number} [seconds] how long; or
 * @property {number} [count] how many
 * @property {number} [length] of each path
 * @property {{ count: number, rate: number }} warmUp
 */

/**
 * @param {import('./context.mjs').Context} context
 * @param {{ label: string, rounds: number, entries: Entry[], load: Load }} plan the first entry is the yardstick
 */
export async function measureUnderLoad(context, { label, rounds, entries, load }) {
  const runs = entries.map(() => [])
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { name, command, peer = false }] of entries.entries()) {
      context.progress(`${label}, round ${round}/${rounds}: ${name}`)
      runs[i].push(await withConsumer(name, command, (consumer) => once(context, name, consumer, load, peer)))
    }
    for (const [i, { name, peer = false }] of entries.entries())
      if (!peer) checkBytes(name, runs[i].at(-1), runs[0].at(-1))
  }
  return {
    load,
    results: entries.map(({ name }, i) => ({ name, ...summary(runs[i], runs[0]), runs: runs[i] })),
  }
}

async function once(context, name, consumer, load, peer) {
  const { seconds, count, rate, length, warmUp } = load
  const path = length === undefined ? {} : { length }
  const folder = length === undefined ? FOLDER : '/~'
  await consumer.ready()
  // What is measured is the long run: V8 has by then compiled what it compiles. All get the same warm-up.
  await runLoad(context.load, 'missing', {
    ...{ ...path, ...warmUp },
    folder: length === undefined ? WARM_UP_FOLDER : '/~',
  })
  await delay(SETTLE_MS)
  await consumer.begin()
  const amount = seconds === undefined ? { count } : { seconds }
  const made = await runLoad(context.load, 'missing', { ...path, ...amount, rate, folder })
  const result = await consumer.finish(made.made)
  const { records, drops } = result.stopped
  const unaccounted = made.made - records - drops
  if (unaccounted !== 0 && !peer) {
    throw new Error(
      `${name}: ${made.made} opens were made, but ${records} records delivered and ` +
        `${drops} reported as dropped: ${unaccounted} are unaccounted for`,
    )
  }
  return {
    made: made.made,
    records,
    drops,
    unaccounted,
    // A consumer that counts only has no bytes.
    bytes: result.bytes / result.records,
    cpu: (result.cpuMicroseconds + (result.childCpuMicroseconds ?? 0)) / result.records,
    perSecond: made.perSecond,
    seconds: result.seconds,
    peakKilobytes: result.peakKilobytes,
    ...(result.loopDelay === undefined ? {} : { loopDelay: result.loopDelay }),
    ...(result.memory === undefined ? {} : { memory: result.memory }),
  }
}

/** Whoever lost nothing has read the same as the bare consumer, which reads everything; the load's rounds differ in length. */
function checkBytes(name, { bytes, drops }, yardstick) {
  if (drops > 0 || yardstick.drops > 0 || bytes === 0) return
  if (Math.abs(bytes / yardstick.bytes - 1) > 0.01)
    throw new Error(`${name}: read ${bytes} bytes a record, the bare consumer ${yardstick.bytes}`)
}

const range = (values) => /** @type {const} */ ([Math.min(...values), Math.max(...values)])

/** Medians of the rounds with lowest and highest; a ratio is that of one round's neighbours. */
function summary(runs, yardstick) {
  const cpus = runs.map(({ cpu }) => cpu)
  const ratios = runs.map(({ cpu }, round) => cpu / yardstick[round].cpu)
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0)
  return {
    cpu: median(cpus),
    spread: range(cpus),
    ratio: median(ratios),
    ratioSpread: range(ratios),
    made: sum('made'),
    lost: sum('made') - sum('records'),
    unaccounted: sum('unaccounted'),
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    seconds: median(runs.map(({ seconds }) => seconds)),
    peakMegabytes: Math.max(...runs.map(({ peakKilobytes }) => peakKilobytes)) / 1024,
  }
}

export const whole = (value) => Math.round(value).toLocaleString('en')

/** The columns that a table of such results has after its first. */
export const costColumns = [
  'µs/record',
  'lowest to highest',
  'to bare C',
  'load/s',
  'wall s',
  'peak MB',
  'lost',
]

export function costCells({ cpu, spread, ratio, perSecond, seconds, peakMegabytes, lost, unaccounted }) {
  return [
    cpu.toFixed(3),
    spread.map((value) => value.toFixed(3)).join(' to '),
    `${ratio.toFixed(2)}×`,
    whole(perSecond),
    seconds.toFixed(1),
    peakMegabytes.toFixed(0),
    `${whole(lost)}${unaccounted === 0 ? '' : `, ${whole(unaccounted)} of them untold`}`,
  ]
}

/** What every setting's text says of the options. @param {Record<string, string>} options */
export const optionText = (options) =>
  Object.entries(options)
    .map((option) => option.join(' '))
    .join(', ')

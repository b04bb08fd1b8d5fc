/**
 * How cost grows, the bare C consumer and Node side by side: CPU per record with the rate, with the number of fields, with the
 * length of strings; and latency with the switchrate.
 */
import { commonOptions } from '../harness/context.mjs'
import { measureLatency } from '../harness/latency.mjs'
import { fieldsOf, makeProgram } from '../harness/programs.mjs'
import { measureUnderLoad, whole } from '../harness/under-load.mjs'

const RATE = 50_000
const rates = [1_000, 3_000, 10_000, 30_000, 100_000, 0]
const integers = [1, 2, 4, 8, 16, 32]
const strings = [1, 2, 4, 8]
const lengths = [8, 30, 100, 300, 1_000]
const switchrates = ['0', '1ms', '5ms', '10ms', '50ms', '100ms']
/** Where a switchrate of 0 is drawn, left of 1 ms. */
const ZERO_MS = 0.3

/** @param {import('../harness/context.mjs').Context} context */
export async function growth(context) {
  return [
    await withRate(context),
    await withFields(context),
    await withLength(context),
    await withSwitchrate(context),
  ]
}

const ticksAt = (values) => values.map((x) => ({ x, label: whole(x) }))

const roundsOf = ({ quick, rounds }) => (quick ? 1 : Math.min(rounds, 3))

/** Bare C, objects and columns at one point of a curve. */
async function point(context, label, { run, fields, load }) {
  const node = (read) => context.node('node-consumer', { ...run, fields, read })
  const { results } = await measureUnderLoad(context, {
    label: `growth, ${label}`,
    rounds: roundsOf(context),
    entries: [
      { name: 'bare C', command: context.bare(run) },
      { name: 'Node, typed objects', command: node('records') },
      { name: 'Node, columns', command: node('columns') },
    ],
    load: {
      rate: RATE,
      seconds: context.quick ? 1 : 3,
      warmUp: { count: context.quick ? 20_000 : 100_000, rate: RATE },
      ...load,
    },
  })
  // Round by round it would be most of the file.
  return results.map(({ runs, ...summary }) => summary)
}

const withOptions = (options = {}) => ({ ...commonOptions, switchrate: '10ms', ...options })

const settingOf = (context, what) =>
  `${what}; ${roundsOf(context)} interleaved rounds of ${context.quick ? 1 : 3} s after a warm-up, medians`

/** The table of such points: CPU of each consumer, and the ratios. */
const columns = (first) => [
  first,
  'bare C µs',
  'objects µs',
  'columns µs',
  'objects to bare C',
  'columns to bare C',
  'lost',
]
const row = (label, results) => [
  label,
  ...results.map(({ cpu }) => cpu.toFixed(3)),
  ...results.slice(1).map(({ ratio }) => `${ratio.toFixed(2)}×`),
  whole(results.reduce((sum, { lost }) => sum + lost, 0)),
]
const lines = (points, suffix = '') =>
  points[0].results.map(({ name }, i) => ({
    label: `${name}${suffix}`,
    points: points.map(({ x, results }) => ({ x, y: results[i].cpu, spread: results[i].spread })),
  }))

const COST = 'µs of CPU per record'

async function withRate(context) {
  const points = []
  const run = { file: context.program('opens'), options: withOptions() }
  for (const rate of rates) {
    const label = rate === 0 ? 'full speed' : `${whole(rate)}/s`
    const results = await point(context, label, { run, fields: fieldsOf.opens, load: { rate } })
    // What was reached: the load may be slower than what was asked for.
    points.push({ x: results[0].perSecond, label, results })
  }
  return {
    name: 'growth-rate',
    title: 'CPU per record against the rate',
    setting: settingOf(context, 'program opens.d, switchrate 10ms'),
    columns: columns('records a second'),
    rows: points.map(({ label, results }) => row(label, results)),
    verdicts: [],
    notes:
      'A batch costs what it costs, however many records are in it: two threads wake and a message crosses. At 1,000/s ten ' +
      'records share it, at 50,000/s five hundred. The curve is flat from where the records themselves are most of the cost.',
    chart: {
      kind: 'lines',
      title: 'CPU per record against the rate',
      x: { label: 'records a second' },
      y: { label: COST },
      lines: lines(points),
    },
    data: { unit: 'microseconds of CPU per record', points },
  }
}

async function withFields(context) {
  const measure = async (shape, count, strsize) => {
    const { file, fields } = await makeProgram(context, shape)
    const run = { file, options: withOptions({ strsize }) }
    return { x: count, results: await point(context, JSON.stringify(shape), { run, fields }) }
  }
  const ofIntegers = []
  for (const count of integers) ofIntegers.push(await measure({ integers: count }, count, '256'))
  const ofStrings = []
  for (const count of strings) ofStrings.push(await measure({ strings: count }, count, '64'))
  return {
    name: 'growth-fields',
    title: 'CPU per record against the number of fields',
    setting: settingOf(
      context,
      `at ${whole(RATE)}/s; integers of 4 bytes; strings: the path, of 36 to 60 bytes, strsize 64`,
    ),
    columns: columns('fields'),
    rows: [
      ...ofIntegers.map(({ x, results }) => row(x === 1 ? '1 integer' : `${x} integers`, results)),
      ...ofStrings.map(({ x, results }) => row(x === 1 ? '1 string' : `${x} strings`, results)),
    ],
    verdicts: [],
    chart: {
      kind: 'lines',
      title: 'CPU per record against the number of fields',
      x: { label: 'fields', ticks: ticksAt(integers) },
      y: { label: COST },
      lines: [...lines(ofIntegers, ', integers'), ...lines(ofStrings, ', strings')],
    },
    data: { unit: 'microseconds of CPU per record', integers: ofIntegers, strings: ofStrings },
  }
}

async function withLength(context) {
  const points = []
  const { file, fields } = await makeProgram(context, { strings: 1 })
  for (const length of lengths) {
    // Room for the string and its end, no more: the kernel copies what is said here.
    const run = { file, options: withOptions({ strsize: String(Math.ceil((length + 1) / 8) * 8) }) }
    points.push({
      x: length,
      results: await point(context, `${length} bytes`, { run, fields, load: { length } }),
    })
  }
  return {
    name: 'growth-length',
    title: 'CPU per record against the length of a string',
    setting: settingOf(context, `at ${whole(RATE)}/s; one field, a path; strsize just above its length`),
    columns: columns('bytes'),
    rows: points.map(({ x, results }) => row(whole(x), results)),
    verdicts: [],
    chart: {
      kind: 'lines',
      title: 'CPU per record against the length of a string',
      x: { label: 'bytes', ticks: ticksAt(lengths) },
      y: { label: COST },
      lines: lines(points),
    },
    data: { unit: 'microseconds of CPU per record', points },
  }
}

async function withSwitchrate(context) {
  const count = context.quick ? 1_000 : 5_000
  const rounds = roundsOf(context)
  const points = []
  for (const switchrate of switchrates) {
    const plan = {
      label: `growth, switchrate ${switchrate}`,
      options: { switchrate },
      rate: 1_000,
      count,
      rounds,
    }
    const results = (await measureLatency(context, plan)).map(({ runs, ...summary }) => summary)
    points.push({ switchrate, x: Number.parseFloat(switchrate) || ZERO_MS, results })
  }
  const line = (index, label, key) => ({
    label: `${points[0].results[index].consumer}, ${label}`,
    points: points.map(({ x, results }) => ({ x, y: results[index][`${key}Microseconds`] / 1e3 })),
  })
  return {
    name: 'growth-switchrate',
    title: 'Latency against the switchrate',
    setting: `program latency.d, 1,000 events a second, ${whole(count)} of them, ${rounds} interleaved rounds, medians`,
    columns: [
      'switchrate',
      ...['bare C p50 ms', 'bare C p99 ms', 'bare C CPU %'],
      ...['Node p50 ms', 'Node p99 ms', 'Node CPU %', 'lost'],
    ],
    rows: points.map(({ switchrate, results }) => [
      switchrate,
      ...results.flatMap(({ medianMicroseconds, p99Microseconds, cpuPercent }) => [
        (medianMicroseconds / 1e3).toFixed(3),
        (p99Microseconds / 1e3).toFixed(3),
        cpuPercent.toFixed(2),
      ]),
      whole(results.reduce((sum, { lost }) => sum + lost, 0)),
    ]),
    verdicts: [],
    notes:
      'From 5 ms on the wait for the next look into the buffers is nearly all of it: half a switchrate in the median, a whole one ' +
      'at most. Below, waking the threads is.',
    chart: {
      kind: 'lines',
      title: 'Latency against the switchrate',
      x: {
        label: 'switchrate, ms',
        ticks: [{ x: ZERO_MS, label: '0' }, ...ticksAt([1, 5, 10, 50, 100])],
      },
      y: { label: 'ms' },
      lines: [
        line(0, 'p50', 'median'),
        line(0, 'p99', 'p99'),
        line(1, 'p50', 'median'),
        line(1, 'p99', 'p99'),
      ],
    },
    data: { unit: 'microseconds', points },
  }
}

/**
 * CPU per record delivered to JavaScript, against the bare C consumer and against tracers whose text is read: at a steady
 * 50,000 a second, and with the load generator as fast as it goes.
 */
import { commonOptions } from '../harness/context.mjs'
import { fieldsOf } from '../harness/programs.mjs'
import {
  costCells,
  costColumns,
  FOLDER,
  measureUnderLoad,
  optionText,
  whole,
} from '../harness/under-load.mjs'

const SWITCHRATE = '10ms'
const RATE = 50_000
/** What "full speed" is to be at least: a slower load would not be the limit that is meant. */
const FULL = 250_000
const WARM_UP = { count: 300_000, rate: RATE }

const OBJECTS = 'Node, typed objects'
const COLUMNS = 'Node, columns'
const PROCESS = "Node, typed objects, host: 'process'"
const DEFAULTS = 'Node, typed objects, default options'
const DTRACE = 'dtrace(1) piped to Node'
const BPFTRACE = 'bpftrace -f json piped to Node'
const OPENSNOOP = 'opensnoop piped to Node'

export const needs = ['bpftrace', 'opensnoop']

/** The first is the yardstick. */
function consumers(context) {
  if (context.dtrace === undefined) throw new Error('dtrace(1) is missing: scripts/setup brings it')
  const options = { ...commonOptions, switchrate: SWITCHRATE }
  const run = { file: context.program('opens'), options }
  const node = (more) => context.node('node-consumer', { ...run, fields: fieldsOf.opens, ...more })
  const probe = [context.load, 'missing', '--count', '100', '--folder', FOLDER]
  const pipe = (tracer, path) => context.node('node-pipe', { ...run, tracer, path, probe, prefix: FOLDER })
  return [
    { name: 'bare C', command: context.bare(run) },
    { name: OBJECTS, command: node({ read: 'records' }) },
    { name: COLUMNS, command: node({ read: 'columns' }) },
    { name: 'Node, for await', command: node({ read: 'iterate' }) },
    { name: PROCESS, command: node({ read: 'records', host: 'process' }) },
    { name: DEFAULTS, command: node({ read: 'records', options: {} }) },
    { name: DTRACE, peer: true, command: pipe('dtrace', context.dtrace) },
    { name: BPFTRACE, peer: true, command: pipe('bpftrace', context.peer('bpftrace')) },
    { name: OPENSNOOP, peer: true, command: pipe('opensnoop', context.peer('opensnoop')) },
  ]
}

/** @param {import('../harness/context.mjs').Context} context */
export async function throughput(context) {
  const entries = consumers(context)
  const seconds = context.quick ? 2 : 10
  const warmUp = context.quick ? { count: 100_000, rate: RATE } : WARM_UP
  const { rounds } = context
  const measure = (label, rate) =>
    measureUnderLoad(context, {
      label: `throughput, ${label}`,
      rounds,
      entries,
      load: { rate, seconds, warmUp },
    })
  const paced = await measure('paced', RATE)
  const full = await measure('full speed', 0)
  const phases = [
    { label: `${whole(RATE)}/s`, results: paced.results },
    { label: 'full speed', results: full.results },
  ]
  return {
    name: 'throughput',
    title: 'CPU per record delivered',
    setting:
      `program opens.d (execname, pid, path: 1,000 paths of 36 to 60 bytes in turn), switchrate ${SWITCHRATE}, ` +
      `${optionText(commonOptions)}; ${rounds} interleaved rounds of ${seconds} s after a warm-up of ` +
      `${whole(warmUp.count)} records, medians\n` +
      'CPU: user + system of the whole consumer process and its children, idle cost included; ' +
      'ratio: median of the rounds; lost: of all rounds',
    columns: ['consumer', ...costColumns],
    rows: phases.flatMap(({ label, results }) =>
      results.map((result) => [`${result.name}, ${label}`, ...costCells(result)]),
    ),
    verdicts: verdicts(paced.results, full.results),
    chart: {
      kind: 'bars',
      title: 'CPU per record delivered',
      unit: 'µs of CPU per record',
      log: true,
      groups: phases.map(({ label, results }) => ({
        label,
        bars: results.map(({ name, cpu, spread }) => ({ label: name, value: cpu, spread })),
      })),
    },
    data: {
      unit: 'microseconds of CPU per record',
      options: { ...commonOptions, switchrate: SWITCHRATE },
      paced,
      full,
    },
  }
}

function verdicts(paced, full) {
  const at = (results, name) => results.find((result) => result.name === name)
  const speed = at(full, OBJECTS).perSecond
  const lost = at(full, DEFAULTS).lost
  return [
    {
      goal: `the load makes at least ${whole(FULL)} traced calls a second at full speed`,
      value: `${whole(speed)}/s`,
      met: speed >= FULL,
    },
    ratio(`typed objects at ${whole(RATE)}/s`, 1.6, at(paced, OBJECTS)),
    ratio('typed objects at full speed', 2.2, at(full, OBJECTS)),
    ratio(`columns at ${whole(RATE)}/s`, 1.25, at(paced, COLUMNS)),
    ratio('columns at full speed', 1.25, at(full, COLUMNS)),
    ...[BPFTRACE, DTRACE].map((name) => {
      const times = at(paced, name).cpu / at(paced, OBJECTS).cpu
      return {
        goal: `typed objects at ${whole(RATE)}/s cost at most 1/12 of ${name}`,
        value: `1/${times.toFixed(1)}`,
        met: times >= 12,
      }
    }),
    ...[
      [`${whole(RATE)}/s`, paced],
      ['full speed', full],
    ].map(([label, results]) => {
      const times = at(results, PROCESS).cpu / at(results, OBJECTS).cpu
      return {
        goal: `host: 'process' at ${label} costs at most 1.3× in-process`,
        value: `${times.toFixed(2)}×`,
        met: times <= 1.3,
      }
    }),
    {
      goal: 'nothing is lost at full speed with default options',
      value: `${whole(lost)} of ${whole(at(full, DEFAULTS).made)} lost`,
      met: lost === 0,
    },
  ]
}

const ratio = (what, most, result) => ({
  goal: `${what} cost at most ${most}× bare C`,
  value: `${result.ratio.toFixed(2)}×`,
  met: result.ratio <= most,
})

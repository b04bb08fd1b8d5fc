/** CPU of a record with twelve fields, three of them strings, against the bare C consumer. */
import { commonOptions } from '../harness/context.mjs'
import { fieldsOf } from '../harness/programs.mjs'
import { costCells, costColumns, measureUnderLoad, optionText, whole } from '../harness/under-load.mjs'

const GOAL = 2
const RATE = 50_000

/** @param {import('../harness/context.mjs').Context} context */
export async function wide(context) {
  const options = { ...commonOptions, switchrate: '10ms' }
  const run = { file: context.program('wide'), options }
  const node = (read) => context.node('node-consumer', { ...run, fields: fieldsOf.wide, read })
  const entries = [
    { name: 'bare C', command: context.bare(run) },
    { name: 'Node, typed objects', command: node('records') },
    { name: 'Node, columns', command: node('columns') },
  ]
  const load = {
    seconds: context.quick ? 2 : 10,
    warmUp: { count: context.quick ? 100_000 : 300_000, rate: RATE },
  }
  const { rounds } = context
  const measure = (label, rate) =>
    measureUnderLoad(context, { label: `wide, ${label}`, rounds, entries, load: { ...load, rate } })
  const phases = [
    { label: `${whole(RATE)}/s`, ...(await measure('paced', RATE)) },
    { label: 'full speed', ...(await measure('full speed', 0)) },
  ]
  return {
    name: 'wide',
    title: 'CPU per record of twelve fields',
    setting:
      `program wide.d (nine integers, three strings), ${optionText(options)}; ${rounds} interleaved rounds of ` +
      `${load.seconds} s after a warm-up of ${whole(load.warmUp.count)} records, medians`,
    columns: ['consumer', ...costColumns],
    rows: phases.flatMap(({ label, results }) =>
      results.map((result) => [`${result.name}, ${label}`, ...costCells(result)]),
    ),
    verdicts: phases.map(({ label, results: [, objects] }) => ({
      goal: `typed objects at ${label} cost at most ${GOAL}× bare C`,
      value: `${objects.ratio.toFixed(2)}×`,
      met: objects.ratio <= GOAL,
    })),
    chart: {
      kind: 'bars',
      title: 'CPU per record of twelve fields',
      unit: 'µs of CPU per record',
      groups: phases.map(({ label, results }) => ({
        label,
        bars: results.map(({ name, cpu, spread }) => ({ label: name, value: cpu, spread })),
      })),
    },
    data: { unit: 'microseconds of CPU per record', options, phases },
  }
}

/** What a measurement looks like on a terminal. */
import type { Aggregation } from '../aggregation/aggregation.js'
import { formatAggregations } from '../aggregation/format.js'
import type { Bucket, Comparison, Difference, Measurement, Run, Summary } from '../measure/index.js'
import { printable } from '../printable.js'
import type { Colors } from './output.js'

/** Rows of lists that are shown; JSON has all. */
const MOST = 20

/** Lines of cells; the first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[], last: 'left' | 'right' = 'right'): string[] {
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const left = i === 0 || (last === 'left' && i === columns - 1)
        return left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
}

function duration(milliseconds: number): string {
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(2)} s`
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`
  return `${(milliseconds * 1000).toFixed(2)} µs`
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let scaled = value
  for (; scaled >= 10_000 && unit < units.length - 1; unit++) scaled /= 1000
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`
}

const count = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1))

/** How a number is written, by its name. */
function show(name: string, value: number): string {
  const last = name.split('.').at(-1) ?? ''
  if (name === 'maxRss' || /bytes$/i.test(last)) return bytes(value)
  if (['wall', 'user', 'system', 'time', 'onCpu', 'offCpu', 'waiting'].includes(last)) return duration(value)
  return count(value)
}

const LABELS: Readonly<Record<string, string>> = {
  maxRss: 'max RSS',
  'sched.onCpu': 'on CPU',
  'sched.offCpu': 'off CPU',
  'sched.waiting': 'waiting for a CPU',
  'sched.voluntary': 'switches, voluntary',
  'sched.involuntary': 'switches, involuntary',
  'sched.migrations': 'migrations',
  'pageFaults.minor': 'page faults, minor',
  'pageFaults.major': 'page faults, major',
  'io.reads': 'reads',
  'io.readBytes': 'read',
  'io.writes': 'writes',
  'io.writtenBytes': 'written',
  'io.storageReadBytes': 'read from storage',
  'io.storageWrittenBytes': 'written to storage',
  'io.device.read.operations': 'device reads',
  'io.device.read.bytes': 'device read',
  'io.device.write.operations': 'device writes',
  'io.device.write.bytes': 'device written',
  syscalls: 'system calls',
  'syscalls.errors': 'system calls that failed',
  'processes.forks': 'processes started',
  'processes.threads': 'threads started',
  'processes.execs': 'programs executed',
  'opens.failed': 'opens that failed',
}

const label = (name: string): string => LABELS[name] ?? name

/** Each call's own numbers have a table of their own. */
const ofOneCall = (name: string): boolean => /^syscalls\..+\.(?:calls|time)$/.test(name)

export function measurementTable(measurement: Measurement, { bold, dim }: Colors): string {
  const { runs, summary, overhead } = measurement
  const title = `${bold(printable(measurement.label))}   ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`
  const numbers = Object.entries(summary)
    .filter(([name]) => !ofOneCall(name))
    .map(([name, one]) => [
      label(name),
      show(name, one.median),
      ...(runs.length > 1 ? [spread(name, one)] : []),
    ])
  const cost =
    overhead === undefined
      ? []
      : [`${overhead.ratio.toFixed(2)} × the time without probes (${duration(overhead.without.median)})`]
  return [
    title,
    ...table(runs.length > 1 ? [['', 'MEDIAN', 'FROM … TO'], ...numbers] : numbers),
    ...cost,
    ...section(dim('SYSTEM CALLS'), syscalls(runs, summary)),
    ...section(
      dim('SIGNALS'),
      tally(runs.flatMap(({ signals = [] }) => signals.map((s) => [s.signal, s.count]))),
    ),
    ...section(dim('OPENS'), tally(runs.flatMap(({ opens = [] }) => opens.map((o) => [opened(o), o.count])))),
    ...section(
      dim('PROGRAMS'),
      tally(runs.flatMap(({ processes }) => (processes?.execs ?? []).map((e) => [e.execname, e.count]))),
    ),
    ...custom(runs),
  ].join('\n')
}

function spread(name: string, { min, max }: Summary): string {
  return min === max ? '' : `${show(name, min)} … ${show(name, max)}`
}

function opened({ path, error }: { path: string; error?: string }): string {
  return error === undefined ? printable(path) : `${printable(path)} (${error})`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines]
}

/** The most frequent ones, over all runs. */
function tally(items: readonly (readonly [string, number])[]): string[] {
  const sums = new Map<string, number>()
  for (const [name, times] of items) sums.set(name, (sums.get(name) ?? 0) + times)
  const sorted = [...sums].sort((a, b) => b[1] - a[1])
  const rest = sorted.length > MOST ? [`… and ${sorted.length - MOST} more`] : []
  return [
    ...sorted.slice(0, MOST).map(([name, times]) => `${String(times).padStart(8)}  ${printable(name)}`),
    ...rest,
  ]
}

function syscalls(runs: readonly Run[], summary: Measurement['summary']): string[] {
  const names = [...new Set(runs.flatMap(({ syscalls = [] }) => syscalls.map(({ name }) => name)))]
  if (names.length === 0) return []
  const median = (name: string, what: string): number => summary[`syscalls.${name}.${what}`]?.median ?? 0
  const sorted = names.sort((a, b) => median(b, 'time') - median(a, 'time'))
  const rows = sorted.slice(0, MOST).map((name) => {
    const uses = runs.flatMap(({ syscalls = [] }) => syscalls.filter((use) => use.name === name))
    const buckets = uses.flatMap(({ distribution }) => distribution)
    const errors = new Map<string, number>()
    for (const { error, count: times } of uses.flatMap((use) => use.errors))
      errors.set(error, (errors.get(error) ?? 0) + times)
    return [
      name,
      count(median(name, 'calls')),
      duration(median(name, 'time')),
      below(buckets, 0.5),
      below(buckets, 0.99),
      [...errors].map(([error, times]) => `${error} ${times}`).join(', '),
    ]
  })
  const rest = sorted.length > MOST ? [`… and ${sorted.length - MOST} more`] : []
  return [
    ...table([['CALL', 'CALLS', 'TIME', 'HALF BELOW', '99 % BELOW', 'ERRORS'], ...rows], 'left'),
    ...rest,
  ]
}

/** A time that this part of all stays below: the end of a bucket. */
function below(buckets: readonly Bucket<'number'>[], part: number): string {
  const sorted = [...buckets].sort((a, b) => a.min - b.min)
  const total = sorted.reduce((sum, bucket) => sum + bucket.count, 0)
  let seen = 0
  for (const { max, count: times } of sorted) {
    seen += times
    if (seen >= total * part) return duration((max + 1) / 1e6)
  }
  return ''
}

/** What the user's clauses aggregated, as dtrace(1) prints it, run by run. */
function custom(runs: readonly Run[]): string[] {
  return runs.flatMap(({ aggregations }, i) =>
    aggregations.length === 0
      ? []
      : [
          '',
          ...(runs.length > 1 ? [`run ${i + 1}`] : []),
          formatAggregations(aggregations as Aggregation[]).trimEnd(),
        ],
  )
}

export function comparisonTable({ a, b, differences }: Comparison, { bold, dim }: Colors): string {
  const rows = differences
    .filter(({ name, a: one, b: other }) => !ofOneCall(name) && (one !== 0 || other !== 0))
    .map(line)
  const calls = differences.filter(({ name }) => ofOneCall(name) && name.endsWith('.calls')).map(line)
  const cost = [a, b].flatMap(({ overhead }, i) =>
    overhead === undefined ? [] : [`${'AB'[i]} ${overhead.ratio.toFixed(2)} ×`],
  )
  return [
    `${bold('A')}  ${printable(a.label)}`,
    `${bold('B')}  ${printable(b.label)}`,
    dim(
      `medians of ${a.runs.length} ${a.runs.length === 1 ? 'run' : 'runs'} each; * no run of one is among those of the other`,
    ),
    '',
    ...table([['', 'A', 'B', 'B / A', ''], ...rows]),
    ...section(
      dim('SYSTEM CALLS'),
      calls.length === 0 ? [] : table([['CALL', 'A', 'B', 'B / A', ''], ...calls]),
    ),
    ...(cost.length === 0 ? [] : ['', `time with probes, of that without: ${cost.join(', ')}`]),
  ].join('\n')
}

function line({ name, a, b, ratio, apart }: Difference): string[] {
  const call = /^syscalls\.(.+)\.calls$/.exec(name)?.[1]
  return [
    call ?? label(name),
    show(name, a),
    show(name, b),
    ratio === undefined ? '' : ratio.toFixed(2),
    apart ? '*' : '',
  ]
}

import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { type Command, InvalidArgumentError } from 'commander'
import { DTraceError } from '../errors.js'
import {
  type Comparison,
  compare,
  type Measurement,
  type MeasureOptions,
  measure,
  type Run,
  SECTIONS,
  type Section,
} from '../measure/index.js'
import { addDTraceOption, type DTraceOptions, given } from './arguments.js'
import { exitCodes } from './exit-codes.js'
import { Interrupt } from './interrupt.js'
import { comparisonTable, measurementTable } from './measure-table.js'
import { Output } from './output.js'

type MeasureFlags = { readonly [Name in Section]?: boolean } & {
  all?: boolean
  runs?: number
  warmup?: number
  overhead?: boolean
  show?: boolean
  program?: string
  option?: DTraceOptions
  json?: boolean
}

/** What is measured where nothing is said. */
const DEFAULTS: readonly Section[] = ['syscalls', 'io', 'sched', 'pageFaults', 'processes']

/** Between the two commands. */
const VERSUS = '--vs'

const HELP = `
COMMAND is everything after --, with all that it starts. It is held back until the probes are there. With --vs another
command follows, and the two take turns.

The command's input is empty and its output is thrown away, unless --show is given; what it says to standard error is shown.
With --runs above 1, as many runs without probes come first, to tell what the probes cost (--no-overhead leaves them out).
Ends with the command's own exit status, that of the first run that failed; 128 and the signal's number where one ended it.

Examples:
  dtrace-watch measure -- sort big.txt
  dtrace-watch measure --runs 10 --syscalls -- gzip -k big.txt --vs zstd -k big.txt
  dtrace-watch measure --program clauses.d --json -- make
`

export function addMeasure(program: Command, rest: readonly string[] | undefined): void {
  const command = program
    .command('measure')
    .description('measure what a command does, once or several times, or two commands side by side')
    .usage('[options] -- COMMAND… [--vs COMMAND…]')
    .option('-n, --runs <number>', 'how many times', atLeast(1))
    .option('-w, --warmup <number>', 'runs before, which are not counted', atLeast(0))
    .option('--syscalls', 'system calls: how many, how long, which errors')
    .option('--io', 'bytes read and written, and operations of devices')
    .option('--sched', 'time on and off the CPU, context switches, migrations')
    .option('--page-faults', 'minor and major page faults')
    .option('--signals', 'signals sent to it')
    .option('--opens', 'files opened')
    .option('--processes', 'processes, threads and programs started')
    .option('--all', 'all of these; default: all but signals and opens')
    .option('-p, --program <file>', 'D clauses, in which "measured" is true in what is measured')
    .option('--overhead', 'runs without probes, to tell what they cost, also for a single run')
    .option('--no-overhead', 'no runs without probes')
    .option('--show', "show the command's output")
  addDTraceOption(command)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (flags: MeasureFlags) => {
      await run(rest ?? [], flags)
    })
}

function atLeast(least: number): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < least) throw new InvalidArgumentError(`a number, ${least} or more`)
    return number
  }
}

async function run(words: readonly string[], flags: MeasureFlags): Promise<void> {
  const output = new Output({ json: flags.json === true })
  const at = words.indexOf(VERSUS)
  const first = at === -1 ? words : words.slice(0, at)
  const second = at === -1 ? undefined : words.slice(at + 1)
  if (first.length === 0 || second?.length === 0) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      'name the command after --, as in: dtrace-watch measure -- sort big.txt',
    )
  }
  using interrupt = new Interrupt()
  const options = { ...measureOptions(flags), signal: interrupt.stop }
  try {
    if (second === undefined) {
      const measurement = await measure(first, options)
      report(measurement, output)
      process.exitCode = exitCode(measurement.runs)
    } else {
      const comparison = await compare(first, second, options)
      reportComparison(comparison, output)
      process.exitCode = exitCode([...comparison.a.runs, ...comparison.b.runs])
    }
  } catch (error) {
    if (!interrupt.stop.aborted) throw error
    process.exitCode = exitCodes.forced
  }
}

function measureOptions(flags: MeasureFlags): MeasureOptions {
  const named = SECTIONS.filter((name) => flags[name] === true)
  const sections = flags.all === true ? SECTIONS : named.length > 0 ? named : DEFAULTS
  const { runs, warmup, overhead, option, program } = flags
  const text = program === undefined ? undefined : readProgram(program)
  return {
    ...Object.fromEntries(sections.map((name) => [name, true])),
    ...given({ runs, warmup, overhead, options: option, program: text }),
    // Between JSON lines it would be in the way.
    ...(flags.show ? { stdio: ['ignore', flags.json ? 2 : 'inherit', 'inherit'] as const } : {}),
  }
}

function readProgram(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = (cause as Error).message
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `the D program ${file} can't be read: ${why}`, { cause })
  }
}

function report(measurement: Measurement, output: Output): void {
  warn(measurement, output)
  output.emit('measurement', { ...measurement }, (colors) => measurementTable(measurement, colors))
}

function reportComparison({ a, b, differences }: Comparison, output: Output): void {
  warn(a, output)
  warn({ ...b, missing: [] }, output)
  if (output.json) for (const one of [a, b]) output.emit('measurement', { ...one }, () => undefined)
  const fields = { a: a.label, b: b.label, differences }
  output.emit('comparison', fields, (colors) => comparisonTable({ a, b, differences }, colors))
}

/** What makes the numbers less than they seem. */
function warn({ label, runs, missing }: Measurement, output: Output): void {
  for (const { what, reason } of missing)
    output.warn('missing', `not measured here: ${what}: ${reason}`, { what, reason })
  const total = (value: (run: Run) => number): number => runs.reduce((sum, run) => sum + value(run), 0)
  const drops = total(({ drops }) => drops)
  const faults = total(({ faults }) => faults)
  const unfinished = Math.max(...runs.map((run) => run.unfinished))
  if (drops > 0)
    output.warn('drop', `${label}: ${drops} values were dropped, so numbers are too small`, { drops })
  if (faults > 0) output.warn('fault', `${label}: ${faults} errors in clauses`, { faults })
  if (unfinished > 0) {
    const message = `${label}: ${unfinished} processes were still running at its end, and are counted in part`
    output.warn('unfinished', message, { unfinished })
  }
  const failed = runs.filter((run) => exitCode([run]) !== 0)
  const how = failed[0]?.signal ?? `exit status ${failed[0]?.exitCode}`
  if (failed.length > 0)
    output.warn('failed', `${label}: ${failed.length} of ${runs.length} runs failed (${how})`)
}

function exitCode(runs: readonly Run[]): number {
  for (const { exitCode, signal } of runs) {
    if (signal) return 128 + constants.signals[signal]
    if (exitCode) return exitCode
  }
  return exitCodes.ok
}

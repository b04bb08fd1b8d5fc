/**
 * Measures a command or a function under probes, and two of them side by side.
 */
import { checkSignal } from '../abort.js'
import { DTraceError } from '../errors.js'
import { type Command, commandSubject } from './command.js'
import { functionSubject, type Measured } from './function.js'
import { type CheckedMeasureOptions, checkMeasureOptions, type MeasureOptions } from './options.js'
import { MeasureSession, type Missing, type Run } from './session.js'
import { type Summary, summaries, summarize } from './statistics.js'
import type { Outcome, Subject } from './subject.js'

/** What the probes cost: the same without them, in the same number of runs beforehand. Milliseconds. */
export interface Overhead {
  /** `wall` of the runs without probes. */
  without: Summary
  /** Of those with them. */
  with: Summary
  /** The second median divided by the first: 1.25 is a quarter slower. */
  ratio: number
}

export interface Measurement {
  /** The command, or the function's name. */
  label: string
  runs: Run[]
  /** Each number over all runs, by name: `wall`, `syscalls`, `syscalls.read.calls`, … */
  summary: Record<string, Summary>
  overhead?: Overhead
  /** What was asked for, and this system can't tell. */
  missing: Missing[]
}

/** A number of two subjects. */
export interface Difference {
  name: string
  /** The medians. */
  a: number
  b: number
  /** `b` divided by `a`; undefined where `a` is 0. */
  ratio: number | undefined
  /** Every run of one is below every run of the other. By chance that happens with three runs each in one case of ten, with five in one of
   * 126; with fewer than three it is never said. */
  apart: boolean
}

export interface Comparison {
  a: Measurement
  b: Measurement
  differences: Difference[]
}

/**
 * Measures a command with all that it starts, or a function of this process with all its threads.
 *
 * A command is held back until tracing is on. It is measured from the moment at which its program has been loaded until it ends; what is still
 * running then is counted in `unfinished`.
 *
 * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense, `ERR_DTRACE_TARGET` for a command that can't be executed,
 * `ERR_DTRACE_COMPILE` for an error in `program`, what `Consumer.open` throws, what the function throws, and the signal's reason
 * @example
 * const { runs, summary } = await measure(['sort', 'big.txt'], { syscalls: true, pageFaults: true, runs: 10 })
 * console.log(summary.wall.median, summary['syscalls.read.calls'].median)
 */
export async function measure(
  subject: Command | Measured,
  options: MeasureOptions = {},
): Promise<Measurement> {
  checkSignal(options.signal)
  const checked = checkMeasureOptions(options)
  const [measurement] = await measureAll([subjectOf(subject, checked)], checked)
  return measurement as Measurement
}

/**
 * Measures two commands, or two functions, in turn: what changes on the machine meanwhile befalls both.
 *
 * @throws what {@link measure} throws
 * @example
 * const { differences } = await compare(['gzip', '-k', 'f'], ['zstd', '-k', 'f'], { io: true, runs: 10 })
 */
export async function compare(
  a: Command | Measured,
  b: Command | Measured,
  options: MeasureOptions = {},
): Promise<Comparison> {
  checkSignal(options.signal)
  const checked = checkMeasureOptions(options)
  const subjects = [subjectOf(a, checked), subjectOf(b, checked)] as const
  if (subjects[0].kind !== subjects[1].kind)
    throw new DTraceError('ERR_DTRACE_ARGUMENT', 'compare: both are commands, or both are functions')
  const [first, second] = (await measureAll(subjects, checked)) as [Measurement, Measurement]
  return { a: first, b: second, differences: differences(first, second) }
}

function subjectOf(subject: Command | Measured, options: CheckedMeasureOptions): Subject {
  return typeof subject === 'function' ? functionSubject(subject) : commandSubject(subject, options)
}

async function measureAll(
  subjects: readonly Subject[],
  options: CheckedMeasureOptions,
): Promise<Measurement[]> {
  const { runs, warmup, overhead, signal } = options
  const found = subjects.map(() => ({ runs: [] as Run[], without: [] as number[] }))
  const rounds = async (times: number, one: (subject: Subject, index: number) => Promise<void>) => {
    for (let round = 0; round < times; round++) {
      // A B, B A, A B, …: neither is always the first.
      const order = [...subjects.entries()]
      if (round % 2 === 1) order.reverse()
      for (const [index, subject] of order) await one(subject, index)
    }
  }
  // Opened before, so that it isn't the first run that finds the caches cold; nothing is attached yet.
  await using session = await MeasureSession.open(options)
  const free = async (subject: Subject): Promise<Outcome> => {
    const prepared = await subject.prepare()
    const outcome = await prepared.go()
    signal?.throwIfAborted()
    return outcome
  }
  await rounds(warmup, async (subject) => void (await free(subject)))
  if (overhead) {
    await rounds(runs, async (subject, index) => {
      found[index]?.without.push((await free(subject)).wall)
    })
  }
  await session.go()
  await rounds(runs, async (subject, index) => {
    found[index]?.runs.push(await session.run(subject))
  })
  return found.map(({ runs: own, without }, index) => {
    const summary = summaries(own)
    return {
      label: subjects[index]?.label ?? '',
      runs: own,
      summary,
      ...(overhead ? { overhead: overheadOf(without, own) } : {}),
      missing: session.missing,
    }
  })
}

function overheadOf(without: readonly number[], runs: readonly Run[]): Overhead {
  const free = summarize(without)
  const traced = summarize(runs.map(({ wall }) => wall))
  return { without: free, with: traced, ratio: traced.median / free.median }
}

/** Runs of each without which nothing is said to be apart. */
const ENOUGH = 3

function differences({ summary: a, runs }: Measurement, { summary: b }: Measurement): Difference[] {
  const none: Summary = { median: 0, min: 0, max: 0, mean: 0, stddev: 0, quartiles: [0, 0] }
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].map((name) => {
    const one = a[name] ?? none
    const other = b[name] ?? none
    return {
      name,
      a: one.median,
      b: other.median,
      ratio: one.median === 0 ? undefined : other.median / one.median,
      apart: runs.length >= ENOUGH && (one.max < other.min || other.max < one.min),
    }
  })
}

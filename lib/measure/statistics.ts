/** Several runs in a few numbers. */
import type { Run } from './session.js'

export interface Summary {
  median: number
  min: number
  max: number
  mean: number
  /** Standard deviation of the sample; 0 for one run. */
  stddev: number
  /** Half of the runs lie between these two. */
  quartiles: [number, number]
}

/** @throws RangeError for no values */
export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError('there is nothing to summarize')
  const sorted = [...values].sort((a, b) => a - b)
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
    mean,
    stddev: sorted.length > 1 ? Math.sqrt(squares / (sorted.length - 1)) : 0,
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  }
}

/** Between two values it is where the line between them is (Hyndman and Fan's type 7). */
function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part
  const low = sorted[Math.floor(at)] as number
  const high = sorted[Math.ceil(at)] as number
  return low + (high - low) * (at - Math.floor(at))
}

/** The numbers of a run, by name: `wall`, `syscalls`, `syscalls.read.calls`, `io.readBytes`, … */
export function metrics(run: Run): Map<string, number> {
  const found = new Map<string, number>()
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined) found.set(name, value)
  }
  for (const name of ['wall', 'user', 'system', 'maxRss'] as const) add(name, run[name])
  const { syscalls, io, sched, pageFaults, signals, opens, processes } = run
  if (syscalls !== undefined) {
    add(
      'syscalls',
      sum(syscalls, ({ calls }) => calls),
    )
    add(
      'syscalls.errors',
      sum(syscalls, ({ errors }) => sum(errors, ({ count }) => count)),
    )
    for (const { name, calls, time } of syscalls) {
      add(`syscalls.${name}.calls`, calls)
      add(`syscalls.${name}.time`, time)
    }
  }
  if (io !== undefined) {
    const { device, ...counters } = io
    for (const [name, value] of Object.entries(counters)) add(`io.${name}`, value)
    for (const [way, use] of Object.entries(device ?? {})) {
      add(`io.device.${way}.operations`, use.operations)
      add(`io.device.${way}.bytes`, use.bytes)
    }
  }
  if (sched !== undefined) {
    for (const [name, value] of Object.entries(sched))
      if (typeof value === 'number') add(`sched.${name}`, value)
  }
  for (const [name, value] of Object.entries(pageFaults ?? {})) add(`pageFaults.${name}`, value)
  if (signals !== undefined)
    add(
      'signals',
      sum(signals, ({ count }) => count),
    )
  if (opens !== undefined) {
    add(
      'opens',
      sum(opens, ({ count }) => count),
    )
    add(
      'opens.failed',
      sum(opens, ({ count, error }) => (error === undefined ? 0 : count)),
    )
  }
  if (processes !== undefined) {
    add('processes.forks', processes.forks)
    add('processes.threads', processes.threads)
    add(
      'processes.execs',
      sum(processes.execs, ({ count }) => count),
    )
  }
  return found
}

/** Each number over all runs. What a run doesn't have, such as a call that it did not make, is 0 there. */
export function summaries(runs: readonly Run[]): Record<string, Summary> {
  const all = runs.map(metrics)
  const names = new Set(all.flatMap((one) => [...one.keys()]))
  return Object.fromEntries([...names].map((name) => [name, summarize(all.map((one) => one.get(name) ?? 0))]))
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}

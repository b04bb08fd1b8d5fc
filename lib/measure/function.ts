/**
 * A function to be measured: what this process does while it runs, in all its threads. The session is in another process, so its work
 * isn't in it.
 */
import { readFileSync } from 'node:fs'
import type { Sections } from './sections.js'
import type { Outcome, OwnCounters, Prepared, Subject } from './subject.js'

export type Measured = () => unknown

export function functionSubject(measured: Measured): Subject {
  return {
    label: measured.name === '' ? 'function' : measured.name,
    kind: 'function',
    prepare: async () => prepare(measured),
    own: () => new ProcessCounters(),
  }
}

function prepare(measured: Measured): Prepared {
  return {
    pid: process.pid,
    async go() {
      const before = process.cpuUsage()
      const began = performance.now()
      const result = await measured()
      const wall = performance.now() - began
      const { user, system } = process.cpuUsage(before)
      const maxRss = process.resourceUsage().maxRSS * 1024
      return { wall, user: user / 1000, system: system / 1000, maxRss, result } satisfies Outcome
    },
    discard() {},
  }
}

/** Probes see such counters when a thread exits, and this process goes on. */
class ProcessCounters implements OwnCounters {
  readonly #usage = process.resourceUsage()
  readonly #io = ownIo()

  since(before: ProcessCounters, { pageFaults, sched, io }: Sections): void {
    const usage = before.#usage
    if (pageFaults !== undefined) {
      pageFaults.minor += this.#usage.minorPageFault - usage.minorPageFault
      pageFaults.major += this.#usage.majorPageFault - usage.majorPageFault
    }
    if (sched !== undefined) {
      sched.voluntary += this.#usage.voluntaryContextSwitches - usage.voluntaryContextSwitches
      sched.involuntary += this.#usage.involuntaryContextSwitches - usage.involuntaryContextSwitches
    }
    if (io?.reads !== undefined) {
      for (const [name, counter] of Object.entries(IO) as [keyof typeof IO, string][]) {
        io[name] = (io[name] ?? 0) + (this.#io.get(counter) ?? 0) - (before.#io.get(counter) ?? 0)
      }
    }
  }
}

/** What /proc/PID/io calls them. */
const IO = {
  reads: 'syscr',
  readBytes: 'rchar',
  writes: 'syscw',
  writtenBytes: 'wchar',
  storageReadBytes: 'read_bytes',
  storageWrittenBytes: 'write_bytes',
} as const

function ownIo(): Map<string, number> {
  try {
    const lines = readFileSync('/proc/self/io', 'utf8').trim().split('\n')
    return new Map(lines.map((line) => line.split(': ')).map(([name = '', value]) => [name, Number(value)]))
  } catch {
    return new Map()
  }
}

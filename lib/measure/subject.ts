/** What is measured: a command, or a function of this process. */
import type { Sections } from './sections.js'

/** How one run went, without what the probes say. Times are in milliseconds. */
export interface Outcome {
  /** From the moment in which it was let go until its end was known. */
  wall: number
  /** Time on the CPU in user mode and in the kernel: of a command with what it started and waited for, of a function of this process. */
  user: number
  system: number
  /** Bytes, the most that a process of a command had in memory; of a function: the process, since it started. Not known without probes. */
  maxRss?: number
  /** How a command ended. */
  exitCode?: number | null
  signal?: NodeJS.Signals | null
  /** What a function gave. */
  result?: unknown
}

/** A run that has been prepared, and waits. */
export interface Prepared {
  /** The process to measure. */
  readonly pid: number
  /** Lets it go. Resolves at its end. */
  go(): Promise<Outcome>
  /** Takes it away where it never came to go. */
  discard(): void
}

export interface Subject {
  /** Its name in tables and messages. */
  readonly label: string
  /** A process that is started for it, and begins with an exec; or this process, as it is. */
  readonly kind: 'command' | 'function'
  prepare(): Promise<Prepared>
  /** What probes can't tell of a process that goes on: added to what they tell. */
  own?(): OwnCounters
}

/** Counters that the kernel keeps of this process. */
export interface OwnCounters {
  since(before: OwnCounters, sections: Sections): void
}

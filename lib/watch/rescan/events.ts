/** What a rescan watcher tells, besides the changes. */
import type { DTraceError } from '../../errors.js'
import type { Blind } from '../blind.js'
import type { WatcherEvents } from '../watcher.js'
import type { DirectoryEvent, RescanChange } from './change.js'

/** A signal that was sent. */
export interface RescanSignal {
  pid: number
  signal: string
  /** How many changes it was sent for. */
  changes: number
}

/** A command that was run, successfully. */
export interface RescanExec {
  command: readonly string[]
  pid: number
  /** Milliseconds it took. */
  duration: number
  changes: number
}

/** The target could not be told; the flag stays set. */
export interface RescanFailure {
  error: DTraceError
  changes: number
  /** Milliseconds until the next attempt; undefined when the watcher stops. */
  retryIn: number | undefined
}

/** All that a watcher tells. */
export interface RescanEvents extends WatcherEvents {
  change: [RescanChange]
  signal: [RescanSignal]
  exec: [RescanExec]
  failure: [RescanFailure]
  blind: [Blind]
  missing: [DirectoryEvent]
  returned: [DirectoryEvent]
}

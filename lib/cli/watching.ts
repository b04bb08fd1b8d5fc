/** The course that all subcommands with a watcher take: start, say so, tell what comes, and stop when asked. */
import type { EventEmitter } from 'node:events'
import type { Command } from 'commander'
import { leave } from '../leaving.js'
import type { WatcherEvents } from '../watch/index.js'
import { addDTraceOption } from './arguments.js'
import { exitCodes } from './exit-codes.js'
import { Interrupt } from './interrupt.js'
import type { Colors, Output } from './output.js'

/** Ends a subcommand's options with those that all with a watcher have. */
export function addWatching(command: Command, help: string): Command {
  return addDTraceOption(command).option('--json', 'one JSON object a line').addHelpText('after', help)
}

/** What a subcommand says when its watcher is watching. */
export interface Ready {
  /** For `--json`; `ready_time` is added. */
  fields?: Record<string, unknown>
  /** What is watched, to follow the word Watching. */
  what: string
  /** What is done about it. */
  action?: string
}

/** Any watcher. */
interface Watched {
  readonly readyTime: number
  stop(): Promise<void>
}

export interface WatchCourse<Watching> {
  start: () => Promise<Watching>
  /** Prints its events, as they come. */
  report: (watcher: Watching, output: Output) => void
  ready: (watcher: Watching) => Ready
  /** Said when it is asked to stop, where stopping may take a while. */
  stopping?: (watcher: Watching, output: Output) => void
}

/**
 * Runs a watcher until it is asked to stop. Asked a second time, or before it is watching, the process ends at once: the addon
 * takes its probes away even then.
 *
 * @returns the watcher, stopped
 * @throws what starting throws, and the error that ended its session
 */
export async function watch<Watching extends Watched>(
  course: WatchCourse<Watching>,
  output: Output,
): Promise<Watching> {
  using interrupt = new Interrupt()
  void interrupt.forced().then(() => process.exit(exitCodes.forced))
  const early = (): never => process.exit(exitCodes.ok)
  interrupt.stop.addEventListener('abort', early)
  const watcher = await course.start()
  interrupt.stop.removeEventListener('abort', early)
  const failed = reportTroubles(watcher as unknown as EventEmitter<WatcherEvents>, output)
  course.report(watcher, output)
  sayReady(course.ready(watcher), watcher.readyTime, output)
  try {
    await Promise.race([interrupt.stopped(), failed])
    course.stopping?.(watcher, output)
  } finally {
    leave()
    await watcher.stop()
  }
  return watcher
}

/** @returns a promise that rejects when the session has died */
function reportTroubles(watcher: EventEmitter<WatcherEvents>, output: Output): Promise<never> {
  watcher.on('drop', (drop) => output.warn('drop', drop.message, { ...drop }))
  watcher.on('fault', (fault) => output.warn('fault', fault.message, { ...fault }))
  return new Promise((_resolve, reject) => watcher.on('error', reject))
}

function sayReady({ fields, what, action }: Ready, readyTime: number, output: Output): void {
  const ready = Math.round(readyTime)
  output.emit('ready', { ...fields, ready_time: ready }, ({ bold }: Colors) => {
    const rest = action === undefined ? '' : `; ${action}`
    return `${bold('Watching')} ${what} after ${ready} ms${rest}. Ctrl-C stops.`
  })
}

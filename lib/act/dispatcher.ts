import { stat } from 'node:fs/promises'
import { DTraceError } from '../errors.js'
import { type CommandResult, commandTimeout, findCommand, runCommand } from './command.js'
import type { ProcessInfo } from './processes.js'
import { parseSignal, type Signal, type SignalHost, sendSignal, systemHost } from './signal.js'
import {
  type CommandTarget,
  checkTarget,
  describeTarget,
  isCommand,
  type ProcessTarget,
  resolveTarget,
  type Target,
} from './target.js'

/** What was done when the flag was set. */
export type Action =
  | { kind: 'signal'; signal: string; processes: readonly ProcessInfo[] }
  | ({ kind: 'exec' } & CommandResult)

/** Who made a change, as far as the record says. */
export interface Author {
  pid: number
  /** Process group, where it is known: tells a command's short-lived children. */
  pgid?: number
}

export interface DispatcherOptions {
  /** Default SIGHUP. Nothing to a command. */
  signal?: string | number
  /** What a command writes. Default: only the end of it is kept, for the message when it fails. */
  onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void
  host?: SignalHost
}

/** Tells a target that something has changed: sends it a signal, or runs a command. */
export interface Dispatcher {
  readonly description: string
  /** Whether {@link act} makes use of the changes themselves, not only of there being some. */
  readonly wantsChanges: boolean
  /**
   * Finds the target for the first time.
   *
   * @throws DTraceError `ERR_DTRACE_TARGET` when it isn't there
   */
  check(): Promise<void>
  /** @throws DTraceError `ERR_DTRACE_TARGET` when it couldn't be told */
  act(changes?: Iterable<unknown>): Promise<Action>
  /** The pids of the target when it was last looked for, or of the command that runs. */
  readonly pids: ReadonlySet<number>
  /** The change was made by the target itself. Costs a look into /proc only for a pid not seen lately. */
  owns(author: Author): boolean
  /** Ends a command that is under way, and runs none from then on. */
  abort(): void
}

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` */
export function createDispatcher(target: Target, options: DispatcherOptions = {}): Dispatcher {
  checkTarget(target)
  const signal = parseSignal(options.signal ?? 'SIGHUP')
  if (isCommand(target)) {
    commandTimeout(target)
    return new CommandDispatcher(target, options)
  }
  return new SignalDispatcher(target, signal, options.host ?? systemHost)
}

class SignalDispatcher implements Dispatcher {
  readonly description: string
  readonly wantsChanges = false
  readonly #target: ProcessTarget
  readonly #signal: Signal
  readonly #host: SignalHost
  #known: ProcessInfo[] = []
  #pids: ReadonlySet<number> = new Set()
  #pidfileTime: number | undefined
  readonly #strangers = new Strangers()
  readonly #same = new Strangers()

  constructor(target: ProcessTarget, signal: Signal, host: SignalHost) {
    this.#target = target
    this.#signal = signal
    this.#host = host
    this.description = `${signal.name} to ${describeTarget(target)}`
  }

  get pids(): ReadonlySet<number> {
    return this.#pids
  }

  async check(): Promise<void> {
    await this.#find()
  }

  async act(): Promise<Action> {
    const found = await this.#find()
    const failures: DTraceError[] = []
    for (const info of found) {
      try {
        sendSignal(info, this.#signal, this.#host)
      } catch (error) {
        failures.push(error as DTraceError)
      }
    }
    // One of several that fails keeps the flag for all: to be asked to rescan twice does no harm, never to be does.
    const [first] = failures
    if (failures.length === 1 && first !== undefined) throw first
    if (first !== undefined) {
      const messages = failures.map((failure) => failure.message).join('; ')
      throw new DTraceError('ERR_DTRACE_TARGET', messages, { cause: first })
    }
    return { kind: 'signal', signal: this.#signal.name, processes: found }
  }

  owns({ pid }: Author): boolean {
    if (this.#pids.has(pid) && this.#same.test(pid, () => this.#isSame(pid))) return true
    // A daemon that was restarted has a new pid; asking the target anew for every stranger would cost more than the
    // one signal too many that a restart may bring. What a unit starts is known by its cgroup.
    if (!('unit' in this.#target)) return false
    const { unit } = this.#target
    const name = unit.includes('.') ? unit : `${unit}.service`
    return this.#strangers.test(pid, () => this.#host.processes.cgroup(pid).split(/[/\n]/).includes(name))
  }

  abort(): void {}

  /** It has ended, or is the one that was found: not another that has its pid now. */
  #isSame(pid: number): boolean {
    const now = this.#host.processes.get(pid)
    return now === undefined || this.#known.some((one) => one.pid === pid && one.startTime === now.startTime)
  }

  async #find(): Promise<ProcessInfo[]> {
    const found = await resolveTarget(this.#target, this.#host.processes)
    await this.#refuseReused(found)
    this.#known = found
    this.#pids = new Set(found.map((info) => info.pid))
    this.#strangers.clear()
    this.#same.clear()
    return found
  }

  /**
   * The number alone doesn't say that it is still the same process: a bare pid's start time must not have changed, nor
   * may a pidfile's unless the pidfile was written again.
   */
  async #refuseReused(found: readonly ProcessInfo[]): Promise<void> {
    const target = this.#target
    let fresh = false
    if ('pidfile' in target) {
      const time = await stat(target.pidfile).then(
        ({ mtimeMs }) => mtimeMs,
        () => undefined,
      )
      fresh = time !== this.#pidfileTime
      this.#pidfileTime = time
    } else if (!('pid' in target)) {
      return
    }
    const [now] = found
    const before = this.#known.find((info) => info.pid === now?.pid)
    if (now === undefined || before === undefined || before.startTime === now.startTime || fresh) return
    const what = 'pidfile' in target ? `the pidfile ${target.pidfile} is stale: ` : ''
    throw new DTraceError(
      'ERR_DTRACE_TARGET',
      `${what}process ${now.pid} (${before.comm}) has ended and its pid belongs to another process now ` +
        `(${now.comm}), which was not signalled; ${
          'pidfile' in target
            ? 'start the daemon again'
            : 'start the watcher anew, with pidfile, process or unit so that it finds a restarted target'
        }`,
    )
  }
}

/** How long a command is known after its end, in milliseconds. */
const AFTERWARDS = 5000

function groupExists(pgid: number): boolean {
  try {
    return process.kill(-pgid, 0)
  } catch (error) {
    // EPERM: it is there, but somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

class CommandDispatcher implements Dispatcher {
  readonly description: string
  readonly wantsChanges = true
  readonly #target: CommandTarget
  readonly #options: DispatcherOptions
  readonly #abort = new AbortController()
  #pids: ReadonlySet<number> = new Set()
  readonly #strangers = new Strangers()

  constructor(target: CommandTarget, options: DispatcherOptions) {
    this.#target = target
    this.#options = options
    this.description = describeTarget(target)
  }

  get pids(): ReadonlySet<number> {
    return this.#pids
  }

  async check(): Promise<void> {
    findCommand(this.#target)
  }

  async act(changes: Iterable<unknown> = []): Promise<Action> {
    const { onOutput } = this.#options
    if (this.#abort.signal.aborted) {
      throw new DTraceError(
        'ERR_DTRACE_TARGET',
        `${this.#target.exec[0]} was not run because the watcher stops`,
      )
    }
    const result = await runCommand(this.#target, {
      input: changes,
      abort: this.#abort.signal,
      ...(onOutput === undefined ? {} : { onOutput }),
      onStart: (pid) => {
        this.#pids = new Set([pid])
        this.#strangers.clear()
      },
    }).finally(() => this.#forgetLater(this.#pids))
    return { kind: 'exec', ...result }
  }

  /**
   * A command stays known for a while after its end: records of what it did last come a moment later. And for as long as
   * something that it started is left in its process group; the number isn't given to others before that.
   */
  #forgetLater(pids: ReadonlySet<number>): void {
    setTimeout(() => {
      if (this.#pids !== pids) return
      if ([...pids].some(groupExists)) this.#forgetLater(pids)
      else this.#pids = new Set()
    }, AFTERWARDS).unref()
  }

  owns({ pid, pgid }: Author): boolean {
    if (this.#pids.has(pid) || (pgid !== undefined && this.#pids.has(pgid))) return true
    if (pgid !== undefined || this.#pids.size === 0) return false
    const { processes } = this.#options.host ?? systemHost
    return this.#strangers.test(pid, () => this.#pids.has(processes.get(pid)?.pgid ?? 0))
  }

  abort(): void {
    this.#abort.abort()
  }
}

/** Remembers for pids whether they belong to the target, so that /proc isn't read for every change. */
class Strangers {
  static readonly #LIMIT = 1024
  /** A pid may be another process's after a while. */
  static readonly #LIFE = 2000
  readonly #seen = new Map<number, { own: boolean; until: number }>()

  test(pid: number, look: () => boolean): boolean {
    const now = performance.now()
    const known = this.#seen.get(pid)
    if (known !== undefined && known.until > now) return known.own
    if (this.#seen.size >= Strangers.#LIMIT) this.#seen.clear()
    const own = look()
    this.#seen.set(pid, { own, until: now + Strangers.#LIFE })
    return own
  }

  clear(): void {
    this.#seen.clear()
  }
}

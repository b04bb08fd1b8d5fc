/**
 * Processes that a consumer starts or takes hold of.
 */
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { DTraceError } from './errors.js'
import type { CommandArguments, CommandName, CommandResults, ProcessRequest } from './host/commands.js'

/**
 * Where a process's output goes: `'inherit'`: where this process's own goes; `'ignore'`: nowhere; or to a file, which is emptied
 * first unless it is to be appended to.
 */
export type OutputTarget = 'inherit' | 'ignore' | { file: string; append?: boolean }

/** How to start a process. */
export interface CreateOptions {
  /** Its working directory. Default: this process's. */
  cwd?: string
  /** Its whole environment. Default: this process's. */
  env?: Readonly<Record<string, string | undefined>>
  /** Where its input comes from. Default `'inherit'`. */
  stdin?: 'inherit' | 'ignore' | { file: string }
  /** Default `'inherit'`; `'stderr'`: where this process's error output goes. */
  stdout?: OutputTarget | 'stderr'
  /** Default `'inherit'`. */
  stderr?: OutputTarget
}

/** How to take hold of a process. */
export interface GrabOptions {
  /** It stands still until {@link TracedProcess.continue} or `go()`. Default: it runs on at once. */
  hold?: boolean
}

/** How a process ended. Where both are undefined it is not known. */
export interface ProcessEnd {
  pid: number
  /** What it gave to exit(). */
  status: number | undefined
  /** What it was killed by. */
  signal: NodeJS.Signals | undefined
}

type Send = <Name extends CommandName>(
  name: Name,
  args: CommandArguments[Name],
  what: string,
) => Promise<CommandResults[Name]>

/** A process that a consumer has started or holds: what `create()` and `grab()` of a consumer give. */
export class TracedProcess implements AsyncDisposable {
  /** Its number; `$target` in programs compiled from now on, if it is the consumer's first. */
  readonly pid: number
  /** It was started by the consumer, and ends with it unless it is released. */
  readonly created: boolean
  /**
   * Resolves when it has ended and the records of what it did have been delivered; with `undefined` when it is no longer watched:
   * released, or the consumer was closed.
   */
  readonly exit: Promise<ProcessEnd | undefined>
  readonly #send: Send
  readonly #forget: () => void

  /** @internal Use `consumer.create()` or `consumer.grab()`. */
  constructor(pid: number, created: boolean, exit: TracedProcess['exit'], send: Send, forget: () => void) {
    this.pid = pid
    this.created = created
    this.exit = exit
    this.#send = send
    this.#forget = forget
  }

  /**
   * Lets it run, if it stands. `go()` does that to all that the consumer holds.
   *
   * @throws `ERR_DTRACE_STATE` when it is no longer held
   */
  async continue(): Promise<void> {
    await this.#send('continue', [this.pid], "can't be continued")
  }

  /**
   * Lets it run and live on by itself, whatever becomes of the consumer. Its `exit` is not told.
   *
   * @throws `ERR_DTRACE_STATE` when it is no longer held
   */
  async release(): Promise<void> {
    await this.#send('release', [this.pid], "can't be released")
    this.#forget()
  }

  /**
   * Sends it a signal: to this process, and to none that got its number later.
   *
   * @throws `ERR_DTRACE_STATE` when it has ended or is no longer held, `ERR_DTRACE_ARGUMENT` for an unknown signal
   */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const number = constants.signals[signal]
    if (number === undefined) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `kill() takes the name of a signal, not ${JSON.stringify(signal)}`,
      )
    }
    await this.#send('signal', [this.pid, number], `can't be sent ${signal}`)
  }

  /** Ends one that was created, with SIGKILL, and waits for its end; releases one that was grabbed. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.created) {
        await this.kill('SIGKILL')
        await this.exit
      } else await this.release()
    } catch (error) {
      // It is gone already.
      if (!(error instanceof DTraceError && error.code === 'ERR_DTRACE_STATE')) throw error
    }
  }
}

/** The processes of one consumer. */
export class TracedProcesses {
  readonly #send: Send
  readonly #held = new Map<number, Held>()
  /** Of those whose start has not been answered here yet. */
  readonly #early = new Map<number, ProcessEnd>()

  constructor(send: Send) {
    this.#send = send
  }

  get size(): number {
    return this.#held.size
  }

  async create(file: string, args: readonly string[], options: CreateOptions): Promise<TracedProcess> {
    const request = processRequest(file, args, options)
    return this.#add(await this.#send('create', [request], `${file} can't be started`), true)
  }

  async grab(pid: number, { hold = false }: GrabOptions): Promise<TracedProcess> {
    if (!Number.isInteger(pid) || pid < 1 || pid > 2 ** 31 - 1) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `grab() takes the number of a process, not ${JSON.stringify(pid)}`,
      )
    }
    // Also when the session is in another process: one that stands could not ask to be continued.
    if (pid === process.pid) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `process ${pid} can't be held: it is the consumer's own process, which can't stop itself`,
      )
    }
    return this.#add(await this.#send('grab', [pid, hold], `process ${pid} can't be held`), false)
  }

  /** Lets all run that stand. */
  async continueAll(): Promise<void> {
    for (const { process } of this.#held.values()) await process.continue()
  }

  /** What the session says of one. */
  ended({ pid, status, signal }: { pid: number; status?: number; signal?: number }): ProcessEnd {
    const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
    const end = { pid, status, signal: name as NodeJS.Signals | undefined }
    const held = this.#held.get(pid)
    if (held === undefined) this.#early.set(pid, end)
    else this.#settle(held, end)
    return end
  }

  /** The consumer watches them no more. */
  close(): void {
    for (const held of this.#held.values()) this.#settle(held, undefined)
  }

  #add(pid: number, created: boolean): TracedProcess {
    let resolve: Held['resolve'] = () => {}
    const exit = new Promise<ProcessEnd | undefined>((settle) => {
      resolve = settle
    })
    const held: Held = {
      process: new TracedProcess(pid, created, exit, this.#send, () => this.#settle(held, undefined)),
      resolve,
    }
    this.#held.set(pid, held)
    const early = this.#early.get(pid)
    this.#early.delete(pid)
    if (early !== undefined) this.#settle(held, early)
    return held.process
  }

  #settle(held: Held, end: ProcessEnd | undefined): void {
    held.resolve(end)
    // A number can have come again.
    const { pid } = held.process
    if (this.#held.get(pid) === held) this.#held.delete(pid)
  }
}

interface Held {
  process: TracedProcess
  resolve: (end: ProcessEnd | undefined) => void
}

/** @throws `ERR_DTRACE_ARGUMENT` */
function processRequest(file: string, args: readonly string[], options: CreateOptions): ProcessRequest {
  if (!Array.isArray(args)) throw badArgument('create(): args', 'an array of strings', args)
  if (options.env !== undefined && (typeof options.env !== 'object' || options.env === null))
    throw badArgument('env', 'an object of strings', options.env)
  const { cwd, env, stdin = 'inherit', stdout = 'inherit', stderr = 'inherit' } = options
  return {
    file: text(file, 'create(): the file'),
    args: args.map((arg) => text(arg, 'create(): an argument', true)),
    folder: cwd === undefined ? '' : resolve(text(cwd, 'cwd')),
    stdio: [target('<', stdin, 'stdin'), target('>', stdout, 'stdout'), target('>', stderr, 'stderr')],
    environment:
      env === undefined
        ? null
        : Object.entries(env).flatMap(([name, value]) =>
            value === undefined ? [] : [`${text(name, 'env')}=${text(value, `env.${name}`, true)}`],
          ),
  }
}

function target(direction: '<' | '>', to: OutputTarget | 'stderr' | { file: string }, name: string): string {
  if (to === 'inherit') return ''
  if (to === 'stderr' && name === 'stdout') return '&2'
  if (to === 'ignore') return `${direction}/dev/null`
  if (typeof to !== 'object' || to === null) throw badArgument(name, "'inherit', 'ignore' or { file }", to)
  const append = direction === '>' && 'append' in to && to.append === true
  return `${append ? '>>' : direction}${resolve(text(to.file, `${name}.file`))}`
}

function text(value: unknown, name: string, canBeEmpty = false): string {
  if (typeof value !== 'string' || value.includes('\0') || (value === '' && !canBeEmpty))
    throw badArgument(name, `a string without NUL${canBeEmpty ? '' : ', and not empty'}`, value)
  return value
}

function badArgument(name: string, expected: string, value: unknown): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `${name} is ${expected}, not ${JSON.stringify(value)}`)
}

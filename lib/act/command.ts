import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import ms from 'ms'
import { DTraceError } from '../errors.js'
import { parseDuration } from './duration.js'
import type { CommandTarget } from './target.js'

export interface CommandResult {
  pid: number
  command: readonly string[]
  /** Milliseconds it took. */
  duration: number
}

export interface CommandOptions {
  /** Objects for its standard input, one JSON line each. */
  input: Iterable<unknown>
  /** What it writes, as it comes. */
  onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void
  /** Called with its pid, which is also its process group's, as soon as it runs. */
  onStart?: (pid: number) => void
  /** Ends the command and all that it started. */
  abort?: AbortSignal
}

export const DEFAULT_TIMEOUT = '1h'
/** After SIGTERM a command has this long before SIGKILL. */
const GRACE = 5000
/** How long the rest of the output may take after the command's end. */
const READ_REST = 200
/** How much of what it wrote is kept for the message about its failure. */
const TAIL = 2000

/** Time-out of a command in milliseconds; 0 is none. */
export function commandTimeout(target: CommandTarget): number {
  return parseDuration(target.timeout ?? DEFAULT_TIMEOUT, 'timeout', 0)
}

/**
 * Sees that a command can be found, the way execvp(3) will look for it.
 *
 * @throws DTraceError `ERR_DTRACE_TARGET`
 */
export function findCommand(target: CommandTarget): string {
  const [command] = target.exec
  const folders = command.includes('/')
    ? [target.cwd ?? '.']
    : (process.env.PATH ?? '/usr/bin:/bin').split(delimiter)
  let unusable: string | undefined
  for (const folder of folders) {
    const path = command.includes('/') ? resolve(folder, command) : join(folder || '.', command)
    try {
      if (!statSync(path).isFile()) continue
      unusable = path
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here, or not executable; PATH may have another.
    }
  }
  throw new DTraceError(
    'ERR_DTRACE_TARGET',
    unusable === undefined
      ? `the command ${command} was not found; install it or give its path (there is no shell: no aliases, pipes or built-ins; for those run sh -c '…')`
      : `${unusable} is not executable; make it so with: chmod +x ${unusable}`,
  )
}

/**
 * Runs a command without a shell, in a process group of its own: a Ctrl-C at the terminal doesn't interrupt a rescan
 * half way, and a time-out ends all that the command started.
 *
 * @throws DTraceError `ERR_DTRACE_TARGET` when it can't be started, fails, or takes too long
 */
export async function runCommand(target: CommandTarget, options: CommandOptions): Promise<CommandResult> {
  const timeout = commandTimeout(target)
  const [command, ...args] = target.exec
  const began = performance.now()
  const child = spawn(command, args, {
    ...(target.cwd === undefined ? {} : { cwd: target.cwd }),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = exitOf(child)
  if (child.pid !== undefined) options.onStart?.(child.pid)
  const tail = keepTail(child, options.onOutput)
  const ender = new Ender(child, timeout, options.abort)
  feed(child, options.input)
  try {
    const end = await ended
    const failure = ender.reason ?? failureOf(end)
    if (failure !== undefined) {
      const said = tail.stderr.trim() || tail.stdout.trim()
      throw new DTraceError('ERR_DTRACE_TARGET', `${command} ${failure}${said === '' ? '' : `: ${said}`}`)
    }
    return { pid: child.pid as number, command: target.exec, duration: performance.now() - began }
  } catch (error) {
    if (error instanceof DTraceError) throw error
    const { code } = error as NodeJS.ErrnoException
    const why =
      code === 'ENOENT' ? 'it, or its working directory, was not found' : (code ?? (error as Error).message)
    throw new DTraceError('ERR_DTRACE_TARGET', `${command} can't be run: ${why}`, { cause: error })
  } finally {
    ender.dispose()
  }
}

interface End {
  code: number | null
  signal: NodeJS.Signals | null
}

function exitOf(child: ChildProcess): Promise<End> {
  return new Promise((done, reject) => {
    child.once('error', reject)
    // 'close' follows when its output has been read to the end. A daemon that the command left behind may hold its pipes
    // open for ever, so its end is what counts, and the rest of the output has a moment to arrive.
    child.once('exit', (code, signal) => {
      const late = setTimeout(done, READ_REST, { code, signal })
      child.once('close', () => {
        clearTimeout(late)
        done({ code, signal })
      })
    })
  })
}

function failureOf({ code, signal }: End): string | undefined {
  if (signal !== null) return `was ended by ${signal}`
  return code === 0 ? undefined : `failed with exit status ${code}`
}

function keepTail(
  child: ChildProcess,
  onOutput: CommandOptions['onOutput'],
): { stdout: string; stderr: string } {
  const tail = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      tail[name] = (tail[name] + chunk.toString('utf8')).slice(-TAIL)
      onOutput?.(name, chunk)
    })
    child[name]?.on('error', () => {})
  }
  return tail
}

function feed(child: ChildProcess, input: Iterable<unknown>): void {
  if (child.stdin === null) return
  function* lines(): Generator<string> {
    for (const item of input) yield `${JSON.stringify(item)}\n`
  }
  // EPIPE: a command that doesn't read its input is the ordinary case.
  pipeline(Readable.from(lines()), child.stdin).catch(() => {})
}

/** Ends a command's process group on time-out or abort, and says why. */
class Ender {
  reason: string | undefined
  readonly #child: ChildProcess
  readonly #abort: AbortSignal | undefined
  readonly #onAbort = (): void => this.#end('was ended because the watcher stops')
  /** It's in a process group of its own, so nothing else would end it along with this process. */
  readonly #onExit = (): void => this.#kill('SIGTERM')
  #timer: NodeJS.Timeout | undefined

  constructor(child: ChildProcess, timeout: number, abort: AbortSignal | undefined) {
    this.#child = child
    this.#abort = abort
    if (timeout > 0) {
      this.#timer = setTimeout(() => this.#end(`took longer than ${ms(timeout)} and was ended`), timeout)
    }
    process.once('exit', this.#onExit)
    abort?.addEventListener('abort', this.#onAbort, { once: true })
    if (abort?.aborted) this.#onAbort()
  }

  #end(reason: string): void {
    this.reason ??= reason
    this.#kill('SIGTERM')
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#kill('SIGKILL'), GRACE)
  }

  #kill(signal: NodeJS.Signals): void {
    // The child's exit status not having been collected yet, its pid and so its group are certainly still its own.
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
      return
    try {
      process.kill(-this.#child.pid, signal)
    } catch {
      // ESRCH: it has just ended by itself.
    }
  }

  dispose(): void {
    clearTimeout(this.#timer)
    process.off('exit', this.#onExit)
    this.#abort?.removeEventListener('abort', this.#onAbort)
  }
}

/** A real daemon in the foreground: its log is read line by line, and it is stopped for certain. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Target } from '../../../lib/act/index.js'

/** What a test needs to know of a daemon that learns of new files only by being told. */
export interface FileDaemon extends AsyncDisposable {
  /** What a watcher is to do when files have changed. */
  readonly target: Target
  /** Files that the daemon itself writes below its directory, as a watcher's `exclude`. */
  readonly exclude: string[]
  /** How often it has read its files again since it was started, by its own log. */
  readonly rescans: number
  /** Resolves when it has done so that often. */
  rescanned(times: number): Promise<void>
  /** Writes one file for each name, of the kind that this daemon serves. */
  write(folder: string, names: readonly string[]): Promise<void>
  /** Those of the names that it serves now. */
  known(names: readonly string[]): Promise<string[]>
}

const PATIENCE = 20_000
/** How long an orderly end may take before it is made one. */
const GRACE = 5_000

export class DaemonProcess {
  readonly lines: string[] = []
  readonly #name: string
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #waiting = new Set<() => void>()
  #over: string | undefined

  constructor(command: string, args: readonly string[]) {
    this.#name = command
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream as NodeJS.ReadableStream }).on('line', (line) => {
        this.lines.push(line)
        this.#wake()
      })
    }
    this.#child.once('error', (error) => this.#end(`can't be started (${error.message})`))
    this.#closed = new Promise((resolve) => {
      this.#child.once('error', resolve)
      this.#child.once('close', (code, signal) => {
        this.#end(`ended (${signal ?? `exit status ${code}`})`)
        resolve(undefined)
      })
    })
  }

  /** How many lines of its log fit. */
  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length
  }

  /** Waits until its log has that many lines that fit. */
  async logged(pattern: RegExp, times = 1): Promise<void> {
    const deadline = performance.now() + PATIENCE
    while (this.count(pattern) < times) {
      const left = deadline - performance.now()
      if (this.#over !== undefined || left <= 0) {
        throw new Error(
          `${this.#name} ${this.#over ?? `has run ${PATIENCE / 1000} s more`} and logged ${pattern} ` +
            `${this.count(pattern)} times instead of ${times}; its log:\n${this.lines.slice(-40).join('\n')}`,
        )
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), GRACE)
    await this.#closed
    clearTimeout(force)
  }

  #end(how: string): void {
    this.#over ??= how
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

/** A port of the loopback interface that is free for TCP and for UDP. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const socket = createSocket('udp4')
    const free = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(port, '127.0.0.1', () => resolve(true))
    })
    socket.close()
    server.close()
    await once(server, 'close')
    if (free) return port
  }
  throw new Error('20 ports that are free for TCP are all taken for UDP')
}

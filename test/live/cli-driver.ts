/** Runs dist/cli/main.js as a user does, and reads what it says. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { patience } from './patience.js'

export const CLI: string = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js')

export interface CliEvent {
  type: string
  [field: string]: unknown
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A test that fails mustn't leave its watcher running. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM')
})

/** A running dtrace-watch. */
export class Cli {
  readonly child: ChildProcess
  /** Resolves when it has ended and all its output is read. */
  readonly ended: Promise<Ended>
  /** What `--json` said so far. */
  readonly events: CliEvent[] = []
  #stdout = ''
  #stderr = ''
  readonly #waiting = new Set<() => void>()

  constructor(args: readonly string[], options: SpawnOptions & { command?: readonly string[] } = {}) {
    const [command, ...before] = options.command ?? [process.execPath]
    this.child = spawn(command as string, [...before, CLI, ...args], {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.child)
    const lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      this.#stdout += `${line}\n`
      if (args.includes('--json') && line.startsWith('{')) this.events.push(JSON.parse(line) as CliEvent)
      this.#wake()
    })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += String(chunk)
      this.#wake()
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        running.delete(this.child)
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr })
        this.#wake()
      })
    })
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** Waits until it has said what is looked for; fails when it ends or falls silent first. */
  async until<T>(
    what: string,
    look: (cli: { events: CliEvent[]; text: string }) => T | undefined | false,
  ): Promise<T> {
    const deadline = performance.now() + patience(30_000)
    for (;;) {
      const found = look({ events: this.events, text: this.#stdout + this.#stderr })
      if (found !== undefined && found !== false) return found
      const left = deadline - performance.now()
      const over = this.child.exitCode !== null || this.child.signalCode !== null
      if (over || left <= 0) {
        throw new Error(
          `${over ? 'it ended' : '30 s passed'} without ${what}; stdout:\n${this.#stdout}\nstderr:\n${this.#stderr}`,
        )
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1000))
        this.#waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** The first event of a type that fits. */
  async event(type: string, fits: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    return await this.until(`a ${type} event`, ({ events }) =>
      events.find((event) => event.type === type && fits(event)),
    )
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
    this.child.kill(signal)
    return await this.ended
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

/** Runs it to its end. */
export async function cli(
  args: readonly string[],
  options: ConstructorParameters<typeof Cli>[1] = {},
): Promise<Ended> {
  return await new Cli(args, options).ended
}

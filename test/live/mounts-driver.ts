/** Makes calls about mounts with fixtures/mounts.c, and waits for what a watcher says of them. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MountEvent, MountsWatcher } from '../../lib/watch/index.js'

const SOURCE = join(import.meta.dirname, 'fixtures', 'mounts.c')
/** How long an event may take to arrive before a test says that it did not, in milliseconds. */
const PATIENCE = 20_000

export interface MountSandbox {
  /** A folder without symbolic links in its path; in it are the folders a, b and c/sub. */
  folder: string
  /** The compiled program. */
  program: string
  dispose(): void
  [Symbol.asyncDispose](): Promise<void>
}

export function compile(program: string, ...options: string[]): void {
  execFileSync('cc', ['-O2', '-Wall', '-Werror', ...options, '-o', program, SOURCE])
}

export function makeMountSandbox(): MountSandbox {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'dtrace-consumer-mounts-')))
  const program = join(folder, 'mounts')
  compile(program)
  for (const name of ['a', 'b', 'c/sub']) mkdirSync(join(folder, name), { recursive: true })
  // Nothing is ever mounted in this process' own mount namespace, so nothing can be left behind.
  const dispose = (): void => rmSync(folder, { recursive: true, force: true })
  return { folder, program, dispose, [Symbol.asyncDispose]: async () => dispose() }
}

/** `mount x /mnt tmpfs 0 -` and so on, one after the other. */
export type Steps = readonly string[]

function argumentsOf(steps: Steps): string[] {
  return steps
    .flatMap((step, i) => (i === 0 ? step.split(' ') : [',', ...step.split(' ')]))
    .map((word) => (word === "''" ? '' : word))
}

/** A run of the program. */
export class MountRun {
  readonly child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<void>
  #out = ''

  constructor(command: readonly [string, ...string[]]) {
    const [file, ...args] = command
    this.child = spawn(file, args)
    this.child.stdout.on('data', (chunk) => {
      this.#out += chunk
    })
    let errors = ''
    this.child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    this.#ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code) =>
        code === 0
          ? resolve()
          : reject(new Error(`${command.join(' ')} ended with ${code}: ${errors}${this.#out}`)),
      )
    })
    this.#ended.catch(() => {})
  }

  static steps(sandbox: MountSandbox, ...steps: string[]): MountRun {
    return new MountRun([sandbox.program, ...argumentsOf(steps)])
  }

  get out(): string {
    return this.#out
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** The processes that made steps. */
  get pids(): number[] {
    return [...this.#out.matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid))
  }

  /** What each step returned, without the pids. */
  get results(): number[] {
    const lines = this.#out.split('\n').filter((line) => line !== '' && !line.startsWith('pid '))
    return lines.map((line) => Number(line.split(' ')[1]))
  }

  /** Waits until it has said something. */
  async says(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + PATIENCE
    while (!pattern.test(this.#out)) {
      if (performance.now() > deadline) throw new Error(`it did not say ${pattern}, but: ${this.#out}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async end(): Promise<this> {
    await this.#ended
    return this
  }
}

/** What a watcher says, from the time that this was made. */
export class Mounts {
  readonly #sandbox: MountSandbox
  #all: MountEvent[] = []
  #marks = 0
  readonly #waiting = new Map<string, () => void>()

  constructor(watcher: MountsWatcher, sandbox: MountSandbox) {
    this.#sandbox = sandbox
    watcher.on('mount', (event) => {
      const waiting = this.#waiting.get(event.target ?? '')
      if (waiting !== undefined) waiting()
      else if (event.target?.includes('/no-mount-mark-') !== true) this.#all.push(event)
    })
  }

  /** All events since the last call of this, in the order of time. */
  async settle(): Promise<MountEvent[]> {
    // What came before the first mark was in a buffer when it was seen, so it is told before the second one.
    await this.#mark()
    await this.#mark()
    const all = this.#all
    this.#all = []
    return all.sort((a, b) => a.timestamp - b.timestamp)
  }

  /** Runs steps; what is said of the processes that made them. `unshare` has a call of its own, which is left out. */
  async of(...steps: string[]): Promise<{ run: MountRun; events: MountEvent[] }> {
    await this.settle()
    const run = await MountRun.steps(this.#sandbox, ...steps).end()
    const events = (await this.settle()).filter(({ pid }) => run.pids.includes(pid))
    return { run, events: events.filter(({ op, target }) => !(op === 'propagation' && target === '/')) }
  }

  async #mark(): Promise<void> {
    const path = join(this.#sandbox.folder, `no-mount-mark-${this.#marks++}`)
    let timer: NodeJS.Timeout | undefined
    const seen = new Promise<void>((resolve, reject) => {
      this.#waiting.set(path, resolve)
      timer = setTimeout(
        () => reject(new Error(`the watcher did not report the umount of ${path}`)),
        PATIENCE,
      )
    })
    await MountRun.steps(this.#sandbox, `umount ${path} 0`).end()
    await seen
    clearTimeout(timer)
    this.#waiting.delete(path)
  }
}

/** For comparisons: what a reader looks at first. */
export function brief({ op, source, target, error }: MountEvent): string {
  return [op, source ?? '-', target ?? '-', error ?? 'ok'].join(' ')
}

export interface MountinfoLine {
  id: number
  point: string
  type: string
  source: string
}

/** proc_pid_mountinfo(5). */
export function parseMountinfo(text: string): MountinfoLine[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const words = line.split(' ')
      const dash = words.indexOf('-')
      return {
        id: Number(words[0]),
        point: words[4] ?? '',
        type: words[dash + 1] ?? '',
        source: words[dash + 2] ?? '',
      }
    })
}

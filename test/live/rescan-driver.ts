/** Makes changes with exactly one system call each (fixtures/changes.c), and waits for what a watcher says of them. */
import { execFile } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RescanChange, RescanOptions, RescanWatcher } from '../../lib/watch/index.js'
import { patience } from './patience.js'

const run = promisify(execFile)
const SOURCE = join(import.meta.dirname, 'fixtures', 'changes.c')

/** The probe plan under test. Where the kernel offers both: docs/laboratory.md says how to have the suite run with the first one. */
export const plan = (process.env.DTRACE_TEST_PLAN ?? 'auto') as NonNullable<RescanOptions['plan']>

/** How long a change may take to arrive before a test says that it did not, in milliseconds. */
const PATIENCE = patience(20_000)

export interface Sandbox {
  /** A folder without symbolic links in its path. */
  folder: string
  /** The compiled program. */
  program: string
  dispose(): Promise<void>
}

export async function makeSandbox(): Promise<Sandbox> {
  const top = await realpath(await mkdtemp(join(tmpdir(), 'dtrace-consumer-rescan-')))
  const program = join(top, 'changes')
  await run('cc', ['-O2', '-Wall', '-Werror', '-o', program, SOURCE])
  return { folder: top, program, dispose: () => rm(top, { recursive: true, force: true }) }
}

/** Runs one call; the pid of the process that made it. */
export async function change(sandbox: Sandbox, ...args: string[]): Promise<number> {
  const { stdout } = await run(sandbox.program, args)
  return Number(stdout.split('\n', 1)[0])
}

/** What a watcher says, from the time that this was made. */
export class Changes {
  readonly #watcher: RescanWatcher
  readonly #sandbox: Sandbox
  /** A folder in a watched directory: what happens there tells that all before it has been told. */
  readonly #marker: string
  #all: RescanChange[] = []
  #marks = 0
  readonly #waiting = new Map<string, () => void>()

  constructor(watcher: RescanWatcher, sandbox: Sandbox, marker: string) {
    this.#watcher = watcher
    this.#sandbox = sandbox
    this.#marker = marker
    watcher.on('change', this.#listen)
  }

  /** All changes since the last call of this. */
  async settle(): Promise<RescanChange[]> {
    // What came before the first mark was in a buffer when it was seen, so it is told before the second one.
    await this.#mark()
    await this.#mark()
    const all = this.#all
    this.#all = []
    return all.sort((a, b) => a.timestamp - b.timestamp)
  }

  /** Makes one change and gives what the watcher says of that process. */
  async of(...args: string[]): Promise<{ pid: number; changes: RescanChange[] }> {
    await this.settle()
    const pid = await change(this.#sandbox, ...args)
    const changes = await this.settle()
    return { pid, changes: changes.filter((one) => one.pid === pid) }
  }

  dispose(): void {
    this.#watcher.off('change', this.#listen)
  }

  readonly #listen = (one: RescanChange): void => {
    const waiting = this.#waiting.get(one.path)
    if (waiting !== undefined) waiting()
    else if (!one.path.startsWith(this.#marker)) this.#all.push(one)
  }

  async #mark(): Promise<void> {
    const path = join(this.#marker, `mark-${this.#marks++}`)
    let timer: NodeJS.Timeout | undefined
    const seen = new Promise<void>((resolve, reject) => {
      this.#waiting.set(path, resolve)
      timer = setTimeout(() => reject(new Error(`the watcher did not report ${path}`)), PATIENCE)
    })
    await change(this.#sandbox, 'openat', '.', path)
    await seen
    clearTimeout(timer)
    this.#waiting.delete(path)
  }
}

/** Waits for an event that fulfils a condition. */
export function event<Value>(
  watcher: RescanWatcher,
  name: string,
  condition: (value: Value) => boolean = () => true,
  patience = PATIENCE,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const listen = (value: Value): void => {
      if (!condition(value)) return
      stop()
      resolve(value)
    }
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`no event '${name}' of the kind that was waited for came within ${patience} ms`))
    }, patience)
    const emitter = watcher as unknown as NodeJS.EventEmitter
    const stop = (): void => {
      clearTimeout(timer)
      emitter.off(name, listen)
    }
    emitter.on(name, listen)
  })
}

/** Removes things with exactly one system call each (fixtures/changes.c) or with real programs, and waits for what a watcher says. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { MissEvent, SnapshotEvent, UnlinkEvent, UnlinksWatcher } from '../../lib/watch/index.js'
import { change, type Sandbox } from './rescan-driver.js'

const run = promisify(execFile)
/** How long a removal may take to arrive before a test says that it did not, in milliseconds. */
const PATIENCE = 20_000

/** What is told of something that was done. */
export interface Told {
  unlinks: UnlinkEvent[]
  snapshots: SnapshotEvent[]
  misses: MissEvent[]
}

export class Removals {
  readonly #sandbox: Sandbox
  /** A watched folder: what is removed there tells that all before it has been told. */
  readonly #marker: string
  #told: Told = { unlinks: [], snapshots: [], misses: [] }
  #marks = 0
  readonly #waiting = new Map<string, () => void>()

  constructor(watcher: UnlinksWatcher, sandbox: Sandbox, marker: string) {
    this.#sandbox = sandbox
    this.#marker = marker
    watcher.on('unlink', (event) => {
      const waiting = this.#waiting.get(event.path)
      if (waiting !== undefined) waiting()
      else if (!event.path.startsWith(marker)) this.#told.unlinks.push(event)
    })
    watcher.on('snapshot', (event) => this.#told.snapshots.push(event))
    watcher.on('miss', (event) => event.path.startsWith(marker) || this.#told.misses.push(event))
  }

  /** All that was told since the last call of this. */
  async settle(): Promise<Told> {
    // What came before the first mark was in a buffer when it was seen, so it is told before the second one.
    await this.#mark()
    await this.#mark()
    const told = this.#told
    this.#told = { unlinks: [], snapshots: [], misses: [] }
    return told
  }

  /** Makes one system call, and gives what is told of it. */
  async of(...args: string[]): Promise<UnlinkEvent[]> {
    await this.settle()
    const pid = await change(this.#sandbox, ...args).catch(() => undefined)
    const { unlinks } = await this.settle()
    return unlinks.filter((one) => pid === undefined || one.pid === pid)
  }

  /** Runs a shell script, and gives what is told of it. */
  async script(text: string, ...args: string[]): Promise<Told> {
    await this.settle()
    await run('sh', ['-euc', text, 'sh', ...args], { timeout: PATIENCE })
    return await this.settle()
  }

  async #mark(): Promise<void> {
    const path = join(this.#marker, `mark-${this.#marks++}`)
    writeFileSync(path, '')
    let timer: NodeJS.Timeout | undefined
    const seen = new Promise<void>((resolve, reject) => {
      this.#waiting.set(path, resolve)
      timer = setTimeout(() => reject(new Error(`the watcher did not report ${path}`)), PATIENCE)
    })
    await change(this.#sandbox, 'unlinkat', '.', path)
    await seen
    clearTimeout(timer)
    this.#waiting.delete(path)
  }
}

/** Removed files that some process has open: through its descriptors they can still be had. */
import { type Dir, opendirSync, readdirSync, readlinkSync, type Stats, statfsSync, statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { BytePath } from '../paths/byte-path.js'
import {
  isExhausted,
  isSame,
  keyOf,
  type Opened,
  openThrough,
  removedAfter,
  type Sought,
} from './snapshot-finder.js'

const DELETED = ' (deleted)'
/** How long the event loop is kept from other things at a time, in milliseconds. */
const SLICE = 5
/** The most descriptors that a search looks at. */
export const MOST_DESCRIPTORS = 500_000
/** File systems where stat(2) shows other numbers than the kernel's inode has: overlayfs, btrfs (linux/magic.h). */
const OTHER_NUMBERS: ReadonlySet<number> = new Set([0x794c7630, 0x9123683e])

/**
 * Looks for removed files among the descriptors of all processes, and their programs. /proc says `(deleted)` of those without a name
 * (proc_pid_fd(5)). A file is opened as soon as it is seen: any of these processes may close it, or end.
 */
export class DescriptorSearch<S extends Sought> {
  readonly #left: Set<S>
  readonly #found: (sought: S, opened: Opened) => void
  readonly #byKey = new Map<string, S[]>()
  readonly #byPath = new Map<BytePath, S[]>()
  readonly #steps: Generator<void>
  #looked = 0
  #done = false

  /**
   * @param first processes to begin with: those that removed something have it open more often than others
   * @param found is called for each that is found, and has to close its descriptor
   */
  constructor(
    sought: Iterable<S>,
    first: Iterable<number>,
    found: (sought: S, opened: Opened) => void,
    private readonly most = MOST_DESCRIPTORS,
  ) {
    this.#left = new Set(sought)
    this.#found = found
    for (const one of this.#left) {
      if (one.ino !== 0) add(this.#byKey, keyOf(one), one)
      add(this.#byPath, one.path, one)
    }
    this.#steps = this.#everywhere(new Set([...first].map(String)))
  }

  /** What has not been found. */
  get left(): readonly S[] {
    return [...this.#left]
  }

  /** There is nothing to look at any more. */
  get done(): boolean {
    return this.#done || this.#left.size === 0
  }

  /** There were too many descriptors to look at all. */
  get cut(): boolean {
    return this.#looked >= this.most
  }

  /** Looks for a moment. @throws EMFILE or ENFILE, when no file can be opened */
  slice(): void {
    const end = performance.now() + SLICE
    while (!this.done && performance.now() < end) this.#done = this.#steps.next().done === true || this.cut
    if (this.done) this.close()
  }

  /** Ends the search: it has a directory open. */
  close(): void {
    this.#done = true
    this.#steps.return(undefined)
  }

  /** Looks at all that is left, with room for others meanwhile. @throws as {@link slice} */
  async rest(): Promise<void> {
    while (!this.done) {
      this.slice()
      await setImmediate()
    }
  }

  *#everywhere(first: ReadonlySet<string>): Generator<void> {
    for (const pid of first) yield* this.#process(pid)
    for (const pid of readdirSync('/proc')) {
      // What this process has open is held to be copied.
      if (/^\d+$/.test(pid) && pid !== String(process.pid) && !first.has(pid)) yield* this.#process(pid)
    }
  }

  *#process(pid: string): Generator<void> {
    this.#look(`/proc/${pid}/exe`)
    yield
    let descriptors: Dir
    try {
      descriptors = opendirSync(`/proc/${pid}/fd`)
    } catch (error) {
      if (isExhausted(error)) throw error
      // It has ended.
      return
    }
    try {
      for (let entry = descriptors.readSync(); entry !== null; entry = descriptors.readSync()) {
        this.#look(`/proc/${pid}/fd/${entry.name}`)
        yield
      }
    } catch (error) {
      if (isExhausted(error)) throw error
    } finally {
      descriptors.closeSync()
    }
  }

  #look(link: string): void {
    this.#looked++
    try {
      const text = readlinkSync(link, 'latin1')
      if (!text.endsWith(DELETED) || !text.startsWith('/')) return
      const path = text.slice(0, -DELETED.length)
      const stats = statSync(link)
      for (const sought of this.#byKey.get(keyOf(stats)) ?? []) this.#take(link, sought, stats, path)
      for (const sought of this.#byPath.get(path) ?? []) {
        if (isByPath(sought, stats, link)) this.#take(link, sought, stats, path)
      }
    } catch (error) {
      if (isExhausted(error)) throw error
      // Closed meanwhile.
    }
  }

  #take(link: string, sought: S, { dev, ino }: Stats, path: BytePath): void {
    if (!this.#left.has(sought)) return
    const opened = openThrough(
      link,
      (stats) => stats.dev === dev && stats.ino === ino && isSame(sought, stats, path),
    )
    if (opened === undefined) return
    this.#left.delete(sought)
    this.#found(sought, opened)
  }
}

/**
 * Whether a path may decide: only where the kernel's numbers can't. An older file of the same path may be open yet; it was removed
 * earlier.
 */
function isByPath(sought: Sought, stats: Stats, link: string): boolean {
  if (!removedAfter(sought, stats)) return false
  return sought.ino === 0 || (keyOf(stats) !== keyOf(sought) && OTHER_NUMBERS.has(statfsSync(link).type))
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

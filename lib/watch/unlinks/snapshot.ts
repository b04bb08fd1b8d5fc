/**
 * Copies of files that have just been removed. A consumer hears of a removal afterwards, so it can only keep what somebody still
 * holds: a process that has the file open, another name of it, or a descriptor that was put on it beforehand. Each success is
 * told, and each miss with its reason.
 */
import { closeSync, constants } from 'node:fs'
import picomatch from 'picomatch'
import { compilePredicate } from '../../act/index.js'
import { DTraceError } from '../../errors.js'
import { type BytePath, fromText, split, toFs, toText } from '../paths/byte-path.js'
import type { Removal } from './event.js'
import { DescriptorSearch, MOST_DESCRIPTORS } from './snapshot-descriptors.js'
import {
  findNames,
  isSame,
  isSameLinked,
  keyOf,
  type Opened,
  openThrough,
  type Sought,
} from './snapshot-finder.js'
import type { CheckedSnapshot } from './snapshot-options.js'
import { type Meant, Pins } from './snapshot-pins.js'
import { SnapshotStore } from './snapshot-store.js'

/** Through a process' open descriptor, under another name, or through a descriptor that the watcher held. */
export type SnapshotHow = 'descriptor' | 'link' | 'pinned'

/** A copy that was kept. */
export interface SnapshotEvent {
  /** Of the removal, milliseconds since 1970. */
  timestamp: number
  /** The name that was removed. */
  path: string
  path_bytes?: Uint8Array
  copy: string
  copy_bytes?: Uint8Array
  bytes: number
  how: SnapshotHow
}

/**
 * `gone`: nobody was found to have it open; its data was free before the watcher heard of it. `linked`: it had another name left, and
 * nothing was found that is surely that file. `too-large`: maxSize. `full`: maxTotal. `busy`: too many were removed at once. `not-a-file`: a symbolic link, FIFO, socket or
 * device. `error`: the copy failed.
 */
export type MissReason = 'gone' | 'linked' | 'too-large' | 'full' | 'busy' | 'not-a-file' | 'error'

/** A file that matched and was not kept. */
export interface MissEvent {
  timestamp: number
  path: string
  path_bytes?: Uint8Array
  reason: MissReason
  /** Of an error, its name: `ENOSPC`. */
  code?: string
  message: string
}

export interface SnapshotStats {
  /** Copies kept, and their bytes. */
  kept: number
  bytes: number
  missed: number
  /** Files held now, and how many were let go for others. */
  pinned: number
  unpinned: number
}

interface Heard {
  snapshot: (event: SnapshotEvent) => void
  miss: (event: MissEvent) => void
}

/** A file to be kept. */
interface Wanted extends Sought {
  /** When it was removed, in nanoseconds since 1970. */
  at: bigint
  /** It was the file's last name. */
  last: boolean
  /** Whether a file was there at all isn't known: then there is nothing to miss. */
  perhaps: boolean
  /** Why it was not found under another name. */
  unlinked?: string
}

/** A copy that would exceed what is allowed. */
class Refused extends Error {
  constructor(
    readonly reason: MissReason,
    message: string,
  ) {
    super(message)
  }
}

/** The most copies that are made at once, and that wait with a file open. */
const MOST_AT_ONCE = 4
const MOST_WAITING = 4096

export class Snapshots {
  readonly #options: CheckedSnapshot
  readonly #store: SnapshotStore
  readonly #heard: Heard
  readonly #wants: (path: BytePath) => boolean
  readonly #directories: readonly BytePath[]
  readonly #pins: Pins | undefined
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #running = new Set<Promise<void>>()
  /** What is looked for among the descriptors of all processes, one search after the other. */
  #sought: Wanted[] = []
  #searching: Promise<void> | undefined
  #exhausted = false
  #kept = 0
  #bytes = 0
  #reserved = 0
  #missed = 0

  /** @throws DTraceError `ERR_DTRACE_ARGUMENT` */
  static async open(options: CheckedSnapshot, heard: Heard): Promise<Snapshots> {
    const { include, exclude, directory, search } = options
    const predicate = compilePredicate({ include, exclude })
    const bases = search ?? include.map((glob) => picomatch.scan(glob).base)
    const directories = bases.filter((base) => base.startsWith('/') && base !== '/').map(fromText)
    if (options.pin && directories.length < bases.length) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        'snapshot.pin: each glob in include must begin with a directory, such as /srv/data/**/*.db, or search name the directories: ' +
          'the files of a whole system are too many to hold',
      )
    }
    const store = await SnapshotStore.open(directory)
    const own = fromText(store.path)
    // What is cleared away there must not come back.
    const wants = (path: BytePath): boolean =>
      !path.startsWith(`${own}/`) && predicate({ path: toText(path).text.slice(1) })
    return new Snapshots(options, store, heard, wants, directories)
  }

  private constructor(
    options: CheckedSnapshot,
    store: SnapshotStore,
    heard: Heard,
    wants: (path: BytePath) => boolean,
    directories: readonly BytePath[],
  ) {
    this.#options = options
    this.#store = store
    this.#heard = heard
    this.#wants = wants
    this.#directories = directories
    this.#pins = options.pin
      ? new Pins(options.maxPins, options.maxSize, (error) => this.#cannotPin(error))
      : undefined
  }

  get stats(): SnapshotStats {
    const pins = this.#pins
    return {
      kept: this.#kept,
      bytes: this.#bytes,
      missed: this.#missed,
      pinned: pins?.size ?? 0,
      unpinned: pins?.letGo ?? 0,
    }
  }

  /** Holds the files that are there. */
  async pinAll(): Promise<void> {
    for (const directory of this.#directories) await this.#pins?.pinAll(directory, this.#wants)
  }

  /** Holds a file that was written or got a new name. See {@link Pins.pin}. */
  pin(path: BytePath, since: bigint, link?: string, meant?: Meant): void {
    if (this.#wants(path)) this.#pins?.pin(path, since, link, meant)
  }

  /**
   * Takes what is wanted of these removals, which are in the order of time. What is pinned, and what those who removed it have open,
   * is opened before this returns; the rest is looked for, and all is copied later. Each ends in one snapshot or one miss.
   */
  take(removals: readonly Removal[]): void {
    const left: Wanted[] = []
    const linked: Wanted[] = []
    const openers = new Set<number>()
    const ends = lastNames(removals)
    for (const { event, path, raw } of removals) {
      if (event.error !== undefined || event.file_type === 'directory' || !this.#wants(path)) continue
      const { timestamp, file_type, size = 0, certain, dev = 0 } = event
      const at = raw.timestamp
      const ino = certain ? Number(event.ino ?? 0) : 0
      const [end, next] = (ends.get(keyOf({ dev, ino })) ?? []).filter((time) => time >= at)
      // All its names were removed meanwhile: there is no other to look for.
      const nlink = end === undefined ? raw.nlink : 0
      const wanted = { path, timestamp, at, ino, dev, nlink, last: raw.nlink === 0, perhaps: !certain }
      if (file_type !== undefined && file_type !== 'file') {
        this.#miss(wanted, 'not-a-file', `it was a ${file_type}`)
      } else if (size > this.#options.maxSize) this.#tooLarge(wanted, size)
      else if (next !== undefined) {
        this.#miss(wanted, 'gone', 'its inode number has been given to another file since')
      } else if (!this.#pinned(wanted)) {
        if (nlink > 0 && ino !== 0) linked.push(wanted)
        else left.push(wanted)
        openers.add(raw.pid)
      }
    }
    if (left.length > 0) this.#seek(left, openers)
    if (linked.length > 0) this.#run(() => this.#search(linked))
  }

  /** Something was removed, perhaps, that nobody told of: what is held is looked at. */
  sweep(): void {
    for (const { path, ino, dev } of [...(this.#pins?.removed() ?? [])]) {
      const timestamp = Date.now()
      this.#pinned({
        path,
        ino,
        dev,
        nlink: 0,
        last: true,
        perhaps: true,
        timestamp,
        at: BigInt(timestamp) * 1_000_000n,
      })
    }
  }

  /** All copies have been made. */
  async settled(): Promise<void> {
    while (this.#running.size > 0 || this.#searching !== undefined) {
      await Promise.all([...this.#running, this.#searching])
    }
  }

  async close(): Promise<void> {
    await this.settled()
    this.#pins?.close()
    await this.#store.close()
  }

  #pinned(wanted: Wanted): boolean {
    const pin = this.#pins?.find(wanted.ino, wanted.dev, wanted.at)
    if (pin === undefined) return false
    let opened: Opened | undefined
    try {
      opened = openThrough(`/proc/self/fd/${pin.fd}`, (stats) => isSame(wanted, stats, pin.path))
    } catch (error) {
      this.#failed(wanted, error)
      return true
    }
    if (opened === undefined) return false
    this.#keep(wanted, opened, 'pinned')
    if (opened.stats.nlink === 0) this.#pins?.[wanted.last ? 'release' : 'releaseSoon'](pin)
    return true
  }

  #cannotPin({ message }: Error): void {
    if (this.#exhausted) return
    this.#exhausted = true
    process.emitWarning(
      `snapshot.pin: not all files that match can be held: ${message}. ${this.#pins?.size} are; raise the limit of open files ` +
        '(ulimit -n), or lower snapshot.maxPins',
      { type: 'DTraceWarning', code: 'DTRACE_UNLINK_PIN' },
    )
  }

  /** Looks for what may be open: for a moment at once, as it may be closed in the next, and then where it was not looked yet. */
  #seek(wanted: readonly Wanted[], first: Iterable<number>): void {
    const search = this.#descriptors(wanted, first)
    try {
      search.slice()
    } catch (error) {
      for (const one of search.left) this.#failed(one, error)
      return
    }
    if (search.done) {
      for (const one of search.left) this.#notOpen(one, search.cut)
      return
    }
    for (const one of search.left) {
      if (this.#sought.length >= MOST_WAITING)
        this.#miss(one, 'busy', `${MOST_WAITING} others are looked for`)
      else this.#sought.push(one)
    }
    search.close()
    this.#searching ??= this.#seekRest().finally(() => {
      this.#searching = undefined
    })
  }

  async #seekRest(): Promise<void> {
    while (this.#sought.length > 0) {
      const search = this.#descriptors(this.#sought, [])
      this.#sought = []
      try {
        await search.rest()
        for (const one of search.left) this.#notOpen(one, search.cut)
      } catch (error) {
        for (const one of search.left) this.#failed(one, error)
      }
    }
  }

  #descriptors(wanted: readonly Wanted[], first: Iterable<number>): DescriptorSearch<Wanted> {
    return new DescriptorSearch(wanted, first, (one, opened) => this.#keep(one, opened, 'descriptor'))
  }

  #notOpen(wanted: Wanted, cut: boolean): void {
    const { perhaps, unlinked, ino } = wanted
    if (perhaps) return
    const open = cut
      ? `it was not among the first ${MOST_DESCRIPTORS} descriptors that were looked at`
      : 'nobody was found to have it open'
    if (unlinked !== undefined) this.#miss(wanted, 'linked', `${unlinked}; and ${open}`)
    else if (ino === 0)
      this.#miss(wanted, 'gone', `${open}; the kernel did not tell whether it had another name`)
    else this.#miss(wanted, 'gone', `${open}, and it had no other name`)
  }

  /** Looks for other names. One inode may have lost several. */
  async #search(linked: readonly Wanted[]): Promise<void> {
    const byKey = new Map<string, Set<Wanted>>()
    for (const one of linked) byKey.set(keyOf(one), (byKey.get(keyOf(one)) ?? new Set()).add(one))
    const unsure = new Set<Wanted>()
    const found = (key: string, path: BytePath): boolean => {
      const wanted = byKey.get(key) ?? new Set()
      for (const one of wanted) {
        const opened = openThrough(
          toFs(path),
          (stats) => keyOf(stats) === key && isSameLinked(one, stats),
          constants.O_NOFOLLOW,
        )
        if (opened === undefined) {
          unsure.add(one)
          continue
        }
        wanted.delete(one)
        this.#keep(one, opened, 'link')
      }
      return wanted.size === 0
    }
    const parents = new Set(linked.map(({ path }) => split(path).parent))
    const rest = () => [...byKey.values()].flatMap((wanted) => [...wanted])
    let whole: boolean
    try {
      whole = await findNames([...parents, ...this.#directories], new Set(byKey.keys()), found)
    } catch (error) {
      for (const one of rest()) this.#failed(one, error)
      return
    }
    const where = whole ? 'where it was searched for' : 'among the first 200,000 that were looked at'
    const left = rest().map((one) => ({
      ...one,
      unlinked: unsure.has(one)
        ? 'it had another name then; a file with its inode number was found, but that may be a new one'
        : `it had another name then, which was not found ${where}`,
    }))
    if (left.length > 0) this.#seek(left, [])
  }

  #keep(wanted: Wanted, { fd, stats }: Opened, how: SnapshotHow): void {
    const { maxSize, maxTotal } = this.#options
    const { size } = stats
    const busy = this.#waiting.length >= MOST_WAITING
    if (busy || size > maxSize || this.#reserved + size > maxTotal) {
      closeSync(fd)
      if (busy) this.#miss(wanted, 'busy', `${MOST_WAITING} others wait to be copied`)
      else if (size > maxSize) this.#tooLarge(wanted, size)
      else this.#miss(wanted, 'full', this.#full(size))
      return
    }
    let reserved = size
    this.#reserved += size
    // Who has it open may write on.
    const room = (bytes: number): void => {
      const more = Math.max(0, bytes - reserved)
      if (bytes > maxSize)
        throw new Refused('too-large', `it grew, and exceeds snapshot.maxSize, ${maxSize}, now`)
      if (this.#reserved + more > maxTotal) throw new Refused('full', this.#full(more))
      reserved += more
      this.#reserved += more
    }
    this.#run(async () => {
      let bytes = 0
      try {
        const name = { timestamp: wanted.timestamp, name: split(wanted.path).name }
        const kept = await this.#store.keep(fd, stats, name, room)
        bytes = kept.bytes
        this.#kept++
        this.#bytes += bytes
        this.#tell(wanted, kept.copy, bytes, how)
      } catch (error) {
        if (error instanceof Refused) this.#miss(wanted, error.reason, error.message)
        else this.#failed(wanted, error)
      } finally {
        this.#reserved += bytes - reserved
        closeSync(fd)
      }
    })
  }

  #full(more: number): string {
    return `${more} bytes more would exceed snapshot.maxTotal, ${this.#options.maxTotal}`
  }

  #failed(wanted: Wanted, error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException
    this.#miss(wanted, 'error', message, code)
  }

  #tell({ path, timestamp }: Wanted, copy: BytePath, bytes: number, how: SnapshotHow): void {
    const was = toText(path)
    const is = toText(copy)
    this.#heard.snapshot({
      timestamp,
      path: was.text,
      ...(was.bytes === undefined ? {} : { path_bytes: was.bytes }),
      copy: is.text,
      ...(is.bytes === undefined ? {} : { copy_bytes: is.bytes }),
      bytes,
      how,
    })
  }

  #tooLarge(wanted: Wanted, size: number): void {
    this.#miss(wanted, 'too-large', `its ${size} bytes exceed snapshot.maxSize, ${this.#options.maxSize}`)
  }

  #miss({ path, timestamp }: Wanted, reason: MissReason, why: string, code?: string): void {
    this.#missed++
    const { text, bytes } = toText(path)
    this.#heard.miss({
      timestamp,
      path: text,
      ...(bytes === undefined ? {} : { path_bytes: bytes }),
      reason,
      ...(code === undefined ? {} : { code }),
      message: `${text} was removed and not kept: ${why}`,
    })
  }

  #run(work: () => Promise<void>): void {
    this.#waiting.push(work)
    this.#next()
  }

  #next(): void {
    while (this.#running.size < MOST_AT_ONCE) {
      const work = this.#waiting.shift()
      if (work === undefined) return
      const running = work().finally(() => {
        this.#running.delete(running)
        this.#next()
      })
      this.#running.add(running)
    }
  }
}

/** When inodes lost their last name: the same number may have been several files', one after the other. */
function lastNames(removals: readonly Removal[]): Map<string, bigint[]> {
  const ends = new Map<string, bigint[]>()
  for (const { event, raw } of removals) {
    const { certain, ino, nlink, dev = 0 } = event
    if (!certain || ino === undefined || nlink !== 0) continue
    const key = keyOf({ dev, ino: Number(ino) })
    const known = ends.get(key)
    if (known === undefined) ends.set(key, [raw.timestamp])
    else known.push(raw.timestamp)
  }
  return ends
}

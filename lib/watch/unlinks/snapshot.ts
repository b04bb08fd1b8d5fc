/**
 * Copies of files that have just been removed. A consumer hears of a removal afterwards, so it can only keep what somebody still
 * holds: a process that has the file open, another name of it, or a descriptor that was put on it beforehand. Each success is
 * told, and each miss with its reason.
 */
import { closeSync, constants, type Stats } from 'node:fs'
import picomatch from 'picomatch'
import { compilePredicate } from '../../act/index.js'
import { DTraceError } from '../../errors.js'
import { type BytePath, fromText, join, split, toFs, toText } from '../paths/byte-path.js'
import type { Removal } from './event.js'
import { DeletedFiles, findNames, isSame, openThrough, type Sought } from './snapshot-finder.js'
import type { CheckedSnapshot } from './snapshot-options.js'
import { Pins } from './snapshot-pins.js'
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
 * `gone`: nobody had it open; its data was free before the watcher heard of it. `linked`: not lost, it has another name, which was not
 * found. `too-large`: maxSize. `full`: maxTotal. `busy`: too many were removed at once. `not-a-file`: a symbolic link, FIFO, socket or
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
    const own = join(fromText(store.path), '')
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
    this.#pins = options.pin ? new Pins(options.maxPins, options.maxSize) : undefined
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
  pin(path: BytePath, since: bigint, link?: string, ino?: bigint): void {
    if (this.#wants(path)) this.#pins?.pin(path, since, link, ino)
  }

  /** Takes what is wanted of these removals. The files are opened before this returns, and copied later. */
  take(removals: readonly Removal[]): void {
    const left: Wanted[] = []
    const linked: Wanted[] = []
    let opener = 0
    for (const { event, path, raw } of removals) {
      if (event.error !== undefined || event.file_type === 'directory' || !this.#wants(path)) continue
      const { timestamp, file_type, size = 0, certain } = event
      const ino = Number(event.ino ?? 0)
      const wanted = { path, timestamp, at: raw.timestamp, ino, dev: event.dev ?? 0, nlink: raw.nlink }
      if (file_type !== undefined && file_type !== 'file') {
        this.#miss(wanted, 'not-a-file', `it was a ${file_type}`)
      } else if (size > this.#options.maxSize) this.#tooLarge(wanted, size)
      else if (!this.#pinned(wanted)) {
        if (raw.nlink > 0) linked.push(wanted)
        // Whether a file was there at all isn't known: then there is nothing to miss.
        if (raw.nlink === 0 || !certain) left.push({ ...wanted, ino: certain ? wanted.ino : 0 })
        opener = raw.pid
      }
    }
    if (left.length > 0) this.#opened(left, opener, removals)
    if (linked.length > 0) this.#run(() => this.#search(linked))
  }

  /** Something was removed, perhaps, that nobody told of: what is held is looked at. */
  sweep(): void {
    for (const { path, ino, dev } of [...(this.#pins?.removed() ?? [])]) {
      const timestamp = Date.now()
      this.#pinned({ path, ino, dev, nlink: 0, timestamp, at: BigInt(timestamp) * 1_000_000n })
    }
  }

  /** All copies have been made. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async close(): Promise<void> {
    await this.settled()
    this.#pins?.close()
    await this.#store.close()
  }

  #pinned(wanted: Wanted): boolean {
    const pin = this.#pins?.find(wanted.ino, wanted.dev, wanted.at)
    if (pin === undefined) return false
    const opened = openThrough(`/proc/self/fd/${pin.fd}`, (stats) => isSame(wanted, stats, pin.path))
    if (opened === undefined) return false
    this.#keep(wanted, opened, 'pinned')
    if (opened.stats.nlink === 0) this.#pins?.release(pin)
    return true
  }

  #opened(left: readonly Wanted[], opener: number, removals: readonly Removal[]): void {
    const uncertain = new Set(removals.filter(({ event }) => !event.certain).map(({ path }) => path))
    const files = new DeletedFiles(opener)
    for (const wanted of left) {
      const opened = files.open(wanted)
      if (opened !== undefined) this.#keep(wanted, opened, 'descriptor')
      else if (!uncertain.has(wanted.path)) {
        this.#miss(wanted, 'gone', 'nobody had it open any more, and it had no other name')
      }
    }
  }

  async #search(linked: readonly Wanted[]): Promise<void> {
    const byKey = new Map(linked.map((wanted) => [`${wanted.dev}:${wanted.ino}`, wanted]))
    const parents = new Set(linked.map(({ path }) => split(path).parent))
    const whole = await findNames([...parents, ...this.#directories], new Set(byKey.keys()), (key, path) => {
      const wanted = byKey.get(key)
      const opened = openThrough(toFs(path), ({ dev, ino }) => `${dev}:${ino}` === key, constants.O_NOFOLLOW)
      if (wanted === undefined || opened === undefined) return false
      this.#keep(wanted, opened, 'link')
      byKey.delete(key)
      return true
    })
    const where = whole ? 'where it was searched for' : 'among the first 200,000 that were looked at'
    for (const wanted of byKey.values()) {
      this.#miss(wanted, 'linked', `it is not lost, it has another name; but that was not found ${where}`)
    }
  }

  #keep(wanted: Wanted, { fd, stats }: { fd: number; stats: Stats }, how: SnapshotHow): void {
    const { maxSize, maxTotal } = this.#options
    const { size } = stats
    const busy = this.#waiting.length >= MOST_WAITING
    if (busy || size > maxSize || this.#reserved + size > maxTotal) {
      closeSync(fd)
      if (busy) this.#miss(wanted, 'busy', `${MOST_WAITING} others wait to be copied`)
      else if (size > maxSize) this.#tooLarge(wanted, size)
      else this.#miss(wanted, 'full', `${size} bytes more would exceed snapshot.maxTotal, ${maxTotal}`)
      return
    }
    this.#reserved += size
    this.#run(async () => {
      try {
        const name = { timestamp: wanted.timestamp, name: split(wanted.path).name }
        const { copy, bytes } = await this.#store.keep(fd, stats, name)
        this.#kept++
        this.#bytes += bytes
        this.#tell(wanted, copy, bytes, how)
      } catch (error) {
        this.#reserved -= size
        const { code, message } = error as NodeJS.ErrnoException
        this.#miss(wanted, 'error', message, code)
      } finally {
        closeSync(fd)
      }
    })
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

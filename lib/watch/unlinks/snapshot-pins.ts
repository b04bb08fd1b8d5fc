/**
 * Files that are held before they are removed: a descriptor on an inode keeps its data, whoever unlinks it. O_PATH descriptors:
 * they don't read, wake a FIFO's writer or break a lease, and a file can be opened through them when it has no name any more.
 */
import { closeSync, constants, type Dirent, fstatSync, openSync, type Stats, statfsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { type BytePath, join, toFs } from '../paths/byte-path.js'
import { isExhausted, keyOf } from './snapshot-finder.js'

/** Linux's, on the architectures that Node runs on; Node has no name for it. */
const O_PATH = 0o10000000
const { O_NOFOLLOW } = constants

interface Pin {
  fd: number
  dev: number
  ino: number
  path: BytePath
  /** When it had this name, in nanoseconds since 1970: what was removed before was another file. */
  since: bigint
  /** It is released soon. */
  ending?: boolean
}

/** btrfs: stat(2) shows another device than the kernel's `s_dev` (linux/magic.h). */
const OTHER_DEVICE = 0x9123683e
/** How long a file without a name is held for the removals of its other names, which may be told later, in milliseconds. */
const ENDING = 1000

/** What a link must lead to: the kernel's inode number, and the device as stat(2) has it. */
export interface Meant {
  ino: bigint
  dev: number
}

export class Pins {
  readonly #limit: number
  readonly #maxSize: number
  readonly #exhausted: (error: Error) => void
  /** By inode number; the one that was used longest ago comes first. */
  readonly #pins = new Map<string, Pin>()
  #letGo = 0

  /** @param exhausted is told when no file can be opened: EMFILE, ENFILE */
  constructor(limit: number, maxSize: number, exhausted: (error: Error) => void) {
    this.#limit = limit
    this.#maxSize = maxSize
    this.#exhausted = exhausted
  }

  /** How many are held. */
  get size(): number {
    return this.#pins.size
  }

  /** How many were let go to hold others. */
  get letGo(): number {
    return this.#letGo
  }

  /**
   * Holds a file.
   *
   * @param path what it is called
   * @param since when it was called so, in nanoseconds since 1970
   * @param link a link of /proc that leads to it, whoever sees it at which path
   * @param meant the file: the link's descriptor may be another's by now, and so may the path be
   */
  pin(path: BytePath, since: bigint, link?: string, meant?: Meant): boolean {
    const name = { path, since }
    return (
      (link !== undefined && this.#open(link, name, 0, meant)) ||
      this.#open(toFs(path), name, O_NOFOLLOW, meant)
    )
  }

  /** Holds all files below a directory that are wanted, as long as there is room. */
  async pinAll(top: BytePath, wanted: (path: BytePath) => boolean): Promise<void> {
    const directories = [top]
    for (
      let at = directories.pop();
      at !== undefined && this.#pins.size < this.#limit;
      at = directories.pop()
    ) {
      let entries: Dirent[]
      try {
        entries = await readdir(toFs(at), { withFileTypes: true, encoding: 'latin1' })
      } catch {
        // It has gone, or is no directory.
        continue
      }
      for (const entry of entries) {
        const path = join(at, entry.name)
        if (entry.isDirectory()) directories.push(path)
        else if (entry.isFile() && this.#pins.size < this.#limit && wanted(path)) this.pin(path, 0n)
      }
    }
  }

  /** What is held of a removed file. @param timestamp of the removal */
  find(ino: number, dev: number, timestamp: bigint): Readonly<Pin> | undefined {
    const pin = this.#pins.get(keyOf({ dev, ino })) ?? this.#elsewhere(ino)
    return pin !== undefined && pin.since <= timestamp ? pin : undefined
  }

  /** The file has no name any more, and its data is not needed. */
  release(pin: Readonly<Pin>): void {
    if (this.#pins.get(keyOf(pin))?.fd === pin.fd) this.#close(keyOf(pin), pin)
  }

  /** The file has no name any more, but it had several: the removals of the others may not have been told yet. */
  releaseSoon(pin: Readonly<Pin>): void {
    const known = this.#pins.get(keyOf(pin))
    if (known === undefined || known.ending === true) return
    known.ending = true
    setTimeout(() => known === this.#pins.get(keyOf(pin)) && this.release(known), ENDING).unref()
  }

  /** What is held and has no name any more, without anybody having told. */
  *removed(): Generator<Readonly<Pin>> {
    for (const pin of this.#pins.values()) {
      if (pin.ending !== true && fstatSync(pin.fd).nlink === 0) yield pin
    }
  }

  close(): void {
    for (const [key, pin] of this.#pins) this.#close(key, pin)
  }

  /** On btrfs stat(2) shows another device than the kernel's `s_dev`. */
  #elsewhere(ino: number): Pin | undefined {
    for (const pin of this.#pins.values()) {
      if (pin.ino === ino && fstatSync(pin.fd).nlink === 0) return pin
    }
    return undefined
  }

  #open(
    from: string | Buffer,
    name: { path: BytePath; since: bigint },
    flags: number,
    meant: Meant | undefined,
  ): boolean {
    let fd: number
    try {
      fd = openSync(from, O_PATH | flags)
    } catch (error) {
      if (isExhausted(error)) this.#exhausted(error as Error)
      return false
    }
    const stats = fstatSync(fd)
    const { dev, ino, size } = stats
    const key = keyOf(stats)
    const known = this.#pins.get(key)
    const unfit =
      !stats.isFile() || size > this.#maxSize || (meant !== undefined && !isMeant(meant, fd, stats))
    if (unfit || known !== undefined) {
      closeSync(fd)
      if (known === undefined) return false
      this.#pins.delete(key)
      this.#pins.set(key, { ...known, path: name.path })
      return true
    }
    this.#pins.set(key, { fd, dev, ino, ...name })
    if (this.#pins.size > this.#limit) {
      const [oldest] = this.#pins
      if (oldest !== undefined) this.#close(...oldest)
      this.#letGo++
    }
    return true
  }

  #close(key: string, { fd }: Readonly<Pin>): void {
    this.#pins.delete(key)
    closeSync(fd)
  }
}

function isMeant(meant: Meant, fd: number, { dev, ino }: Stats): boolean {
  if (meant.ino !== BigInt(ino)) return false
  return meant.dev === dev || statfsSync(`/proc/self/fd/${fd}`).type === OTHER_DEVICE
}

/** Where a removed file can still be had: through a descriptor of some process, or under another name. */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { type BytePath, join, split, toFs } from '../paths/byte-path.js'

/** A removed file. */
export interface Sought {
  path: BytePath
  /** 0 where it isn't known. */
  ino: number
  /** As stat(2) has it. */
  dev: number
  /** Links that it had left. */
  nlink: number
  /** When, in milliseconds since 1970. */
  timestamp: number
}

const DELETED = ' (deleted)'
/** How much the kernel's clocks for files and for DTrace may differ, in milliseconds. */
const DRIFT = 2000
/** O_NONBLOCK: should it be a FIFO after all, opening doesn't wait for its writer. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK
/** The most directory entries that a search looks at. */
const MOST_ENTRIES = 200_000

/**
 * Whether a file with the sought inode number is the sought file. Inode numbers are given anew as soon as they are free, so it may
 * be a file that was made afterwards; that has a name yet, or came into being later. Where that is too close to say, its name
 * decides.
 */
export function isSame({ path, nlink, timestamp }: Sought, stats: Stats, found: BytePath): boolean {
  if (stats.nlink > nlink || stats.birthtimeMs > timestamp + DRIFT) return false
  const old = stats.birthtimeMs > 0 && stats.birthtimeMs < timestamp - DRIFT
  return old || split(found).name === split(path).name
}

/** Opens a file through /proc, if it is the one that is meant. @returns its descriptor, and what it is */
export function openThrough(
  link: string | Buffer,
  fits: (stats: Stats) => boolean,
  flags = 0,
): { fd: number; stats: Stats } | undefined {
  let fd: number
  try {
    fd = openSync(link, FLAGS | flags)
  } catch {
    return undefined
  }
  const stats = fstatSync(fd)
  if (stats.isFile() && fits(stats)) return { fd, stats }
  closeSync(fd)
  return undefined
}

/**
 * All descriptors of files without a name, of all processes: by inode, and by the path that they had. /proc says `(deleted)` of them
 * (proc_pid_fd(5)). Looked at at once: any of these processes may close it, or end.
 */
export class DeletedFiles {
  readonly #byInode = new Map<string, { link: string; path: BytePath }>()
  readonly #byPath = new Map<BytePath, { link: string; dev: number; ino: number }>()

  /** @param first a process to begin with: the one that removed something has it open more often than others */
  constructor(first: number) {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    this.#look(String(first))
    for (const pid of pids) if (pid !== String(first)) this.#look(pid)
  }

  /** @returns an open descriptor of our own */
  open(sought: Sought): { fd: number; stats: Stats } | undefined {
    const { path, ino, dev } = sought
    const inode = ino === 0 ? undefined : this.#byInode.get(`${dev}:${ino}`)
    if (inode !== undefined) {
      return openThrough(
        inode.link,
        (stats) => stats.ino === ino && stats.dev === dev && isSame(sought, stats, inode.path),
      )
    }
    // On overlayfs and btrfs stat(2) shows other numbers than the kernel's inode has.
    const named = this.#byPath.get(path)
    return (
      named &&
      openThrough(
        named.link,
        (stats) => stats.ino === named.ino && stats.dev === named.dev && isSame(sought, stats, path),
      )
    )
  }

  #look(pid: string): void {
    let descriptors: string[]
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`)
    } catch {
      // It has ended.
      return
    }
    for (const name of [...descriptors.map((fd) => `fd/${fd}`), 'exe']) {
      const link = `/proc/${pid}/${name}`
      try {
        const text = readlinkSync(link, 'latin1')
        if (!text.endsWith(DELETED) || !text.startsWith('/')) continue
        const { dev, ino } = statSync(link)
        const path = text.slice(0, -DELETED.length)
        this.#byInode.set(`${dev}:${ino}`, { link, path })
        this.#byPath.set(path, { link, dev, ino })
      } catch {
        // Closed meanwhile.
      }
    }
  }
}

/**
 * Looks for files by their inode numbers below directories.
 *
 * @param found called for each name of a sought file, with its key: `dev:ino`
 * @returns false when there was too much to look at
 */
export async function findNames(
  directories: readonly BytePath[],
  sought: Set<string>,
  found: (key: string, path: BytePath) => boolean,
): Promise<boolean> {
  const pending = [...directories].reverse()
  const seen = new Set<BytePath>()
  let entries = 0
  for (let at = pending.pop(); at !== undefined && sought.size > 0; at = pending.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    let listed: Dirent[]
    try {
      listed = await readdir(toFs(at), { withFileTypes: true, encoding: 'latin1' })
    } catch {
      continue
    }
    for (const entry of listed) {
      if (++entries > MOST_ENTRIES) return false
      const path = join(at, entry.name)
      if (entry.isDirectory()) pending.push(path)
      if (!entry.isFile()) continue
      const stats = await lstat(toFs(path)).catch(() => undefined)
      const key = stats && `${stats.dev}:${stats.ino}`
      if (key !== undefined && sought.has(key) && found(key, path)) sought.delete(key)
    }
  }
  return true
}

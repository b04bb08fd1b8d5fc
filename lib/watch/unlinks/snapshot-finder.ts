/** What tells whether a file is the one that was removed, and where it may have another name. */
import { closeSync, constants, type Dirent, fstatSync, openSync, type Stats } from 'node:fs'
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

/** A descriptor of our own, and what it leads to. */
export interface Opened {
  fd: number
  stats: Stats
}

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

/**
 * Whether a file that has a name is one whose other name was removed. Here no name decides: files in one directory come and go with the
 * same numbers. What was made long enough before the removal had its number then.
 */
export function isSameLinked({ timestamp }: Sought, { nlink, birthtimeMs }: Stats): boolean {
  return nlink > 0 && birthtimeMs > 0 && birthtimeMs < timestamp - DRIFT
}

/** A removal changes the ctime of what loses a name (unlink(2)): what has an older one was not removed then. */
export function removedAfter({ timestamp }: Sought, { ctimeMs }: Stats): boolean {
  return ctimeMs >= timestamp - DRIFT
}

/** Which inode it is. */
export function keyOf({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`
}

/** This process, or the machine, can't open any more files: that nothing was found says nothing. */
export function isExhausted(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Opens a file through /proc, if it is the one that is meant. @throws EMFILE, ENFILE */
export function openThrough(
  link: string | Buffer,
  fits: (stats: Stats) => boolean,
  flags = 0,
): Opened | undefined {
  let fd: number
  try {
    fd = openSync(link, FLAGS | flags)
  } catch (error) {
    if (isExhausted(error)) throw error
    return undefined
  }
  const stats = fstatSync(fd)
  if (stats.isFile() && fits(stats)) return { fd, stats }
  closeSync(fd)
  return undefined
}

/**
 * Looks for files by their inode numbers below directories.
 *
 * @param found called for each name of a file with such a number, with its key: `dev:ino`; true when it isn't sought any more
 * @throws EMFILE, ENFILE
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
    } catch (error) {
      if (isExhausted(error)) throw error
      continue
    }
    for (const entry of listed) {
      if (++entries > MOST_ENTRIES) return false
      const path = join(at, entry.name)
      if (entry.isDirectory()) pending.push(path)
      if (!entry.isFile()) continue
      const stats = await lstat(toFs(path)).catch(() => undefined)
      const key = stats && keyOf(stats)
      if (key !== undefined && sought.has(key) && found(key, path)) sought.delete(key)
    }
  }
  return true
}

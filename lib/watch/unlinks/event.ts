/** What an unlinks watcher tells about one removal. */
import { lstatSync } from 'node:fs'
import { errnoName } from '../errno-name.js'
import { type BytePath, join, split, toFs, toText } from '../paths/byte-path.js'
import { type FullPaths, UNKNOWN } from '../paths/full-path.js'
import { lexical } from '../paths/resolve-path.js'
import type { RawRemoval, RemovedName } from './records.js'

/** `unlink` is unlinkat(2) too, and `rename` renameat(2) and renameat2(2); unlinkat with AT_REMOVEDIR is `rmdir`. */
export type UnlinkOp = 'unlink' | 'rmdir' | 'rename'

export type FileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'block device'
  | 'character device'

export interface UnlinkEvent {
  /** Milliseconds since 1970, with fractions. */
  timestamp: number
  op: UnlinkOp
  /** The name that was removed: absolute, as the process' mount namespace has it. Of a rename the new name, whose file was replaced. */
  path: string
  /** The path as bytes, where it is not UTF-8: `path` has U+FFFD for what isn't. */
  path_bytes?: Uint8Array
  /** Of a rename: what took its place, where that was before. */
  replaced_by?: string
  replaced_by_bytes?: Uint8Array
  /**
   * Something was removed. False of a call that failed, and of a rename where the kernel does not tell whether there was a file
   * under the new name.
   */
  certain: boolean
  /** The kernel's name of the process, at most 15 bytes. */
  execname: string
  pid: number
  tid: number
  /** Real user. */
  uid: number
  zone_name: string
  /** Inode number of the PID namespace. */
  zone_id: number
  /** What was removed, where the kernel tells: its inode number, and the device that it is on as stat(2) has it. */
  ino?: number | bigint
  dev?: number
  file_type?: FileType
  /** Bytes. Not of directories. */
  size?: number
  /** The links that it has left: 0 when this was the last. */
  nlink?: number
  /** Only of what failed: why, as a number and by its name: 2, `ENOENT`. */
  errno?: number
  error?: string
}

/** An event, and what its path is in bytes. */
export interface Removal {
  event: UnlinkEvent
  path: BytePath
  raw: RawRemoval
}

const TYPES: Readonly<{ [type: number]: FileType }> = {
  1: 'fifo',
  2: 'character device',
  4: 'directory',
  6: 'block device',
  8: 'file',
  10: 'symlink',
  12: 'socket',
}

export function makeRemoval(raw: RawRemoval, paths: FullPaths, zone_name: string): Removal {
  const path = fullPath(raw.name, raw.pid, paths)
  const { text, bytes } = toText(path)
  const from = raw.from === undefined ? undefined : toText(fullPath(raw.from, raw.pid, paths))
  const failed = raw.errno !== 0
  const event: UnlinkEvent = {
    timestamp: Number(raw.timestamp / 1000n) / 1000,
    op: raw.op,
    path: text,
    ...(bytes === undefined ? {} : { path_bytes: bytes }),
    ...(from === undefined ? {} : { replaced_by: from.text }),
    ...(from?.bytes === undefined ? {} : { replaced_by_bytes: from.bytes }),
    certain: !failed && raw.replaced === 'yes',
    execname: toText(raw.execname).text,
    pid: raw.pid,
    tid: raw.tid,
    uid: raw.uid,
    zone_name,
    zone_id: raw.zone_id,
    ...inodeOf(raw),
    ...(failed ? { errno: raw.errno, error: errnoName(raw.errno) } : {}),
  }
  return { event, path, raw }
}

/**
 * A rename between two names of one file does nothing (rename(2)), and both are still there. Where the kernel didn't tell what was
 * changed, that may be why.
 */
export function didNothing({ raw, path }: Removal, paths: FullPaths): boolean {
  if (raw.replaced !== 'unknown' || raw.from === undefined || raw.errno !== 0) return false
  try {
    const from = lstatSync(toFs(fullPath(raw.from, raw.pid, paths)), { bigint: true })
    const to = lstatSync(toFs(path), { bigint: true })
    return from.ino === to.ino && from.dev === to.dev
  } catch {
    return false
  }
}

function inodeOf({ ino, mode, size, nlink, name }: RawRemoval): Partial<UnlinkEvent> {
  if (ino === 0n) return {}
  const file_type = TYPES[mode >> 12]
  const number = Number(ino)
  return {
    ino: Number.isSafeInteger(number) ? number : ino,
    dev: statDevice(name.walk.dev),
    ...(file_type === undefined ? {} : { file_type }),
    ...(file_type === 'directory' ? {} : { size: Number(size) }),
    nlink,
  }
}

/** The kernel's `major << 20 | minor` as stat(2) has it: makedev(3) of glibc. */
export function statDevice(dev: number): number {
  const major = Math.floor(dev / 2 ** 20)
  const minor = dev % 2 ** 20
  return (minor % 2 ** 8) + (major % 2 ** 12) * 2 ** 8 + Math.floor(minor / 2 ** 8) * 2 ** 20
}

function fullPath({ walk, exact, text, dirfd }: RemovedName, pid: number, paths: FullPaths): BytePath {
  const link = dirfd === undefined ? `/proc/${pid}/cwd` : `/proc/${pid}/fd/${dirfd}`
  if (!exact) return paths.resolved(walk, text, pid, text.startsWith('/') ? `/proc/${pid}/root` : link).path
  // Symbolic links on the way were followed by the kernel: its directory is this one, whatever the string says.
  const { name } = split(text)
  const { path } = paths.walked(walk, pid, text.includes('/') ? undefined : link)
  const full = join(path, name)
  if (!path.startsWith(UNKNOWN) || !text.startsWith('/')) return full
  const written = lexical(text)
  return written.endsWith(full.slice(UNKNOWN.length)) ? written : full
}

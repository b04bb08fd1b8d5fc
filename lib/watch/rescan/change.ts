/** What a rescan watcher tells about one change. */
import { Buffer } from 'node:buffer'
import { lstatSync, statSync } from 'node:fs'
import { type BytePath, toFs, toText } from '../paths/byte-path.js'
import type { RawAuthor } from './records.js'
import { type Place, pathOf, type WatchedDirectory } from './roots.js'

/**
 * What was done. `open` is for writing, or creates the file; `truncate` is ftruncate(2) too; `mount` and `umount` are of a
 * mount point below the watched directory.
 */
export type RescanOp =
  | 'open'
  | 'creat'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'symlink'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'mknod'
  | 'mount'
  | 'umount'

export interface RescanChange {
  /** Below the watched directory as it was given. Of a rename the new path, or the old one when it moved out. */
  path: string
  /** The path as bytes, where it is not UTF-8: `path` has U+FFFD for what isn't. */
  path_bytes?: Uint8Array
  op: RescanOp
  /** The kernel's name of the process, at most 15 bytes. */
  execname: string
  pid: number
  /** Real user. */
  uid: number
  /** UTS node name: the host's, or a container's. */
  zone_name: string
  /** Milliseconds since 1970, with fractions. */
  timestamp: number
  /** The watched directory, as it was given. */
  directory: string
  /** Of a rename: the old path, where it was in a watched directory. */
  from?: string
  from_bytes?: Uint8Array
  /** Of a rename: the new path, where it is in a watched directory. */
  to?: string
  to_bytes?: Uint8Array
}

export function makeChange(
  author: RawAuthor & { op: string },
  place: Place,
  rename?: { from?: Place | undefined; to?: Place | undefined },
): RescanChange {
  const { text: path, bytes } = toText(pathOf(place))
  return {
    path,
    op: author.op as RescanOp,
    execname: toText(author.execname).text,
    pid: author.pid,
    uid: author.uid,
    zone_name: toText(author.zone_name).text,
    timestamp: Number(author.timestamp / 1000n) / 1000,
    directory: place.directory.name,
    ...(bytes === undefined ? {} : { path_bytes: bytes }),
    ...side('from', rename?.from),
    ...side('to', rename?.to),
  }
}

function side(name: 'from' | 'to', place: Place | undefined): Partial<RescanChange> {
  if (place === undefined) return {}
  const { text, bytes } = toText(pathOf(place))
  return { [name]: text, ...(bytes === undefined ? {} : { [`${name}_bytes`]: bytes }) }
}

/** For JSON: bytes in base64. */
export function changeToJSON(change: RescanChange): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(change).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    ]),
  )
}

const DIRECTORY_OPS: ReadonlySet<string> = new Set(['mkdir', 'rmdir', 'mount', 'umount'])

/**
 * The change is about a directory, and with it about all that is in it. Of a rename no system call tells what was moved: it
 * is looked at where it is now; what can't be seen any more may have been one.
 */
export function concernsDirectory(op: string, now: BytePath | undefined): boolean {
  if (DIRECTORY_OPS.has(op)) return true
  if (op === 'rename') {
    return now === undefined || (lookAt(now, lstatSync) ?? true)
  }
  // A link to a directory brings files along, too.
  return op === 'symlink' && now !== undefined && (lookAt(now, statSync) ?? false)
}

function lookAt(path: BytePath, stat: typeof lstatSync): boolean | undefined {
  try {
    return stat(toFs(path), { throwIfNoEntry: false })?.isDirectory()
  } catch {
    return undefined
  }
}

/** A directory that has gone, or is back. */
export interface DirectoryEvent {
  /** As it was given. */
  path: string
}

export function directoryEvent({ name }: WatchedDirectory): DirectoryEvent {
  return { path: name }
}

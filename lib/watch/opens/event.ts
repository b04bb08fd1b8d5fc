/** What a watcher of opens tells about one. */

import { errnoName } from '../errno-name.js'
import { type BytePath, join, toText } from '../paths/byte-path.js'
import { type FullPath, type FullPaths, type PathWalk, UNKNOWN } from '../paths/full-path.js'
import { lexical, readLink } from '../paths/resolve-path.js'
import { openFlagNames, opensWithMode } from './flags.js'
import type { RawOpen } from './records.js'

export type OpenOp = 'open' | 'openat' | 'openat2' | 'creat'

/** One call of open(2) or its kin that has returned. */
export interface OpenEvent {
  /** When it returned: milliseconds since 1970, with fractions. */
  timestamp: number
  /** How long it took, in milliseconds. */
  elapsed: number
  /** The system call. */
  op: OpenOp
  /** A container's name, or a node name. */
  zone_name: string
  /** Inode number of the PID namespace. */
  zone_id: number
  /** Real user. */
  uid: number
  pid: number
  tid: number
  /** The kernel's name of the process, at most 15 bytes. */
  execname: string
  /**
   * Absolute, from the root of the process' mount namespace. Of an opened file its own path, whatever links led to it; of one that
   * could not be opened the string that was passed, made absolute as it is written. What is no file of a tree is named as /proc does
   * (`pipe:[4711]`). Empty for a bad address. It begins with `…/` where its upper part isn't known.
   */
  path: string
  /** The path as bytes, where it is not UTF-8: `path` has U+FFFD for what isn't. */
  path_bytes?: Uint8Array
  /** All of `path` is what the kernel had at that moment. False: some was looked up afterwards, or is as it was written. */
  exact: boolean
  /** The string as it was passed. */
  passed: string
  passed_bytes?: Uint8Array
  /** The new descriptor, when it succeeded. */
  fd?: number
  /** Why it failed: the number, */
  errno?: number
  /** and its name: `ENOENT`. */
  error?: string
  /** As passed, with the bits of this architecture; for creat(2) what it stands for. */
  flags: number
  /** `['O_RDONLY', 'O_CLOEXEC']` */
  flag_names: readonly string[]
  /** Permissions for a new file, as passed, before the umask. With O_CREAT and O_TMPFILE only. */
  mode?: number
  /** The opened file has no name (any more): O_TMPFILE, or removed. `path` is what it was, or would be. */
  unlinked?: true
}

/** Nothing was walked. */
const NOT_WALKED = 201
/** The walk came to the root of the file system. */
const COMPLETE = 200
const AT_FDCWD = -100

/** `s_magic` of file systems whose files have no tree, from linux/magic.h, and what /proc calls these files. */
const WITHOUT_TREE: Readonly<{ [magic: number]: string }> = {
  1346981957: 'pipe',
  1397703499: 'socket',
  1853056627: 'ns',
  1346978886: 'pidfd',
}
const ANON_INODE = 0x09041934

/** Where an open was. */
export interface OpenPath extends FullPath {
  unlinked: boolean
}

/** @returns where it was, or would have been */
export function openPath(open: RawOpen, paths: FullPaths): OpenPath {
  const { fields, text } = open
  if (fields.level === NOT_WALKED) {
    // An absolute string means the same whatever the descriptor, as far as it can be told from here.
    const path =
      text === '' || text.startsWith('/')
        ? text && lexical(text)
        : join(UNKNOWN, lexical(`/${text}`).slice(1))
    return { path, exact: false, unlinked: false }
  }
  const link = linkTo(open)
  const nameless = withoutTree(open)
  if (fields.errno !== 0) {
    const { path, exact } =
      nameless === undefined
        ? paths.named(walkOf(open), text, fields.pid, link)
        : { path: text === '' ? nameless : join(nameless, text), exact: false }
    return { path, exact, unlinked: false }
  }
  if (nameless !== undefined) return { path: nameless, exact: true, unlinked: nameless.startsWith('/') }
  const found = paths.walked(walkOf(open), fields.pid, link)
  const unlinked = fields.unlinked !== 0
  return { ...(found.exact ? found : { path: asWritten(open) ?? found.path, exact: false }), unlinked }
}

/**
 * Where neither the kernel nor /proc has all of a path: the string that was passed, if it is absolute and ends as the path does. Of a
 * tree that was too deep all that was walked must agree; where only the mount isn't known any more, the last name.
 */
function asWritten({ fields, names, text }: RawOpen): BytePath | undefined {
  if (!text.startsWith('/')) return undefined
  const written = join(tryReadLink(`/proc/${fields.pid}/root`) ?? '/', lexical(text).slice(1))
  const known = fields.level < COMPLETE ? names.slice(-1) : names
  return written.endsWith(`/${known.join('/')}`) ? written : undefined
}

function walkOf({ fields, names }: RawOpen): PathWalk {
  const { level, dev, ino, mnt, mntns } = fields
  const isRoot = level === 0
  return { dev, names: isRoot ? [] : names, complete: level < COMPLETE, ino, mnt, mntns }
}

/** What in /proc leads to where the walk began. */
function linkTo({ fields, text }: RawOpen): string {
  const { pid, fd, dirfd } = fields
  if (fd >= 0) return `/proc/${pid}/fd/${fd}`
  if (text.startsWith('/')) return `/proc/${pid}/root`
  return dirfd === AT_FDCWD ? `/proc/${pid}/cwd` : `/proc/${pid}/fd/${dirfd}`
}

/** Its name as /proc would show it, if it is nothing that has a path; undefined if it has one. */
function withoutTree({ fields, names, text }: RawOpen): BytePath | undefined {
  const { level, magic, ino } = fields
  if (level !== 0) return undefined
  const [name] = names
  const kind = WITHOUT_TREE[magic]
  if (kind === undefined) {
    if (name === '/' || name === undefined) return undefined
    // A memfd, which its file system names, or anything of the kernel's.
    return magic === ANON_INODE ? `anon_inode:${name}` : `/${name}`
  }
  // Which kind of namespace it is, the path says that nearly always leads there: /proc/PID/ns/mnt.
  const space = kind === 'ns' ? /\/ns\/([a-z]+)(?:_for_children)?$/.exec(text)?.[1] : undefined
  return `${space ?? kind}:[${ino}]`
}

function tryReadLink(link: string): BytePath | undefined {
  try {
    return readLink(link)
  } catch {
    return undefined
  }
}

export function makeOpenEvent({ fields, text }: RawOpen, where: OpenPath, zone_name: string): OpenEvent {
  const { timestamp, elapsed, op, zone_id, uid, pid, tid, execname, fd, errno, flags, mode } = fields
  const path = toText(where.path)
  const passed = toText(text)
  const event: OpenEvent = {
    timestamp: Number(timestamp / 1000n) / 1000,
    elapsed: Number(elapsed) / 1e6,
    op: op as OpenOp,
    zone_name,
    zone_id,
    uid,
    pid,
    tid,
    execname: toText(execname).text,
    path: path.text,
    exact: where.exact,
    passed: passed.text,
    flags,
    flag_names: openFlagNames(flags),
  }
  if (path.bytes !== undefined) event.path_bytes = path.bytes
  if (passed.bytes !== undefined) event.passed_bytes = passed.bytes
  if (errno === 0) event.fd = fd
  else {
    event.errno = errno
    event.error = errnoName(errno)
  }
  if (opensWithMode(flags)) event.mode = mode
  if (where.unlinked) event.unlinked = true
  return event
}

/**
 * Full paths, from what the kernel walked. Its tree of names ends at each file system's root; where that is mounted, and at
 * which path the process' mount namespace has it, is looked up here.
 */
import { lstatSync } from 'node:fs'
import { type BytePath, below, join, split, toFs } from './byte-path.js'
import { MountViews } from './mount-views.js'
import { absolute, lexical, readLink, resolvePath } from './resolve-path.js'

/** The kernel's walk from a file or directory (`struct dentry`, d_parent) towards the root of its file system. */
export interface PathWalk {
  /** `s_dev` of the file system, as the kernel keeps it: major << 20 | minor. */
  dev: number
  /** The names that were walked, the outermost first; none for the root itself. */
  names: readonly BytePath[]
  /** The walk came to the file system's root. False: there is more above the first name. */
  complete: boolean
  /** Where it is not complete: inode number of the directory that the first name is in. */
  ino?: bigint
  /**
   * `mnt_id` of the mount that it was reached through. In D, of a `struct path` such as `file->f_path` or `curthread->fs->pwd`:
   * `((struct mount *)((uintptr_t)path.mnt - offsetof(struct mount, mnt)))->mnt_id`.
   */
  mnt?: number
  /** Inode number of the process' mount namespace: `curthread->nsproxy->mnt_ns->ns.inum`. */
  mntns: number
}

export interface FullPath {
  /**
   * Absolute, from the root of the mount namespace: a process in a chroot(2) has a part of it before its own `/`. It begins
   * with `…/` instead (U+2026, UTF-8) where what is above isn't known: the tree is deeper than the walk, or nobody is left who
   * could say where it is mounted.
   */
  path: BytePath
  /** Every name in it is the one that the kernel had. False: some was looked up afterwards, or is what the program wrote. */
  exact: boolean
}

/** What a path begins with whose upper part isn't known: `…` in UTF-8. */
export const UNKNOWN: BytePath = '\xe2\x80\xa6'

const DELETED = ' (deleted)'
const MOST_DEEP = 1024

/**
 * Makes full paths. One for each watcher.
 *
 * It never fails: when the process, its namespace or the mount has gone by the time that the record is read, the best that
 * is known is given, and `exact` is false. It asks /proc, without opening files; mount tables are read, and kept.
 *
 * @example
 * const paths = new FullPaths()
 * // The file that a descriptor stands for:
 * paths.walked(walk, pid, `/proc/${pid}/fd/${fd}`)
 * // A path string that a call got, starting from the walked directory (cwd, dirfd's, or root):
 * paths.named(walk, text, pid, `/proc/${pid}/cwd`)
 * // A record says that mounts have changed:
 * paths.mountsChanged()
 */
export class FullPaths {
  readonly #views = new MountViews()
  /** Directories above an incomplete walk that were found, by device and inode. */
  readonly #deep = new Map<string, BytePath>()

  /**
   * The path of what was walked from.
   *
   * @param pid the process
   * @param link a link of /proc to the same file (`/proc/PID/fd/N`, `/proc/PID/cwd`), asked where the walk doesn't suffice
   */
  walked(walk: PathWalk, pid: number, link?: string): FullPath {
    const { dev, names, complete, mnt, mntns } = walk
    if (!complete) return this.#deeper(walk, pid, link)
    const inside = `/${names.join('/')}`
    const mount = mnt === undefined ? undefined : this.#views.mount(mnt, dev, mntns, pid)
    const rest = mount && below(inside, mount.root)
    if (mount !== undefined && rest !== undefined) return { path: join(mount.point, rest), exact: true }
    const path =
      told(link, names) ??
      this.#views.view(mntns, pid)?.mounts.pathOf({ dev, path: inside }) ??
      this.#views.own()?.mounts.pathOf({ dev, path: inside }) ??
      UNKNOWN + inside
    return { path, exact: false }
  }

  /**
   * The path that a string means from the walked directory, as it is written: `.` and `..` are taken away lexically, and
   * symbolic links are not followed. So it is exact for a single name only.
   *
   * @param base the directory that the string starts from: the process' working directory or the descriptor's; for an
   *   absolute string the process' root, above which no `..` leads
   * @param text as the program passed it; empty for the directory itself (AT_EMPTY_PATH)
   * @param link as for {@link FullPaths.walked}, to the base
   */
  named(base: PathWalk, text: BytePath, pid: number, link?: string): FullPath {
    const from = this.walked(base, pid, link)
    if (text === '' || text === '.') return from
    if (text !== '..' && !text.includes('/')) return { path: join(from.path, text), exact: from.exact }
    return { path: written(from.path, text), exact: false }
  }

  /**
   * As {@link FullPaths.named}, but symbolic links are followed in all of the string but its last name, as unlink(2), rename(2)
   * and the like do; or in all of it. They are those that are there now, not those that were: it is exact for a single
   * name only. Where the namespace can't be looked into any more, the path is as it is written.
   */
  resolved(base: PathWalk, text: BytePath, pid: number, link?: string, followLast = false): FullPath {
    const single = !text.includes('/') && text !== '..'
    const prefix = single && !followLast ? undefined : this.#views.view(base.mntns, pid)?.prefix
    if (prefix === undefined || text === '') return this.named(base, text, pid, link)
    const from = this.walked(base, pid, link).path
    if (!from.startsWith('/')) return { path: written(from, text), exact: false }
    const last = split(text)
    // `a/..` and `a/.` end in no name: the whole is a directory's path.
    const whole = followLast || last.name === '' || last.name === '.' || last.name === '..'
    const followed = whole ? text : last.parent
    // Links lead from the process' root where the string does, else from the namespace's.
    const path = text.startsWith('/')
      ? join(from, resolvePath(prefix + (from === '/' ? '' : from), followed).slice(1))
      : resolvePath(prefix, absolute(from, followed))
    return { path: whole ? path : join(path, last.name), exact: false }
  }

  /** To be called when a mount, unmount or move was seen, before what came after it is looked up. */
  mountsChanged(): void {
    this.#views.changed()
  }

  /**
   * Looks at a mount namespace now, so that it is known when its processes have gone: containers may be gone when the first record of
   * a file in them is read, and make their mounts before.
   *
   * @param pid a process in it
   */
  remember(mntns: number, pid: number): void {
    this.#views.view(mntns, pid)
  }

  /** The tree goes on above the walk: asks the process while it lives, else takes what is known of that directory. */
  #deeper(walk: PathWalk, pid: number, link: string | undefined): FullPath {
    const { dev, ino, mnt, names, mntns } = walk
    const inside = names.join('/')
    const key = ino === undefined ? undefined : `${mntns}:${mnt}:${dev}:${ino}`
    const path = told(link, names)
    if (path !== undefined) {
      if (key !== undefined) {
        if (this.#deep.size >= MOST_DEEP) this.#deep.clear()
        this.#deep.set(key, path.slice(0, -inside.length - 1) || '/')
      }
      return { path, exact: false }
    }
    const top = key === undefined ? undefined : this.#deep.get(key)
    const prefix = top === undefined ? undefined : this.#views.view(mntns, pid)?.prefix
    if (top !== undefined && prefix !== undefined && inodeOf(prefix + top) === ino) {
      return { path: join(top, inside), exact: false }
    }
    return { path: join(UNKNOWN, inside), exact: false }
  }
}

/** What a link of /proc says, if it is still the same file: the names must be those of the walk. */
function told(link: string | undefined, names: readonly BytePath[]): BytePath | undefined {
  if (link === undefined) return undefined
  try {
    const text = readLink(link)
    const path =
      text.endsWith(DELETED) && !names.at(-1)?.endsWith(DELETED) ? text.slice(0, -DELETED.length) : text
    if (!path.startsWith('/')) return undefined
    return names.length === 0 || path.endsWith(`/${names.join('/')}`) ? path : undefined
  } catch {
    return undefined
  }
}

/** A string from a directory, without `.` and `..`; an absolute one from the root that the directory is. */
function written(from: BytePath, text: BytePath): BytePath {
  if (text.startsWith('/')) return join(from, lexical(text).slice(1))
  if (from.startsWith('/')) return lexical(`${from}/${text}`)
  return join(UNKNOWN, lexical(`${from.slice(UNKNOWN.length)}/${text}`).slice(1))
}

function inodeOf(path: BytePath): bigint | undefined {
  try {
    return lstatSync(toFs(path), { bigint: true, throwIfNoEntry: false })?.ino
  } catch {
    return undefined
  }
}

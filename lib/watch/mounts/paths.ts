/**
 * The paths of calls about mounts: absolute, as the process' own mount namespace has them. The kernel's trees say where a path starts; what
 * the program wrote from there on is taken without `.` and `..`.
 *
 * Symbolic links are followed on the root file system of this process' own mount namespace only, and never in the last name. Whoever looks at
 * a path holds the mount that it is on for that moment, and a program that unmounts it just then gets EBUSY: a watcher of mounts that looks
 * at what has been mounted breaks what it watches. (Seen, with 2,000 mounts in a row.)
 */
import { statSync } from 'node:fs'
import { type BytePath, join } from '../paths/byte-path.js'
import { UNKNOWN } from '../paths/full-path.js'
import { MountTable } from '../paths/mount-table.js'
import { namespaceOf } from '../paths/mount-views.js'
import { absolute, lexical, readLink, resolvePath } from '../paths/resolve-path.js'
import { MOUNT_POINT, type MountCall, type MountPath, ROOT_DIRECTORY, WORKING_DIRECTORY } from './records.js'

export class MountPaths {
  readonly #ownNamespace = namespaceOf('self')
  readonly #ownRoot = rootOf('self')
  #mounts: MountTable | undefined

  /** Mounts have changed in a namespace. */
  changed(mntns: number): void {
    if (mntns === this.#ownNamespace) this.#mounts = undefined
  }

  /**
   * @param empty an empty string means the descriptor itself (AT_EMPTY_PATH)
   * @returns undefined where the call had no path, or none that could be one
   */
  of(call: MountCall, path: MountPath, empty = false): BytePath | undefined {
    const { text, base, dirfd } = path
    if (base?.from === MOUNT_POINT) return base.top === 'namespace' ? base.path : unknown(base.path)
    // A descriptor's link in /proc, which the kernel has followed: nothing comes after it.
    const whole = base !== undefined && base.from >= 0 && text.startsWith('/')
    // What was taken away has no place any more.
    if (whole) return base.top === 'other' && call.call === 'umount' ? lexical(text) : this.#base(call, path)
    // The directory that it starts from is not open.
    const open = base !== undefined || dirfd === WORKING_DIRECTORY
    if (text === '') return empty && open ? this.#base(call, path) : undefined
    if (!text.startsWith('/') && !open) return text
    return this.#follow(call, this.#base(call, path), text)
  }

  #base({ pid, root }: MountCall, { base }: MountPath): BytePath {
    if (base === undefined) return '/'
    if (base.top === 'namespace') return base.path
    // Of another namespace, or of mounts that are nowhere: it has no path here.
    if (base.top === 'other') return unknown(base.path)
    const link =
      base.from === WORKING_DIRECTORY ? 'cwd' : base.from === ROOT_DIRECTORY ? 'root' : `fd/${base.from}`
    const path = tryReadLink(`/proc/${pid}/${link}`)
    // It may be another process' or descriptor's by now.
    return path?.endsWith(base.path) && rootOf(pid) === root ? path : unknown(base.path)
  }

  #follow(call: MountCall, base: BytePath, text: BytePath): BytePath {
    if (!base.startsWith('/')) return unknown(lexical(`${base.slice(UNKNOWN.length)}/${text}`))
    // An absolute path does not leave the root directory of a chroot(2).
    const path = text.startsWith('/') ? join(base, lexical(text).slice(1)) : lexical(absolute(base, text))
    const own = call.mntns === this.#ownNamespace && call.root === this.#ownRoot
    if (!own || text.startsWith('/proc/') || call.call === 'pivot_root') return path
    // The last name is never looked at: it is the mount point.
    return resolvePath('', absolute(base, text), (at) => at !== path && this.#isOnRoot(at))
  }

  #isOnRoot(path: BytePath): boolean {
    this.#mounts ??= MountTable.read('self')
    const mount = this.#mounts.containing(path)
    return mount !== undefined && mount.point === '/'
  }
}

/** What is above it isn't known. */
function unknown(path: BytePath): BytePath {
  return path === '/' ? UNKNOWN : UNKNOWN + path
}

/** Inode number of a process' root directory; undefined when it has ended. */
function rootOf(pid: number | 'self'): bigint | undefined {
  try {
    return statSync(`/proc/${pid}/root/`, { bigint: true }).ino
  } catch {
    return undefined
  }
}

function tryReadLink(path: string): BytePath | undefined {
  try {
    return readLink(path)
  } catch {
    return undefined
  }
}

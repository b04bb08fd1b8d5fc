/**
 * The paths of calls about mounts: absolute, as the process' own mount namespace has them. The kernel's trees say where a path starts; what
 * the program wrote from there on is taken without `.` and `..`, and its symbolic links are followed as they are now, where the process' root
 * directory is still what it was.
 */
import { statSync } from 'node:fs'
import { type BytePath, join } from './byte-path.js'
import { UNKNOWN } from './full-path.js'
import {
  MOUNT_POINT,
  type MountCall,
  type MountPath,
  ROOT_DIRECTORY,
  WORKING_DIRECTORY,
} from './mount-records.js'
import { namespaceOf } from './mount-views.js'
import { absolute, lexical, readLink, resolvePath } from './resolve-path.js'

export class MountPaths {
  readonly #ownNamespace = namespaceOf('self')
  readonly #ownRoot = rootOf('self')

  /**
   * @param empty an empty string means the descriptor itself (AT_EMPTY_PATH)
   * @returns undefined where the call had no path, or none that could be one
   */
  of(call: MountCall, path: MountPath, empty = false): BytePath | undefined {
    const { text, base, dirfd } = path
    if (base?.from === MOUNT_POINT) return base.top === 'unknown' ? join(UNKNOWN, base.path) : base.path
    // A descriptor's link in /proc, which the kernel has followed: nothing comes after it.
    const whole = base !== undefined && base.from >= 0 && text.startsWith('/')
    // What was taken away has no place any more.
    if (whole) return base.top === 'other' && call.call === 'umount' ? lexical(text) : this.#base(call, path)
    if (text === '') return empty && base !== undefined ? this.#base(call, path) : undefined
    // The directory that it starts from is not open.
    if (!text.startsWith('/') && base === undefined && dirfd !== WORKING_DIRECTORY) return text
    return this.#follow(call, this.#base(call, path), text)
  }

  #base({ pid, root }: MountCall, { base }: MountPath): BytePath {
    if (base === undefined) return '/'
    if (base.top !== 'unknown') return base.path
    const link =
      base.from === WORKING_DIRECTORY ? 'cwd' : base.from === ROOT_DIRECTORY ? 'root' : `fd/${base.from}`
    const path = tryReadLink(`/proc/${pid}/${link}`)
    // It may be another process' or descriptor's by now.
    return path?.endsWith(base.path) && rootOf(pid) === root ? path : join(UNKNOWN, base.path.slice(1))
  }

  #follow(call: MountCall, base: BytePath, text: BytePath): BytePath {
    // An absolute path does not leave the root directory of a chroot(2).
    const written = text.startsWith('/') ? join(base, lexical(text).slice(1)) : lexical(absolute(base, text))
    const prefix = written.startsWith('/') && !text.startsWith('/proc/') ? this.#prefix(call) : undefined
    if (prefix === undefined) return written.startsWith('/') ? written : join(UNKNOWN, written.slice(1))
    return text.startsWith('/')
      ? join(base, resolvePath(prefix + (base === '/' ? '' : base), text).slice(1))
      : resolvePath(prefix, absolute(base, text))
  }

  /** What to put before a path of the process' namespace to get there; undefined where its links can't be followed any more. */
  #prefix({ call, pid, mntns, root }: MountCall): BytePath | undefined {
    if (call === 'pivot_root') return undefined
    if (mntns === this.#ownNamespace && root === this.#ownRoot) return ''
    if (namespaceOf(pid) !== mntns || rootOf(pid) !== root || tryReadLink(`/proc/${pid}/root`) !== '/')
      return undefined
    return `/proc/${pid}/root`
  }
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

/**
 * The mount table: which file system a path is on, and where in it. The same directory may be seen at many paths (bind
 * mounts, containers); its device and its path within the file system are one.
 */
import { readFileSync } from 'node:fs'
import { type BytePath, below, join } from './byte-path.js'

/** One line of /proc/<pid>/mountinfo, proc_pid_mountinfo(5). */
export interface Mount {
  id: number
  parent: number
  /** `s_dev` of the file system as the kernel keeps it: major << 20 | minor. On btrfs stat(2) shows another number. */
  dev: number
  /** The directory of the file system that is mounted here: other than `/` for bind mounts and subvolumes. */
  root: BytePath
  /** Where. */
  point: BytePath
  type: string
}

/** A place that has the same name in every mount namespace. */
export interface Location {
  dev: number
  /** Path within the file system, from its root. */
  path: BytePath
}

/** The mounts of one mount namespace, as a process in it sees them. */
export class MountTable {
  readonly mounts: readonly Mount[]
  readonly #byId: ReadonlyMap<number, Mount>
  readonly #children = new Map<number, Mount[]>()
  readonly #root: Mount | undefined

  /** @param text the contents of a mountinfo file, one character per byte */
  constructor(text: string) {
    this.mounts = text.split('\n').flatMap(parseLine)
    this.#byId = new Map(this.mounts.map((mount) => [mount.id, mount]))
    for (const mount of this.mounts) {
      // The root mount's parent is itself or out of sight.
      if (mount.parent === mount.id || !this.#byId.has(mount.parent)) this.#root ??= mount
      else {
        const siblings = this.#children.get(mount.parent)
        if (siblings === undefined) this.#children.set(mount.parent, [mount])
        else siblings.push(mount)
      }
    }
  }

  /** @param pid a process, or `'self'` */
  static read(pid: number | 'self'): MountTable {
    return new MountTable(readFileSync(`/proc/${pid}/mountinfo`, 'latin1'))
  }

  byId(id: number): Mount | undefined {
    return this.#byId.get(id)
  }

  /**
   * The mount that an absolute path without symbolic links is on. It is walked to as the kernel does, mount by mount: the
   * longest mount point alone would also find mounts that are hidden below later ones.
   */
  containing(path: BytePath): Mount | undefined {
    let at = this.#root
    for (;;) {
      let next: Mount | undefined
      for (const child of this.#children.get(at?.id ?? -1) ?? []) {
        if (below(path, child.point) === undefined) continue
        if (next === undefined || child.point.length < next.point.length) next = child
      }
      if (next === undefined) return at
      at = next
    }
  }

  /** Where a path without symbolic links is. */
  locate(path: BytePath): Location | undefined {
    const mount = this.containing(path)
    const rest = mount === undefined ? undefined : below(path, mount.point)
    return mount === undefined || rest === undefined
      ? undefined
      : { dev: mount.dev, path: join(mount.root, rest) }
  }

  /** A path at which the location is seen here; undefined where it is not mounted, or hidden. */
  pathOf(location: Location): BytePath | undefined {
    for (const mount of this.mounts) {
      if (mount.dev !== location.dev) continue
      const rest = below(location.path, mount.root)
      if (rest === undefined) continue
      const path = join(mount.point, rest)
      if (this.containing(path) === mount) return path
    }
    return undefined
  }
}

function parseLine(line: string): Mount[] {
  // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
  const [id, parent, device = '', root = '', point = '', ...rest] = line.split(' ')
  const [major, minor] = device.split(':').map(Number)
  if (major === undefined || minor === undefined || point === '') return []
  const type = rest[rest.indexOf('-') + 1] ?? ''
  const dev = major * 2 ** 20 + minor
  return [{ id: Number(id), parent: Number(parent), dev, root: unoctal(root), point: unoctal(point), type }]
}

/** Space, tab, newline and backslash are written in octal. */
function unoctal(text: string): BytePath {
  return text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text
}

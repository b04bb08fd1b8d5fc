/**
 * Where a change was: from what the kernel saw of it to a path below a watched directory, or to the knowledge that it was
 * elsewhere. What the kernel's walk has settled is taken as it is; the rest is looked up in the file system, as near to the
 * change as possible, and where that can't settle it either the change counts.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { type BytePath, join, split, toFs } from '../paths/byte-path.js'
import { type Location, MountTable } from '../paths/mount-table.js'
import { absolute, lexical, readLink, resolvePath } from '../paths/resolve-path.js'
import type { NamedPath, Walk } from './records.js'
import type { Place, WatchedRoots } from './roots.js'

/** Somewhere else; a place; or a directory that must be found by its inode first. */
export type Located =
  | { where: 'outside'; location?: Location }
  | { where: 'inside'; place: Place }
  | { where: 'undecided'; dev: number; ino: bigint; below: BytePath }

const OUTSIDE: Located = { where: 'outside' }

/** A mount namespace, seen through a process in it. */
interface View {
  mounts: MountTable
  pid: number | undefined
}

export class Locator {
  readonly #roots: WatchedRoots
  /** Inode number of this process' own mount namespace. */
  readonly #ownNamespace: number
  readonly #views = new Map<number, View>()
  readonly #deserted = new Map<number, number>()
  /** Directories below the kernel's walk that were found, by inode. */
  readonly #deep = new Map<string, BytePath>()
  /** Parent directories resolved for the batch at hand: changes come in flocks. */
  readonly #resolved = new Map<string, Located>()

  constructor(roots: WatchedRoots) {
    this.#roots = roots
    this.#ownNamespace = namespaceOf('self') ?? 0
  }

  /** Before each batch: what was resolved for the last one may not be so any more. */
  nextBatch(): void {
    this.#resolved.clear()
  }

  /** After mounts have changed. */
  mountsChanged(): void {
    this.#views.clear()
    this.#resolved.clear()
  }

  /** A file, by the kernel's walk from it. @param fd a descriptor that the process has opened it with */
  file(walk: Walk, pid: number, fd?: number): Located {
    if (walk.end !== 'undecided') return this.#walked(walk)
    return this.#deeper(walk, fd === undefined ? undefined : `/proc/${pid}/fd/${fd}`)
  }

  /** A path string. @param follows the call follows a symbolic link at its end */
  path(path: NamedPath, pid: number, follows: boolean): Located {
    const { walk, text } = path
    if (!text.includes('/') && !follows) return this.#below(this.#base(path, pid), text)
    const { parent, name } = follows ? { parent: text, name: '' } : split(text)
    const key = `${pid}:${path.mntns}:${walk.dev}:${walk.ino}:${path.dirfd}:${walk.names.join('/')}:${parent}`
    let located = this.#resolved.get(key)
    if (located === undefined) {
      located = this.#resolve(path, parent, pid)
      this.#resolved.set(key, located)
    }
    return this.#below(located, name)
  }

  /** A directory that was searched for has been found. */
  remember(dev: number, ino: bigint, path: BytePath): void {
    if (this.#deep.size >= MOST_DEEP) this.#deep.clear()
    this.#deep.set(`${dev}:${ino}`, path)
  }

  /** Where a path of this process' own, without symbolic links, is. */
  locate(path: BytePath): Located {
    const location = this.#roots.mounts.locate(path)
    return location === undefined ? OUTSIDE : this.#find(location)
  }

  #find(location: Location): Located {
    const place = this.#roots.find(location)
    return place === undefined ? { where: 'outside', location } : { where: 'inside', place }
  }

  /** A name in a located directory. A watched directory itself is below a directory that is outside. */
  #below(located: Located, rest: BytePath): Located {
    if (rest === '') return located
    switch (located.where) {
      case 'outside': {
        const { location } = located
        return location === undefined
          ? located
          : this.#find({ dev: location.dev, path: join(location.path, rest) })
      }
      case 'undecided':
        return { ...located, below: located.below === '' ? rest : join(located.below, rest) }
      case 'inside': {
        const { directory, below } = located.place
        return { where: 'inside', place: { directory, below: below === '' ? rest : join(below, rest) } }
      }
    }
  }

  #walked(walk: Walk): Located {
    if (walk.end === 'root') return this.#find({ dev: walk.dev, path: `/${walk.names.join('/')}` })
    const root = this.#roots.get(walk.dev, walk.ino)
    // Its root has gone since: what is there now is no longer watched.
    if (root === undefined) return OUTSIDE
    const inside = walk.names.join('/')
    return {
      where: 'inside',
      place: { directory: root.directory, below: root.below === '' ? inside : join(root.below, inside) },
    }
  }

  /** The tree goes on above the kernel's walk: asks the process while it lives, else what is known of that directory. */
  #deeper(walk: Walk, link: string | undefined): Located {
    const inside = walk.names.join('/')
    const path = link === undefined ? undefined : tryReadLink(link)?.replace(/ \(deleted\)$/, '')
    // The descriptor may be another file's by now, or the path another mount namespace's.
    if (path?.endsWith(`/${inside}`)) {
      const top = path.slice(0, -inside.length - 1) || '/'
      const ino = inodeOf(top)
      if (ino === walk.ino) this.remember(walk.dev, walk.ino, top)
      if (ino === walk.ino || ino === undefined) return this.locate(path)
    }
    const known = this.#deep.get(`${walk.dev}:${walk.ino}`)
    if (known !== undefined && inodeOf(known) === walk.ino) return this.locate(join(known, inside))
    if (!this.#roots.hasDevice(walk.dev)) return OUTSIDE
    return { where: 'undecided', dev: walk.dev, ino: walk.ino, below: inside }
  }

  /** The directory from which a path starts. */
  #base({ walk, dirfd }: NamedPath, pid: number): Located {
    if (walk.end !== 'undecided') return this.#walked(walk)
    return this.#deeper(walk, dirfd === undefined ? `/proc/${pid}/cwd` : `/proc/${pid}/fd/${dirfd}`)
  }

  #resolve(path: NamedPath, parent: BytePath, pid: number): Located {
    const { walk, text } = path
    const view = this.#view(path.mntns, pid)
    if (view === undefined) return this.#guess(path, parent, pid)
    // What to put before an absolute path of that namespace to get there from here.
    const prefix = view.pid === undefined ? '' : `/proc/${view.pid}/root`
    // Where it starts, as its mount namespace sees it.
    let base: BytePath | undefined
    if (walk.end === 'undecided') {
      const located = this.#base(path, pid)
      if (located.where !== 'inside')
        return located.where === 'outside' ? OUTSIDE : this.#below(located, parent)
      base = this.#seen(located.place)
    } else if (walk.end === 'root') {
      base = view.mounts.pathOf({ dev: walk.dev, path: `/${walk.names.join('/')}` })
    } else {
      const root = this.#roots.get(walk.dev, walk.ino)
      if (root === undefined) return OUTSIDE
      base = view.mounts.pathOf({ dev: walk.dev, path: join(root.location.path, walk.names.join('/')) })
    }
    if (base === undefined) return this.#guess(path, parent, pid)
    // A path from the root of a chroot(2) does not leave it; from elsewhere, links lead from the namespace's root.
    const real = text.startsWith('/')
      ? join(base, resolvePath(join(prefix, base === '/' ? '' : base.slice(1)), parent).slice(1))
      : resolvePath(prefix, absolute(base, parent))
    const location = view.mounts.locate(real)
    return location === undefined ? OUTSIDE : this.#find(location)
  }

  /** Where the process' mounts can't be seen any more: by the kernel's walk, without following links. */
  #guess(path: NamedPath, parent: BytePath, pid: number): Located {
    const base = this.#base(path, pid)
    if (base.where === 'inside') {
      const { directory } = base.place
      const inside = lexical(`/${join(base.place.below, parent)}`).slice(1)
      return { where: 'inside', place: { directory, below: inside } }
    }
    if (base.where === 'undecided') return this.#below(base, parent)
    if (path.walk.end !== 'root') return OUTSIDE
    const place = lexical(`/${join(path.walk.names.join('/'), parent)}`)
    return this.#find({ dev: path.walk.dev, path: place })
  }

  /** A place below a watched directory, in this process' own view and without links. */
  #seen(place: Place): BytePath | undefined {
    return resolvePath('', absolute('/', join(place.directory.path, place.below)))
  }

  #view(namespace: number, pid: number): View | undefined {
    if (namespace === this.#ownNamespace) return { mounts: this.#roots.mounts, pid: undefined }
    const known = this.#views.get(namespace)
    // The process that it was seen through may have ended, and its pid may be another's.
    if (known?.pid !== undefined && namespaceOf(known.pid) === namespace) return known
    const member = namespaceOf(pid) === namespace ? pid : this.#member(namespace)
    if (member === undefined) return undefined
    try {
      const view = { mounts: MountTable.read(member), pid: member }
      if (this.#views.size >= MOST_VIEWS) this.#views.clear()
      this.#views.set(namespace, view)
      return view
    } catch {
      return undefined
    }
  }

  /** A process in the mount namespace, when the one that made the change has ended: a container has others. */
  #member(namespace: number): number | undefined {
    const now = performance.now()
    if ((this.#deserted.get(namespace) ?? 0) > now) return undefined
    for (const entry of readdirSync('/proc')) {
      const pid = Number(entry)
      if (Number.isInteger(pid) && namespaceOf(pid) === namespace) return pid
    }
    if (this.#deserted.size >= MOST_VIEWS) this.#deserted.clear()
    this.#deserted.set(namespace, now + DESERTED)
    return undefined
  }
}

const MOST_VIEWS = 64
const MOST_DEEP = 1024
/** A mount namespace without processes isn't searched for again so soon, in milliseconds. */
const DESERTED = 1000

/** Inode number of a process' mount namespace; undefined when it has ended. */
function namespaceOf(pid: number | 'self'): number | undefined {
  const link = tryReadLink(`/proc/${pid}/ns/mnt`)
  return link === undefined ? undefined : Number(/\d+/.exec(link)?.[0])
}

function tryReadLink(path: BytePath): BytePath | undefined {
  try {
    return readLink(path)
  } catch {
    return undefined
  }
}

function inodeOf(path: BytePath): bigint | undefined {
  try {
    return lstatSync(toFs(path), { bigint: true, throwIfNoEntry: false })?.ino
  } catch {
    return undefined
  }
}

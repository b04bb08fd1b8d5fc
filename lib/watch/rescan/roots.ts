/**
 * The watched directories as the kernel knows them: by device and inode. A mount inside a watched directory is another tree
 * to the kernel, so its root is one more of them.
 */
import { constants, readFileSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { type BytePath, below, fromText, join, toFs } from '../paths/byte-path.js'
import { type Location, type Mount, MountTable } from '../paths/mount-table.js'
import { readLink } from '../paths/resolve-path.js'

/** A directory given by the user. */
export interface WatchedDirectory {
  /** As the user wrote it, without a slash at the end. */
  readonly name: string
  readonly path: BytePath
}

/** What the kernel looks for. */
export interface WatchedRoot {
  readonly directory: WatchedDirectory
  readonly dev: number
  readonly ino: bigint
  /** Its place below the directory: `''`, or a mount point's. */
  readonly below: BytePath
  readonly location: Location
  readonly mountId: number
}

/** A path below a watched directory. */
export interface Place {
  readonly directory: WatchedDirectory
  readonly below: BytePath
}

/** What a scan found to be different. */
export interface RootsChange {
  added: WatchedRoot[]
  removed: WatchedRoot[]
  missing: WatchedDirectory[]
  /** Those that are back, or are another directory than before. */
  returned: WatchedDirectory[]
}

/** `O_PATH`, which node:fs does not name: looks at a directory without opening it. */
const O_PATH = 0o10000000

export class WatchedRoots {
  readonly directories: readonly WatchedDirectory[]
  #roots = new Map<string, WatchedRoot>()
  readonly #byInode = new Map<number, Map<bigint, WatchedRoot>>()
  #missing = new Set<WatchedDirectory>()
  /** Of the directories, by stat(2): its numbers aren't all the kernel's, but they change when the directory does. */
  #inodes: (string | undefined)[] = []
  #mountinfo = ''
  #mounts = new MountTable('')

  constructor(paths: readonly string[]) {
    const names = new Set(paths.map((path) => path.replace(/(?<=.)\/+$/, '')))
    this.directories = [...names].map((name) => Object.freeze({ name, path: fromText(name) }))
  }

  /** The mounts of this process, as of the last scan. */
  get mounts(): MountTable {
    return this.#mounts
  }

  get roots(): Iterable<WatchedRoot> {
    return this.#roots.values()
  }

  get missing(): ReadonlySet<WatchedDirectory> {
    return this.#missing
  }

  get(dev: number, ino: bigint): WatchedRoot | undefined {
    return this.#byInode.get(dev)?.get(ino)
  }

  hasDevice(dev: number): boolean {
    return this.#byInode.has(dev)
  }

  /** The watched directory that a location is below, the innermost where there are several. */
  find(location: Location): Place | undefined {
    let found: Place | undefined
    let longest = -1
    for (const root of this.#roots.values()) {
      if (root.dev !== location.dev || root.location.path.length <= longest) continue
      const rest = below(location.path, root.location.path)
      if (rest === undefined) continue
      longest = root.location.path.length
      found = { directory: root.directory, below: join2(root.below, rest) }
    }
    return found
  }

  /** Whether a watched directory has come, gone, or become another since the last scan. Costs one stat(2) for each. */
  async changed(): Promise<boolean> {
    const inodes = await Promise.all(this.directories.map(({ path }) => inodeOf(path)))
    return inodes.some((inode, i) => inode !== this.#inodes[i])
  }

  /** Whether the mounts are others than at the last scan. */
  mountsChanged(): boolean {
    return readMountinfo() !== this.#mountinfo
  }

  /** Looks at the directories and the mounts as they are now. */
  async scan(): Promise<RootsChange> {
    const mountinfo = readMountinfo()
    const mounts = new MountTable(mountinfo)
    const inodes = await Promise.all(this.directories.map(({ path }) => inodeOf(path)))
    const roots = new Map<string, WatchedRoot>()
    const missing = new Set<WatchedDirectory>()
    const add = (root: WatchedRoot): void => {
      const key = keyOf(root.dev, root.ino)
      // The same directory by another name: the first name is the one that is used.
      if (!roots.has(key)) roots.set(key, root)
    }
    const seen = await Promise.all(this.directories.map((directory) => look(directory.path, mounts)))
    for (const [i, directory] of this.directories.entries()) {
      const found = seen[i]
      if (found?.isDirectory !== true) missing.add(directory)
      else add({ directory, below: '', ...found })
    }
    const tops = [...roots.values()]
    for (const [i, directory] of this.directories.entries()) {
      const real = seen[i]?.real
      if (real === undefined) continue
      for (const mount of mounts.mounts) {
        const inside = below(mount.point, real)
        if (inside === undefined || inside === '') continue
        // What is mounted from inside a watched tree is found by its way there.
        if (tops.some((top) => top.dev === mount.dev && below(mount.root, top.location.path) !== undefined))
          continue
        const found = await look(mount.point, mounts)
        // Another mount may hide it.
        if (found?.mountId === mount.id) add({ directory, below: inside, ...found })
      }
    }
    this.#inodes = inodes
    this.#mountinfo = mountinfo
    return this.#replace(roots, missing, mounts)
  }

  #replace(roots: Map<string, WatchedRoot>, missing: Set<WatchedDirectory>, mounts: MountTable): RootsChange {
    const before = this.#roots
    const added = [...roots].filter(([key]) => !before.has(key)).map(([, root]) => root)
    const removed = [...before].filter(([key]) => !roots.has(key)).map(([, root]) => root)
    const change: RootsChange = {
      added,
      removed,
      missing: [...missing].filter((directory) => !this.#missing.has(directory)),
      returned: added.flatMap(({ directory, below: inside }) =>
        inside === '' &&
        (this.#missing.has(directory) ||
          removed.some((old) => old.directory === directory && old.below === ''))
          ? [directory]
          : [],
      ),
    }
    this.#roots = roots
    this.#byInode.clear()
    for (const root of roots.values()) {
      const inodes = this.#byInode.get(root.dev)
      if (inodes === undefined) this.#byInode.set(root.dev, new Map([[root.ino, root]]))
      else inodes.set(root.ino, root)
    }
    this.#missing = missing
    this.#mounts = mounts
    return change
  }
}

/**
 * At once: the kernel waits for no disk and no server to tell it, and through libuv's pool each of five calls would wake two threads of
 * an idle process.
 */
function readMountinfo(): string {
  return readFileSync('/proc/self/mountinfo', 'latin1')
}

async function inodeOf(path: BytePath): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(toFs(path), { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

interface Seen {
  dev: number
  ino: bigint
  location: Location
  mountId: number
  /** Its path without symbolic links. */
  real: BytePath
  /** What is mounted may be a single file. */
  isDirectory: boolean
}

/** undefined when it isn't there. */
async function look(path: BytePath, mounts: MountTable): Promise<Seen | undefined> {
  let handle: FileHandle | undefined
  try {
    handle = await open(toFs(path), O_PATH | constants.O_RDONLY)
    const stats = await handle.stat({ bigint: true })
    const info = readFileSync(`/proc/self/fdinfo/${handle.fd}`, 'latin1')
    const mountId = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1])
    const real = readLink(`/proc/self/fd/${handle.fd}`)
    const mount: Mount | undefined = mounts.byId(mountId)
    const rest = mount === undefined ? undefined : below(real, mount.point)
    if (mount === undefined || rest === undefined) return undefined
    return {
      dev: mount.dev,
      ino: stats.ino,
      isDirectory: stats.isDirectory(),
      mountId,
      real,
      location: { dev: mount.dev, path: join(mount.root, rest) },
    }
  } catch {
    return undefined
  } finally {
    await handle?.close()
  }
}

/** The user's directory, with what is below it. */
export function pathOf(place: Place): BytePath {
  return join(place.directory.path, place.below)
}

function join2(parent: BytePath, name: BytePath): BytePath {
  return parent === '' ? name : join(parent, name)
}

function keyOf(dev: number, ino: bigint): string {
  return `${dev}:${ino}`
}

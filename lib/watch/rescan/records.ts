/**
 * From the records of `dscripts/<platform>/rescan.d` or `rescan-vfs.d` to changes: values by their names, and what came in
 * several records put together. What the fields mean is said at the heads of the scripts.
 */
import type { DTraceRecord } from '../../record/decoder.js'
import type { BytePath } from '../paths/byte-path.js'

/** Who made a change, and when. */
export interface RawAuthor {
  execname: string
  pid: number
  uid: number
  zone_name: string
  /** Nanoseconds since 1970. */
  timestamp: bigint
}

/** Where the kernel's walk from a file or directory towards the root ended. */
export interface Walk {
  /** Below the watched directory `ino`, up to the file system's root `ino`, or only as far as the directory `ino`. */
  end: 'watched' | 'root' | 'undecided'
  dev: number
  ino: bigint
  /** The names from there on, the outermost first. */
  names: BytePath[]
}

/** A path string and the directory that it starts from. */
export interface NamedPath {
  walk: Walk
  /** As the program passed it. */
  text: BytePath
  /** A descriptor of the process for the directory, or undefined for its working or root directory. */
  dirfd: number | undefined
  /** Inode number of the process' mount namespace. */
  mntns: number
}

export type RawChange = RawAuthor & { op: string } & (
    | { kind: 'walk'; walk: Walk; fd: number | undefined }
    | { kind: 'rename'; to?: Walk; from?: Walk }
    | { kind: 'path'; to?: NamedPath; from?: NamedPath }
    | { kind: 'mount' }
    | { kind: 'blind'; opcode: number }
  )

type PathChange = Extract<RawChange, { kind: 'path' }>
type WalkedRename = Extract<RawChange, { kind: 'rename' }>

/**
 * A path's string may go on in the next record of the CPU, and after a rename's `to` there is a `from`; where both sides are
 * walks there is a `to` after each `from`.
 */
interface Pending {
  change: PathChange | WalkedRename
  path: NamedPath | undefined
  wantsFrom: boolean
}

/** A string's room in a record, without the NUL: a path string this long may have more to it. */
const FULL = 255
const AT_FDCWD = -100
const AT_REMOVEDIR = 0x200

/** Puts records together; one for each session. */
export class RescanAssembler {
  readonly #pending = new Map<number, Pending>()

  /** Some change waits for its other records, which are in the next batch. */
  get waiting(): boolean {
    return this.#pending.size > 0
  }

  /** The changes that are complete with these records, in the order of time. */
  add(records: Iterable<DTraceRecord>): RawChange[] {
    const changes: RawChange[] = []
    for (const record of records) this.#add(record, changes)
    // Each CPU's records are in order, but one CPU's come after another's.
    if (!inOrder(changes)) {
      changes.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
    }
    return changes
  }

  /** What waits for records that don't come: they were dropped. */
  flush(): RawChange[] {
    const changes = [...this.#pending.values()].map(({ change }) => change)
    this.#pending.clear()
    return changes
  }

  #add(record: DTraceRecord, changes: RawChange[]): void {
    const { probe, cpu, fields, values } = record
    const pending = this.#pending.size === 0 ? undefined : this.#pending.get(cpu)
    if (pending !== undefined && this.#continue(record, pending, changes)) return
    // By far the most are of this kind.
    const { fd } = fields
    if (fd !== undefined) {
      const walk = walkOf(fields, values, WALK_NAMES, values.length)
      // Written out: spreading an object costs more than all the rest of this.
      const { execname, pid, uid, zone_name, timestamp } = fields as unknown as RawAuthor
      const op = plainName(fields.op as string)
      const known = (fd as number) < 0 ? undefined : (fd as number)
      changes.push({ execname, pid, uid, zone_name, timestamp, kind: 'walk', op, walk, fd: known })
    } else if (fields.moved !== undefined) {
      const from = walkOf(fields, values, WALK_NAMES, values.length)
      const change: WalkedRename = { ...authorOf(fields), kind: 'rename', op: 'rename', from }
      this.#pending.set(cpu, { change, path: undefined, wantsFrom: false })
    } else if (fields.replaced !== undefined) {
      const to = walkOf(fields, values, WALK_NAMES, values.length)
      changes.push({ ...authorOf(fields), kind: 'rename', op: 'rename', to })
    } else if (fields.level !== undefined) {
      this.#addPath(record, changes)
    } else if (fields.opcode !== undefined) {
      changes.push({ ...authorOf(fields), kind: 'blind', op: 'blind', opcode: fields.opcode as number })
    } else if (fields.rest === undefined) {
      const op = probe.function === 'umount' ? 'umount' : 'mount'
      changes.push({ ...authorOf(fields), kind: 'mount', op })
    }
    // Of a path whose beginning was dropped, the rest is of no use; the drop is reported.
  }

  /** @returns whether the record belongs to what its CPU's last record began */
  #continue(record: DTraceRecord, pending: Pending, changes: RawChange[]): boolean {
    const { cpu, fields, values } = record
    const { change } = pending
    if (change.timestamp === fields.timestamp) {
      if (change.kind === 'rename' && fields.replaced !== undefined) {
        change.to = walkOf(fields, values, WALK_NAMES, values.length)
        this.#settle(cpu, pending, changes)
        return true
      }
      if (fields.rest !== undefined) {
        if (pending.path !== undefined) pending.path.text += values.slice(REST_PIECES).join('')
        pending.path = undefined
        this.#settle(cpu, pending, changes)
        return true
      }
      if (change.kind === 'path' && fields.fromfd !== undefined && pending.wantsFrom) {
        const from = namedPath(record)
        change.from = from
        pending.wantsFrom = false
        pending.path = from.text.length >= FULL ? from : undefined
        this.#settle(cpu, pending, changes)
        return true
      }
    }
    this.#pending.delete(cpu)
    changes.push(change)
    return false
  }

  #addPath(record: DTraceRecord, changes: RawChange[]): void {
    const { probe, cpu, fields } = record
    const path = namedPath(record)
    const name = plainName(probe.function)
    const side = fields.fromfd === undefined ? 'to' : 'from'
    const op = name === 'unlink' && (Number(fields.flags) & AT_REMOVEDIR) !== 0 ? 'rmdir' : name
    const change: PathChange = { ...authorOf(fields), kind: 'path', op, [side]: path }
    this.#settle(
      cpu,
      {
        change,
        path: path.text.length >= FULL ? path : undefined,
        wantsFrom: op === 'rename' && side === 'to',
      },
      changes,
    )
  }

  #settle(cpu: number, pending: Pending, changes: RawChange[]): void {
    if (pending.path !== undefined || pending.wantsFrom) {
      this.#pending.set(cpu, pending)
    } else {
      this.#pending.delete(cpu)
      changes.push(pending.change)
    }
  }
}

/** Where the pieces of a path begin among a record's values: they are the `printf` arguments from `path=` on. */
const WALK_NAMES = 10
const PATH_NAMES = 12
const REST_PIECES = 1

function inOrder(changes: readonly RawChange[]): boolean {
  for (let i = 1; i < changes.length; i++) {
    if ((changes[i] as RawChange).timestamp < (changes[i - 1] as RawChange).timestamp) return false
  }
  return true
}

/** `renameat2` and `ftruncate` are `rename` and `truncate`: the forms differ in how they name a file. */
const PLAIN_NAMES: Readonly<{ [call: string]: string }> = {
  openat: 'open',
  openat2: 'open',
  ftruncate: 'truncate',
  renameat: 'rename',
  renameat2: 'rename',
  linkat: 'link',
  symlinkat: 'symlink',
  unlinkat: 'unlink',
  mkdirat: 'mkdir',
  mknodat: 'mknod',
}

function plainName(call: string): string {
  return PLAIN_NAMES[call] ?? call
}

function authorOf({ execname, pid, uid, zone_name, timestamp }: DTraceRecord['fields']): RawAuthor {
  return {
    execname: execname as string,
    pid: pid as number,
    uid: uid as number,
    zone_name: zone_name as string,
    timestamp: timestamp as bigint,
  }
}

/** @param first the first of the values that are names, the outermost first; those that there were none for are empty */
function walkOf(
  { level, dev, ino }: DTraceRecord['fields'],
  values: DTraceRecord['values'],
  first: number,
  end: number,
): Walk {
  const names: BytePath[] = []
  for (let i = first; i < end; i++) {
    const name = values[i] as string
    if (name !== '') names.push(name.endsWith('/') ? name.slice(0, -1) : name)
  }
  return {
    end: (level as number) < 100 ? 'watched' : (level as number) < 200 ? 'root' : 'undecided',
    dev: dev as number,
    ino: ino as bigint,
    names,
  }
}

function namedPath({ fields, values }: DTraceRecord): NamedPath {
  const dirfd = (fields.dirfd ?? fields.fromfd) as number
  const text = values.at(-1) as string
  return {
    walk: walkOf(fields, values, PATH_NAMES, values.length - 1),
    text,
    dirfd: dirfd === AT_FDCWD || text.startsWith('/') ? undefined : dirfd,
    mntns: fields.mntns as number,
  }
}

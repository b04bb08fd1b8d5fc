/**
 * From the records of `dscripts/<platform>/rescan.d` to changes: values by their names, and what came in several records
 * put together. What the fields mean is said at the head of the script.
 */
import type { DTraceRecord } from '../record/decoder.js'
import type { BytePath } from './byte-path.js'

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
    | { kind: 'open'; walk: Walk; fd: number }
    | { kind: 'path'; to?: NamedPath; from?: NamedPath }
    | { kind: 'mount' }
    | { kind: 'blind'; opcode: number }
  )

type PathChange = Extract<RawChange, { kind: 'path' }>

/** A path's string may go on in the next record of the CPU, and after a rename's `to` there is a `from`. */
interface Pending {
  change: PathChange
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
    const pending = this.#pending.get(cpu)
    if (fields.rest !== undefined) {
      // Where its beginning was dropped the rest is of no use; the drop is reported.
      if (pending === undefined || pending.change.timestamp !== fields.timestamp) return
      if (pending.path !== undefined) pending.path.text += values.slice(MORE_PIECES).join('')
      pending.path = undefined
      this.#settle(cpu, pending, changes)
      return
    }
    if (fields.fromfd !== undefined && pending?.wantsFrom && pending.change.timestamp === fields.timestamp) {
      pending.wantsFrom = false
      pending.change.from = namedPath(record)
      pending.path = pending.change.from.text.length >= FULL ? pending.change.from : undefined
      this.#settle(cpu, pending, changes)
      return
    }
    if (pending !== undefined) {
      this.#pending.delete(cpu)
      changes.push(pending.change)
    }
    const author = authorOf(record)
    if (fields.opcode !== undefined) {
      changes.push({ ...author, kind: 'blind', op: 'blind', opcode: Number(fields.opcode) })
    } else if (fields.fd !== undefined) {
      const walk = walkOf(record, values.slice(OPEN_NAMES) as string[])
      changes.push({ ...author, kind: 'open', op: plainName(probe.function), walk, fd: Number(fields.fd) })
    } else if (fields.level !== undefined) {
      this.#addPath(record, author, changes)
    } else {
      changes.push({ ...author, kind: 'mount', op: probe.function === 'umount' ? 'umount' : 'mount' })
    }
  }

  #addPath(record: DTraceRecord, author: RawAuthor, changes: RawChange[]): void {
    const { probe, cpu, fields } = record
    const path = namedPath(record)
    const name = plainName(probe.function)
    const side = fields.fromfd === undefined ? 'to' : 'from'
    const op = name === 'unlink' && (Number(fields.flags) & AT_REMOVEDIR) !== 0 ? 'rmdir' : name
    const change: PathChange = { ...author, kind: 'path', op, [side]: path }
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
const OPEN_NAMES = 10
const PATH_NAMES = 12
const MORE_PIECES = 1

function inOrder(changes: readonly RawChange[]): boolean {
  for (let i = 1; i < changes.length; i++) {
    if ((changes[i] as RawChange).timestamp < (changes[i - 1] as RawChange).timestamp) return false
  }
  return true
}

/** `renameat2` and `ftruncate` are `rename` and `truncate`: the forms differ in how they name a file. */
function plainName(call: string): string {
  if (call === 'creat') return call
  if (call === 'ftruncate') return 'truncate'
  return call.replace(/(?:at)?2?$/, '')
}

function authorOf({ fields }: DTraceRecord): RawAuthor {
  return {
    execname: String(fields.execname),
    pid: Number(fields.pid),
    uid: Number(fields.uid),
    zone_name: String(fields.zone_name),
    timestamp: fields.timestamp as bigint,
  }
}

function walkOf({ fields }: DTraceRecord, pieces: readonly string[]): Walk {
  const level = Number(fields.level)
  const names: string[] = []
  for (const piece of pieces) {
    if (piece === '') continue
    names.push(piece.endsWith('/') ? piece.slice(0, -1) : piece)
  }
  return {
    end: level < 100 ? 'watched' : level < 200 ? 'root' : 'undecided',
    dev: Number(fields.dev),
    ino: BigInt(fields.ino as bigint),
    names,
  }
}

function namedPath(record: DTraceRecord): NamedPath {
  const { fields, values } = record
  const dirfd = Number(fields.dirfd ?? fields.fromfd)
  const text = String(values.at(-1))
  return {
    walk: walkOf(record, values.slice(PATH_NAMES, -1) as string[]),
    text,
    dirfd: dirfd === AT_FDCWD || text.startsWith('/') ? undefined : dirfd,
    mntns: Number(fields.mntns),
  }
}

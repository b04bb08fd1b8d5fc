/**
 * From the records of `dscripts/<platform>/unlinks.d` to removals: values by their names, and what came in several records put
 * together. What the fields mean is said at the head of the script.
 */
import type { DTraceRecord } from '../../record/decoder.js'
import type { BytePath } from '../paths/byte-path.js'
import type { PathWalk } from '../paths/full-path.js'

/** A path string, and the directory that it or its last name is in. */
export interface RemovedName {
  walk: PathWalk
  /** The walk is from the directory that the last name of `text` was in; else from the one that `text` starts from. */
  exact: boolean
  /** As the program passed it. */
  text: BytePath
  /** A descriptor of the process for the directory that `text` starts from, or undefined for its working or root directory. */
  dirfd: number | undefined
}

export interface RawRemoval {
  kind: 'removal'
  op: 'unlink' | 'rmdir' | 'rename'
  execname: string
  pid: number
  tid: number
  uid: number
  zone_id: number
  nodename: string
  init_pid: number
  init_start: bigint
  /** Nanoseconds since 1970. */
  timestamp: bigint
  /** 0 for success. */
  errno: number
  /** Something was removed. Of a rename the kernel may not tell; and `'no'` comes only where files are pinned. */
  replaced: 'yes' | 'unknown' | 'no'
  /** 0 where the kernel didn't tell. */
  ino: bigint
  /** `i_mode`; of a directory its type alone, and 0 where the kernel didn't tell. */
  mode: number
  size: bigint
  nlink: number
  name: RemovedName
  /** Of a rename: what took its place, where that was before. */
  from?: RemovedName
}

/** A file that was opened for writing: told where files are pinned. */
export interface RawPin {
  kind: 'pin'
  pid: number
  timestamp: bigint
  fd: number
  ino: bigint
  walk: PathWalk
}

export type RawUnlink =
  | RawRemoval
  | RawPin
  | { kind: 'mount'; timestamp: bigint }
  | { kind: 'blind'; timestamp: bigint; opcode: number; execname: string; pid: number; uid: number }

/** A path's string may go on in the next record of the CPU, and after a rename's `to` there is a `from`. */
interface Pending {
  removal: RawRemoval
  name: RemovedName | undefined
  wantsFrom: boolean
}

/** A string's room in a record, without the NUL: a path string this long may have more to it. */
const FULL = 255
const AT_REMOVEDIR = 0x200
const REPLACED = ['no', 'unknown', 'yes'] as const

/** Where the pieces of a path begin among a record's values: they are the `printf` arguments from `path=` on. */
const TO_NAMES = 24
const FROM_NAMES = 8
const PIN_NAMES = 10
const REST_PIECES = 1

/** Puts records together; one for each session. */
export class UnlinkAssembler {
  readonly #pending = new Map<number, Pending>()

  /** Some removal waits for its other records, which are in the next batch. */
  get waiting(): boolean {
    return this.#pending.size > 0
  }

  /** What is complete with these records, in the order of time. */
  add(records: Iterable<DTraceRecord>): RawUnlink[] {
    const complete: RawUnlink[] = []
    for (const record of records) this.#add(record, complete)
    // Each CPU's records are in order, but one CPU's come after another's.
    return complete.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
  }

  /** What waits for records that don't come: they were dropped. */
  flush(): RawRemoval[] {
    const removals = [...this.#pending.values()].map(({ removal }) => removal)
    this.#pending.clear()
    return removals
  }

  #add(record: DTraceRecord, complete: RawUnlink[]): void {
    const { cpu, fields } = record
    const pending = this.#pending.get(cpu)
    if (pending !== undefined && this.#continue(record, pending, complete)) return
    const timestamp = fields.timestamp as bigint
    if (fields.found !== undefined) {
      const removal = removalOf(record)
      const { name, op } = removal
      const more = name.text.length >= FULL ? name : undefined
      this.#settle(cpu, { removal, name: more, wantsFrom: op === 'rename' }, complete)
    } else if (fields.fd !== undefined) {
      const { pid, fd, ino } = fields
      complete.push({
        kind: 'pin',
        pid: pid as number,
        timestamp,
        fd: fd as number,
        ino: ino as bigint,
        walk: walkOf(record, PIN_NAMES, 0),
      })
    } else if (fields.opcode !== undefined) {
      const { opcode, execname, pid, uid } = fields
      complete.push({
        kind: 'blind',
        timestamp,
        opcode: opcode as number,
        execname: execname as string,
        pid: pid as number,
        uid: uid as number,
      })
    } else if (fields.rest === undefined && fields.fromfd === undefined) {
      complete.push({ kind: 'mount', timestamp })
    }
    // Of a path whose beginning was dropped, the rest is of no use; the drop is reported.
  }

  /** @returns whether the record belongs to what its CPU's last record began */
  #continue(record: DTraceRecord, pending: Pending, complete: RawUnlink[]): boolean {
    const { cpu, fields, values } = record
    const { removal } = pending
    if (removal.timestamp === fields.timestamp) {
      if (fields.rest !== undefined) {
        if (pending.name !== undefined) pending.name.text += values.slice(REST_PIECES).join('')
        pending.name = undefined
        this.#settle(cpu, pending, complete)
        return true
      }
      if (fields.fromfd !== undefined && pending.wantsFrom) {
        removal.from = fromOf(record, removal.name.walk.mntns)
        pending.wantsFrom = false
        pending.name = removal.from.text.length >= FULL ? removal.from : undefined
        this.#settle(cpu, pending, complete)
        return true
      }
    }
    this.#pending.delete(cpu)
    complete.push(removal)
    return false
  }

  #settle(cpu: number, pending: Pending, complete: RawUnlink[]): void {
    if (pending.name !== undefined || pending.wantsFrom) {
      this.#pending.set(cpu, pending)
    } else {
      this.#pending.delete(cpu)
      complete.push(pending.removal)
    }
  }
}

function removalOf(record: DTraceRecord): RawRemoval {
  const { fields, values } = record
  const call = fields.op as string
  const op = call.startsWith('rename')
    ? 'rename'
    : call === 'rmdir' || ((fields.flags as number) & AT_REMOVEDIR) !== 0
      ? 'rmdir'
      : 'unlink'
  const text = values.at(-1) as string
  return {
    kind: 'removal',
    op,
    execname: fields.execname as string,
    pid: fields.pid as number,
    tid: fields.tid as number,
    uid: fields.uid as number,
    zone_id: fields.zone_id as number,
    nodename: fields.zone_name as string,
    init_pid: fields.init_pid as number,
    init_start: fields.init_start as bigint,
    timestamp: fields.timestamp as bigint,
    errno: fields.errno as number,
    replaced: REPLACED[fields.found as number] ?? 'unknown',
    ino: fields.ino as bigint,
    mode: fields.mode as number,
    size: fields.size as bigint,
    nlink: fields.nlink as number,
    name: {
      walk: walkOf(record, TO_NAMES, 1),
      exact: fields.exact === 1,
      text,
      dirfd: descriptor(fields.dirfd as number, text),
    },
  }
}

function fromOf(record: DTraceRecord, mntns: number): RemovedName {
  const { fields, values } = record
  const text = values.at(-1) as string
  return {
    walk: { ...walkOf(record, FROM_NAMES, 1), mntns },
    exact: fields.exact === 1,
    text,
    dirfd: descriptor(fields.fromfd as number, text),
  }
}

/** Whatever is below zero names no descriptor: AT_FDCWD is -100. */
function descriptor(fd: number, text: BytePath): number | undefined {
  return fd < 0 || text.startsWith('/') ? undefined : fd
}

/** @param after how many of the values come after the names, which begin with the outermost and are empty where there are none */
function walkOf({ fields, values }: DTraceRecord, first: number, after: number): PathWalk {
  const names: BytePath[] = []
  for (let i = first; i < values.length - after; i++) {
    const name = values[i] as string
    if (name !== '') names.push(name.endsWith('/') ? name.slice(0, -1) : name)
  }
  const complete = (fields.level as number) < 100
  const mnt = fields.mnt as number
  return {
    dev: fields.dev as number,
    names,
    complete,
    ...(complete ? {} : { ino: fields.base as bigint }),
    ...(mnt === 0 ? {} : { mnt }),
    mntns: (fields.mntns as number | undefined) ?? 0,
  }
}

/**
 * From the records of `dscripts/<platform>/opens.d` to opens: names of the walk, and path strings that came in two records put
 * together. What the fields mean is said at the head of the script.
 */
import type { DTraceRecord } from '../../record/decoder.js'
import type { BytePath } from '../paths/byte-path.js'

/** The named values of an open's record. */
export interface OpenFields {
  op: string
  execname: string
  pid: number
  tid: number
  uid: number
  zone_id: number
  zone_name: string
  init_pid: number
  init_start: bigint
  timestamp: bigint
  elapsed: bigint
  fd: number
  errno: number
  flags: number
  mode: number
  dirfd: number
  mntns: number
  mnt: number
  dev: number
  magic: number
  ino: bigint
  unlinked: number
  level: number
  text: string
}

export interface RawOpen {
  kind: 'open'
  timestamp: bigint
  fields: Readonly<OpenFields>
  /** Of the walk, the outermost first; `['/']` for a file system's root. */
  names: BytePath[]
  /** The string that was passed, all of it. */
  text: BytePath
}

export type RawOpenRecord =
  | RawOpen
  | { kind: 'mount'; timestamp: bigint; pid: number; mntns: number }
  | { kind: 'blind'; timestamp: bigint; opcode: number; execname: string; pid: number; uid: number }

/** A string's room in a record, without the NUL: a path string this long has its rest in a record of its own. */
const FULL = 255
/** Where the pieces of `path` and `rest` begin among a record's values: they are the printf's arguments from there on. */
const PATH_PIECES = 24
const REST_PIECES = 1

/** Puts records together; one for each session. */
export class OpenAssembler {
  /** By CPU: an open whose string goes on in the CPU's next record. */
  readonly #pending = new Map<number, RawOpen>()

  /** Some open waits for its other record, which is in the next batch. */
  get waiting(): boolean {
    return this.#pending.size > 0
  }

  /** What is complete with these records, in the order of time. */
  add(records: Iterable<DTraceRecord>): RawOpenRecord[] {
    const opens: RawOpenRecord[] = []
    for (const record of records) this.#add(record, opens)
    // Each CPU's records are in order, but one CPU's come after another's.
    if (!inOrder(opens)) {
      opens.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
    }
    return opens
  }

  /** What waits for records that don't come: they were dropped, which is told. */
  flush(): RawOpenRecord[] {
    const opens = [...this.#pending.values()]
    this.#pending.clear()
    return opens
  }

  #add({ cpu, fields, values }: DTraceRecord, opens: RawOpenRecord[]): void {
    const timestamp = fields.timestamp as bigint
    const pending = this.#pending.size === 0 ? undefined : this.#pending.get(cpu)
    if (pending !== undefined) {
      this.#pending.delete(cpu)
      opens.push(pending)
      if (fields.rest !== undefined && pending.timestamp === timestamp) {
        pending.text += values.slice(REST_PIECES).join('')
        return
      }
    }
    if (fields.level !== undefined) {
      const open: RawOpen = {
        kind: 'open',
        timestamp,
        fields: fields as unknown as OpenFields,
        names: namesOf(values),
        text: fields.text as string,
      }
      if (open.text.length >= FULL) this.#pending.set(cpu, open)
      else opens.push(open)
    } else if (fields.opcode !== undefined) {
      const { opcode, execname, pid, uid } = fields as {
        opcode: number
        execname: string
        pid: number
        uid: number
      }
      opens.push({ kind: 'blind', timestamp, opcode, execname, pid, uid })
    } else if (fields.rest === undefined) {
      opens.push({ kind: 'mount', timestamp, pid: fields.pid as number, mntns: fields.mntns as number })
    }
    // Of a string whose beginning was dropped, the rest is of no use; the drop is told.
  }
}

function inOrder(opens: readonly RawOpenRecord[]): boolean {
  for (let i = 1; i < opens.length; i++) {
    if ((opens[i] as RawOpenRecord).timestamp < (opens[i - 1] as RawOpenRecord).timestamp) return false
  }
  return true
}

/** Those that there were none for are empty; all but the last have a slash after them, unless there was no room for it. */
function namesOf(values: DTraceRecord['values']): BytePath[] {
  const names: BytePath[] = []
  const last = values.length - 1
  for (let i = PATH_PIECES; i < last; i++) {
    const name = values[i] as string
    if (name !== '') names.push(name.endsWith('/') ? name.slice(0, -1) : name)
  }
  names.push(values[last] as string)
  return names
}

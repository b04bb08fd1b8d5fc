/**
 * From the records of `dscripts/linux/zones.d`, `dscripts/illumos/zones.d` and `dscripts/freebsd/jails.d` to typed ones. What the fields
 * mean is said at the head of each script.
 */
import type { DTraceRecord } from '../../record/decoder.js'
import { toText } from '../paths/byte-path.js'

/** Clock ticks a second of /proc: USER_HZ, 100 on every architecture that Node.js runs on. */
const TICK = 10_000_000n

interface Seen {
  /** Nanoseconds since 1970. */
  timestamp: bigint
  /** Nanoseconds of a clock that nobody sets. */
  monotonic: bigint
  zone_id: number
}

/** A Linux namespace's first process, and with it the zone: its number alone is another one's soon. */
interface OfInit extends Seen {
  level: number
  parent_zone_id: number
  init_pid: number
  /** When it was made, in clock ticks after the system's boot, as in /proc/PID/stat. */
  init_start: number
  execname: string
  uid: number
}

/** The first process was made, by this one. */
export interface CreateRecord extends OfInit {
  op: 'create'
  command: string
}

/** A process in the namespace executed a command, or the first one ended. */
export interface LifeRecord extends OfInit {
  op: 'exec' | 'exit'
  /** The first process has executed something. */
  executed: boolean
  /** The process' number in the namespace. */
  nr: number
  hostname: string
  command: string
  /** It has other cgroups than its parent process. */
  own: boolean
  /** Paths of its cgroups: unified, then the deepest one of v1. Without those that are the hierarchy's root. */
  cgroups: string[]
  /** As wait(2) gives it. */
  status: number
  oom: boolean
}

/** A system that has zones itself says what happens to them. */
export interface ZoneRecord extends Seen {
  op: 'boot' | 'shutdown' | 'failed'
  zone_name: string
  runtime: 'zone' | 'jail'
  hostname?: string
  parent_zone_id?: number
  execname: string
  uid: number
}

/** The consumer's own mark: {@link Consumer.mark}. */
export interface MarkRecord {
  op: 'mark'
  mark: number
}

/** What happens to zones. */
export type ZoneChange = CreateRecord | LifeRecord | ZoneRecord

/** How many names of a cgroup's path a record has at most. */
const NAMES = { unified: 8, v1: 6 }

export function zoneRecord({ fields, values }: DTraceRecord): ZoneChange | MarkRecord {
  const { op } = fields
  if (fields.mark !== undefined) return { op: 'mark', mark: Number(fields.mark) }
  // Alone in its clause, so its format has it as text.
  if (op === undefined) return { op: 'create', ...ofInit(fields), command: text(fields.command) }
  if (op === 'exec' || op === 'exit') return lifeRecord(op, fields, values)
  return {
    op: op as ZoneRecord['op'],
    ...seen(fields),
    zone_name: text(fields.zone_name),
    runtime: fields.runtime as ZoneRecord['runtime'],
    ...(fields.hostname === undefined ? {} : { hostname: text(fields.hostname) }),
    ...(fields.parent_zone_id === undefined ? {} : { parent_zone_id: Number(fields.parent_zone_id) }),
    execname: text(fields.execname),
    uid: Number(fields.uid),
  }
}

function lifeRecord(
  op: LifeRecord['op'],
  fields: DTraceRecord['fields'],
  values: DTraceRecord['values'],
): LifeRecord {
  const v1 = values.length - NAMES.v1
  // The count of the other path's names stands between the two.
  const unified = v1 - 1 - NAMES.unified
  return {
    op,
    ...ofInit(fields),
    executed: fields.executed === 1,
    nr: Number(fields.nr),
    hostname: text(fields.hostname),
    command: text(fields.command),
    own: fields.own === 1,
    cgroups: [
      cgroup(values.slice(unified, v1 - 1), Number(fields.depth)),
      cgroup(values.slice(v1), Number(fields.v1_depth)),
    ].filter((path) => path !== ''),
    status: Number(fields.status),
    oom: fields.oom === 1,
  }
}

function seen({ timestamp, monotonic, zone_id }: DTraceRecord['fields']): Seen {
  return { timestamp: timestamp as bigint, monotonic: monotonic as bigint, zone_id: Number(zone_id) }
}

function ofInit(fields: DTraceRecord['fields']): OfInit {
  return {
    ...seen(fields),
    level: Number(fields.level),
    parent_zone_id: Number(fields.parent_zone_id),
    init_pid: Number(fields.init_pid),
    init_start: Number((fields.init_start as bigint) / TICK),
    execname: text(fields.execname),
    uid: Number(fields.uid),
  }
}

/** Each name has its slash; of a deeper path the outer names are missing. */
function cgroup(names: readonly unknown[], depth: number): string {
  const path = names.map(text).join('')
  return depth > names.length ? `/…${path}` : path
}

function text(bytes: unknown): string {
  return toText(bytes as string).text
}

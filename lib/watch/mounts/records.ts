/**
 * From the records of `dscripts/<platform>/mounts.d` to calls: values by their names, and what came in several records put together. What the
 * fields mean is said at the head of the script.
 */
import type { DTraceRecord } from '../../record/decoder.js'
import type { BytePath } from '../paths/byte-path.js'

/** Where a path starts, as the kernel's trees of mounts and names say. */
export interface MountBase {
  /** A descriptor, or one of {@link WORKING_DIRECTORY}, {@link ROOT_DIRECTORY}, {@link MOUNT_POINT}. */
  from: number
  /** What the path is from: something unknown above it, the namespace's root, or another root. */
  top: 'unknown' | 'namespace' | 'other'
  path: BytePath
}

export const WORKING_DIRECTORY = -100
export const ROOT_DIRECTORY = -200
/** The path is the whole: where the mount that was moved is, or was. */
export const MOUNT_POINT = -300

/** A path string of a call. */
export interface MountPath {
  /** As the program passed it; empty where there was none. */
  text: BytePath
  /** The descriptor that it is relative to, or {@link WORKING_DIRECTORY}. */
  dirfd: number
  /** undefined: the namespace's root, or not known where the descriptor is not open. */
  base: MountBase | undefined
}

/** One system call, as it was seen at its return. */
export interface MountCall {
  /** The system call's name. */
  call: string
  /** 0: it succeeded. */
  errno: number
  execname: string
  pid: number
  tid: number
  uid: number
  nodename: string
  zone_id: number
  init_pid: number
  init_start: bigint
  cgroup: string
  mntns: number
  /** Inode number of the process' root directory. */
  root: bigint
  /** Nanoseconds since 1970. */
  timestamp: bigint
  /** Of fsconfig: its command. */
  flags: number
  fstype: string
  /** The source that the kernel has of a descriptor's mount, or of a context. */
  device: string
  /** Address of the file system context; 0n where there is none. */
  context: bigint
  /** mount's data, with its rest. */
  options: string
  /** `mnt_id` of the descriptor's mount; 0 where there is none. */
  mnt_id: number
  /** It was mounted somewhere before the call. */
  attached: boolean
  attr_set: bigint
  attr_clr: bigint
  /** Of struct mount_attr, MS_SHARED and the like. */
  propagation: number
  source: MountPath
  target: MountPath
  /** Of fsconfig. */
  key: string
  value: string
  aux: number
}

/** What came before a call's own record. */
interface Parts {
  tid: number
  timestamp: bigint
  bases: { [side: string]: MountBase | undefined }
  rests: { [side: string]: string | undefined }
}

const TOPS = ['unknown', 'namespace', 'other'] as const
/** Where the pieces begin among a record's values: they are the `printf` arguments from `path=` and `rest=` on. */
const BASE_PIECES = 5
const REST_PIECES = 3

/** Puts records together; one for each session. */
export class MountAssembler {
  readonly #parts = new Map<number, Parts>()

  /** The calls of these records, in the order of time. */
  add(records: Iterable<DTraceRecord>): MountCall[] {
    const calls: MountCall[] = []
    for (const record of records) {
      if (record.fields.side !== undefined) this.#part(record)
      else calls.push(this.#call(record))
    }
    // Each CPU's records are in order, but one CPU's come after another's.
    return calls.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
  }

  #part({ cpu, fields, values }: DTraceRecord): void {
    const tid = fields.tid as number
    const timestamp = fields.timestamp as bigint
    const side = fields.side as string
    let parts = this.#parts.get(cpu)
    if (parts?.tid !== tid || parts.timestamp !== timestamp) {
      parts = { tid, timestamp, bases: {}, rests: {} }
      this.#parts.set(cpu, parts)
    }
    if (fields.rest !== undefined) parts.rests[side] = values.slice(REST_PIECES).join('')
    else {
      const top = TOPS[fields.end as number] ?? 'unknown'
      parts.bases[side] = {
        from: fields.from as number,
        top,
        path: values.slice(BASE_PIECES).join('') || '/',
      }
    }
  }

  #call({ cpu, fields, probe }: DTraceRecord): MountCall {
    const known = this.#parts.get(cpu)
    this.#parts.delete(cpu)
    // Parts without their call were of one that was dropped.
    const parts = known?.tid === fields.tid && known?.timestamp === fields.timestamp ? known : undefined
    const text = (name: string): string => (fields[name] as string | undefined) ?? ''
    const long = (name: string): string => text(name) + (parts?.rests[name] ?? '')
    const number = (name: string): number => Number(fields[name] ?? 0)
    const big = (name: string): bigint => BigInt((fields[name] as bigint | number | undefined) ?? 0n)
    return {
      call: probe.function,
      errno: number('errno'),
      execname: text('execname'),
      pid: number('pid'),
      tid: number('tid'),
      uid: number('uid'),
      nodename: text('zone_name'),
      zone_id: number('zone_id'),
      init_pid: number('init_pid'),
      init_start: big('init_start'),
      cgroup: text('cgroup'),
      mntns: number('mntns'),
      root: big('root'),
      timestamp: big('timestamp'),
      flags: number('flags'),
      fstype: text('fstype'),
      device: text('device'),
      context: big('context'),
      options: long('options'),
      mnt_id: number('mnt_id'),
      attached: number('attached') !== 0,
      attr_set: big('attr_set'),
      attr_clr: big('attr_clr'),
      propagation: number('propagation'),
      source: { text: long('source'), dirfd: number('fromfd'), base: parts?.bases.source },
      target: { text: long('target'), dirfd: number('dirfd'), base: parts?.bases.target },
      key: text('key'),
      value: long('value'),
      aux: number('aux'),
    }
  }
}

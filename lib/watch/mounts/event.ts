/** What a watcher of mounts tells about one of them. */

import { errnoName } from '../errno-name.js'
import { type BytePath, toText } from '../paths/byte-path.js'
import { attributeNames, flagNames, type Propagation } from './flags.js'
import type { MountMeaning, MountOp, MountStep } from './meaning.js'
import type { MountCall } from './records.js'

export interface MountEvent {
  /** Milliseconds since 1970, with fractions, when the call returned. */
  timestamp: number
  /**
   * What happened: `mount`, `umount`, `remount`, `bind`, `move`, `propagation`, `setattr`, `pivot_root`. With the option `calls`, a step
   * on the way has the call's name.
   */
  op: MountOp | MountStep
  /** The system call that did it, or failed to: `mount`, `move_mount`, `fsconfig`, … */
  call: string
  /**
   * What is mounted: as it was passed for a new file system (`/dev/sdb1`, `overlay`), an absolute path of what is bound or moved; of
   * pivot_root the new root. Undefined where the call has none.
   */
  source?: string
  /** As bytes, where it is not UTF-8: `source` has U+FFFD for what isn't. */
  source_bytes?: Uint8Array
  /**
   * Where: absolute, as the process' mount namespace has it; of pivot_root where the old root was put. It begins with `…/` where what is
   * above isn't known. Undefined where nothing says: an fsopen that failed.
   */
  target?: string
  target_bytes?: Uint8Array
  fstype?: string
  /** Of the call, as a number. Of fsconfig its command. */
  flags: number
  /** By name: `MS_RDONLY`, `MNT_DETACH`, `MOVE_MOUNT_F_EMPTY_PATH`, …; bits without a name in hexadecimal. */
  flag_names: string[]
  /** Of the file system: mount's data string, or the parameters of fsconfig as `key=value`, with commas between. */
  options?: string
  /** Of fsconfig: its one parameter. */
  parameter?: string
  /** Attributes of the mount that are set and cleared, `MOUNT_ATTR_…`: by mount_setattr, or on the way by fsmount. */
  attr_set?: number | bigint
  attr_set_names?: string[]
  attr_clr?: number | bigint
  attr_clr_names?: string[]
  /** How what is mounted below spreads from now on. */
  propagation?: Propagation
  /** True of bind, propagation and setattr: with all that is mounted below (MS_REC, AT_RECURSIVE). */
  recursive?: true
  /** The kernel's name of the process, at most 15 bytes. */
  execname: string
  pid: number
  tid: number
  /** Real user. */
  uid: number
  zone_name: string
  /** Inode number of the PID namespace. */
  zone_id: number
  /** Inode number of the mount namespace. */
  mntns: number
  /** The kernel's number of the mount, as /proc/PID/mountinfo has it, where it is known. */
  mnt_id?: number
  /** Why it failed; undefined when it succeeded. */
  errno?: number
  /** By name: `EBUSY`. */
  error?: string
}

export function makeMountEvent(call: MountCall, meaning: MountMeaning, zone_name: string): MountEvent {
  const { errno, flags, mnt_id } = call
  const { op, fstype, options, parameter, attr_set, attr_clr, propagation, recursive } = meaning
  return {
    timestamp: Number(call.timestamp / 1000n) / 1000,
    op,
    call: call.call,
    ...path('source', meaning.source),
    ...path('target', meaning.target),
    ...(fstype === undefined ? {} : { fstype: toText(fstype).text }),
    flags,
    flag_names: flagNames(call.call, flags),
    ...(options === undefined ? {} : { options: readable(options) }),
    ...(parameter === undefined ? {} : { parameter: toText(parameter).text }),
    ...attributes('attr_set', attr_set),
    ...attributes('attr_clr', attr_clr),
    ...(propagation === undefined ? {} : { propagation }),
    ...(recursive === true ? { recursive } : {}),
    execname: toText(call.execname).text,
    pid: call.pid,
    tid: call.tid,
    uid: call.uid,
    zone_name,
    zone_id: call.zone_id,
    mntns: call.mntns,
    ...(mnt_id === 0 ? {} : { mnt_id }),
    ...(errno === 0 ? {} : { errno, error: errnoName(errno) }),
  }
}

function path(name: 'source' | 'target', bytePath: BytePath | undefined): Partial<MountEvent> {
  if (bytePath === undefined) return {}
  const { text, bytes } = toText(bytePath)
  return { [name]: text, ...(bytes === undefined ? {} : { [`${name}_bytes`]: bytes }) }
}

function attributes(name: 'attr_set' | 'attr_clr', value: bigint): Partial<MountEvent> {
  if (value === 0n) return {}
  const number = Number(value)
  return { [name]: Number.isSafeInteger(number) ? number : value, [`${name}_names`]: attributeNames(value) }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what it is about
const CONTROL = /[\x00-\x08\x0e-\x1f]/

/** NFS and others may pass a structure instead of a string: mount(2) gives each file system its own kind of data. */
function readable(options: string): string {
  return CONTROL.test(options) ? '(binary)' : toText(options).text
}

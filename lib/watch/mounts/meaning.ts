/**
 * What calls about mounts come to. mount(2) does everything in one call, and its flags say what; the newer calls spread a mount over
 * several: fsopen, fsconfig and fsmount, or open_tree, make a mount that is nowhere yet, and move_mount puts it somewhere. What is known of
 * a mount on its way is kept by the kernel's own identity of it (the context's address, the mount's number), so it does not matter in which
 * process, thread or descriptor the next call is made.
 */
import type { BytePath } from '../paths/byte-path.js'
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  FSCONFIG,
  FSPICK_EMPTY_PATH,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_SET_GROUP,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS,
  OPEN_TREE_CLONE,
  type Propagation,
  propagationOf,
  withoutMagic,
} from './flags.js'
import type { MountPaths } from './paths.js'
import type { MountCall } from './records.js'

/** What happened, in a mount's life. */
export type MountOp =
  | 'mount'
  | 'umount'
  | 'remount'
  | 'bind'
  | 'move'
  | 'propagation'
  | 'setattr'
  | 'pivot_root'

/** Calls that are only a step towards one of those. */
export type MountStep =
  | 'fsopen'
  | 'fsconfig'
  | 'fsmount'
  | 'fspick'
  | 'open_tree'
  | 'open_tree_attr'
  | 'mount_setattr'

export interface MountMeaning {
  op: MountOp | MountStep
  /** It is a step: nothing that others could see has happened. */
  step: boolean
  source?: BytePath | undefined
  target?: BytePath | undefined
  fstype?: string | undefined
  options?: string | undefined
  attr_set: bigint
  attr_clr: bigint
  propagation?: Propagation | undefined
  /** With all that is mounted below. */
  recursive?: boolean | undefined
  /** Of fsconfig: `key=value`. */
  parameter?: string | undefined
}

/** A file system context, between fsopen or fspick and fsmount. */
interface Context {
  fstype: string | undefined
  source?: string | undefined
  options: string[]
  /** The mount point of a file system that is there already: fspick. */
  picked?: BytePath | undefined
  reconfigures: boolean
}

/** A mount that is nowhere yet. */
type Detached = Partial<MountMeaning> & { op: 'mount' | 'bind'; attr_set: bigint; attr_clr: bigint }

/** The most of each that are remembered: not every one comes to its end. */
const MOST = 4096
const PROPAGATION = MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE

/** One for each session. */
export class MountMeanings {
  readonly #paths: MountPaths
  readonly #contexts = new Map<bigint, Context>()
  readonly #detached = new Map<number, Detached>()

  constructor(paths: MountPaths) {
    this.#paths = paths
  }

  /** Calls must come in the order of time. */
  of(call: MountCall): MountMeaning {
    switch (call.call) {
      case 'mount':
        return this.#mount(call)
      case 'umount':
        return done('umount', { target: this.#target(call) })
      case 'pivot_root':
        return done('pivot_root', { source: this.#source(call), target: this.#target(call) })
      case 'move_mount':
        return this.#moveMount(call)
      case 'mount_setattr':
        return this.#setattr(call)
      case 'fsopen':
        return this.#fsopen(call)
      case 'fspick':
        return this.#fspick(call)
      case 'fsconfig':
        return this.#fsconfig(call)
      case 'fsmount':
        return this.#fsmount(call)
      default:
        return this.#openTree(call)
    }
  }

  // --- One call for all ----------------------------------------------------------------------------------------------

  /** In the order in which the kernel looks at the flags: path_mount() in fs/namespace.c. */
  #mount(call: MountCall): MountMeaning {
    const flags = withoutMagic(call.flags)
    const has = (flag: number): boolean => (flags & flag) !== 0
    const target = this.#target(call)
    const recursive = has(MS.REC)
    const isNew = !has(MS.REMOUNT | MS.BIND | PROPAGATION | MS.MOVE)
    if (has(MS.REMOUNT) || isNew) {
      // The source is no path here: each file system has its own idea of one.
      const source = call.source.text || undefined
      const [fstype, options] = [call.fstype || undefined, call.options || undefined]
      return done(isNew ? 'mount' : 'remount', { source, target, fstype, options })
    }
    if (has(MS.BIND)) return done('bind', { source: this.#source(call), target, recursive })
    if (has(PROPAGATION)) return done('propagation', { target, propagation: propagationOf(flags), recursive })
    return done('move', { source: this.#source(call), target })
  }

  // --- Calls on mounts -----------------------------------------------------------------------------------------------

  #moveMount(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attached } = call
    const target = this.#target(call, (flags & MOVE_MOUNT_T_EMPTY_PATH) !== 0)
    const fstype = call.fstype || undefined
    if (attached || mnt_id === 0 || (flags & MOVE_MOUNT_SET_GROUP) !== 0) {
      const op = (flags & MOVE_MOUNT_SET_GROUP) === 0 ? 'move' : 'propagation'
      const source = this.#source(call, (flags & MOVE_MOUNT_F_EMPTY_PATH) !== 0)
      return done(op, { source, target, fstype })
    }
    const made = this.#detached.get(mnt_id)
    if (errno === 0) this.#detached.delete(mnt_id)
    // Made before the watcher was there: what the kernel knows of it.
    if (made === undefined) return done('mount', { source: call.device || undefined, target, fstype })
    return done(made.op, { ...made, target, fstype })
  }

  #setattr(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attr_set, attr_clr } = call
    const propagation = propagationOf(call.propagation)
    const changes = { attr_set, attr_clr, propagation, recursive: (flags & AT_RECURSIVE) !== 0 }
    const made = mnt_id === 0 ? undefined : this.#detached.get(mnt_id)
    if (errno === 0 && made !== undefined) {
      // The kernel clears first, and sets then.
      made.attr_clr = (made.attr_clr & ~attr_set) | (attr_clr & ~attr_set)
      made.attr_set = (made.attr_set & ~attr_clr) | attr_set
      made.propagation = propagation ?? made.propagation
      return step('mount_setattr', { ...changes, source: made.source })
    }
    const target = this.#target(call, (flags & AT_EMPTY_PATH) !== 0)
    const op = attr_set === 0n && attr_clr === 0n && propagation !== undefined ? 'propagation' : 'setattr'
    return done(op, { ...changes, target, fstype: call.fstype || undefined })
  }

  #openTree(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attr_set, attr_clr } = call
    const name = call.call as MountStep
    const path = this.#target(call, (flags & AT_EMPTY_PATH) !== 0)
    const propagation = propagationOf(call.propagation)
    const changes = { attr_set, attr_clr, propagation, recursive: (flags & AT_RECURSIVE) !== 0 }
    if ((flags & OPEN_TREE_CLONE) === 0)
      return { ...step(name, { ...changes, target: path }), step: errno === 0 }
    if (errno !== 0) return done('bind', { ...changes, source: path })
    remember(this.#detached, mnt_id, { ...changes, op: 'bind', source: path })
    return step(name, { ...changes, source: path, fstype: call.fstype || undefined })
  }

  // --- File system contexts ------------------------------------------------------------------------------------------

  #fsopen({ errno, context, fstype }: MountCall): MountMeaning {
    if (errno !== 0) return done('mount', { fstype: fstype || undefined })
    remember(this.#contexts, context, { fstype, options: [], reconfigures: false })
    return step('fsopen', { fstype })
  }

  #fspick(call: MountCall): MountMeaning {
    const { errno, context, flags } = call
    const target = this.#target(call, (flags & FSPICK_EMPTY_PATH) !== 0)
    if (errno !== 0) return done('remount', { target })
    const fstype = call.fstype || undefined
    remember(this.#contexts, context, { fstype, options: [], picked: target, reconfigures: true })
    return step('fspick', { target, fstype })
  }

  #fsconfig(call: MountCall): MountMeaning {
    const { errno, flags: command } = call
    const context = this.#context(call)
    if (command === FSCONFIG.CMD_RECONFIGURE) context.reconfigures = true
    const whole = described(context)
    const op = context.reconfigures ? 'remount' : 'mount'
    if (command === FSCONFIG.CMD_RECONFIGURE) {
      if (errno === 0) context.options = []
      return done(op, whole)
    }
    const parameter = command < FSCONFIG.CMD_CREATE ? parameterOf(call) : undefined
    if (errno !== 0) return done(op, { ...whole, parameter })
    if (parameter !== undefined) {
      if (command === FSCONFIG.SET_STRING && call.key === 'source') context.source = call.value
      else context.options.push(parameter)
    }
    return step('fsconfig', { ...whole, parameter })
  }

  #fsmount(call: MountCall): MountMeaning {
    const { errno, mnt_id, attr_set } = call
    const context = this.#context(call)
    const whole = described(context)
    if (errno !== 0) return done('mount', { ...whole, attr_set })
    const source = context.source ?? (call.device || undefined)
    remember(this.#detached, mnt_id, { ...whole, op: 'mount', source, attr_set, attr_clr: 0n })
    // The context can be used again: to reconfigure the file system.
    context.options = []
    context.reconfigures = true
    return step('fsmount', { ...whole, source, attr_set, fstype: call.fstype || undefined })
  }

  /** One that was opened before the watcher was there is known by what the kernel says of it. */
  #context({ context, fstype, device }: MountCall): Context {
    const known = this.#contexts.get(context)
    if (known !== undefined) return known
    const source = device || undefined
    const found: Context = { fstype: fstype || undefined, source, options: [], reconfigures: false }
    if (context !== 0n) remember(this.#contexts, context, found)
    return found
  }

  #source(call: MountCall, empty = false): BytePath | undefined {
    return this.#paths.of(call, call.source, empty)
  }

  #target(call: MountCall, empty = false): BytePath | undefined {
    return this.#paths.of(call, call.target, empty)
  }
}

/** Something happened, or failed to. */
function done(op: MountOp, rest: Partial<MountMeaning>): MountMeaning {
  return { attr_set: 0n, attr_clr: 0n, ...rest, op, step: false }
}

function step(op: MountStep, rest: Partial<MountMeaning>): MountMeaning {
  return { attr_set: 0n, attr_clr: 0n, ...rest, op, step: true }
}

function described({ fstype, source, options, picked }: Context): Partial<MountMeaning> {
  return { fstype, source, target: picked, options: options.length === 0 ? undefined : options.join(',') }
}

function parameterOf({ flags: command, key, value, aux }: MountCall): string {
  switch (command) {
    case FSCONFIG.SET_FLAG:
      return key
    case FSCONFIG.SET_BINARY:
      // Its bytes are not read.
      return `${key}=`
    case FSCONFIG.SET_FD:
      return `${key}=${aux}`
    default:
      return `${key}=${value}`
  }
}

/** Keeps the newest. */
function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST) map.delete(map.keys().next().value as Key)
}

/**
 * What calls about mounts come to. mount(2) does everything in one call, and its flags say what; the newer calls spread a mount over
 * several: fsopen, fsconfig and fsmount, or open_tree, make a mount that is nowhere yet, and move_mount puts it somewhere. What is known of
 * a mount on its way is kept by the kernel's own identity of it (the context's address, the mount's number), so it does not matter in which
 * process, thread or descriptor the next call is made.
 */
import type { BytePath } from './byte-path.js'
import {
  AT_EMPTY_PATH,
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
} from './mount-flags.js'
import type { MountPaths } from './mount-paths.js'
import type { MountCall } from './mount-records.js'

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
  /** Of fsconfig: `key=value`. */
  parameter?: string | undefined
}

/** A file system context, between fsopen or fspick and fsmount. */
interface Context {
  fstype: string | undefined
  source: string | undefined
  options: string[]
  /** The mount point of a file system that is there already: fspick. */
  picked: BytePath | undefined
  reconfigures: boolean
}

/** A mount that is nowhere yet. */
interface Detached {
  op: 'mount' | 'bind'
  source: BytePath | undefined
  options: string | undefined
  attr_set: bigint
  attr_clr: bigint
  propagation: Propagation | undefined
}

/** The most of each that are remembered: not every one comes to its end. */
const MOST = 4096
const NO_ATTRIBUTES = { attr_set: 0n, attr_clr: 0n } as const

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
        return { ...NO_ATTRIBUTES, op: 'umount', step: false, target: this.#target(call) }
      case 'pivot_root':
        return {
          ...NO_ATTRIBUTES,
          op: 'pivot_root',
          step: false,
          source: this.#source(call),
          target: this.#target(call),
        }
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
    const target = this.#target(call)
    const options = call.options || undefined
    const propagation = flags & (MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE)
    if ((flags & MS.REMOUNT) !== 0) {
      const source = call.source.text || undefined
      return {
        ...NO_ATTRIBUTES,
        op: 'remount',
        step: false,
        source,
        target,
        fstype: call.fstype || undefined,
        options,
      }
    }
    if ((flags & MS.BIND) !== 0) {
      return { ...NO_ATTRIBUTES, op: 'bind', step: false, source: this.#source(call), target }
    }
    if (propagation !== 0) {
      return { ...NO_ATTRIBUTES, op: 'propagation', step: false, target, propagation: propagationOf(flags) }
    }
    if ((flags & MS.MOVE) !== 0) {
      return { ...NO_ATTRIBUTES, op: 'move', step: false, source: this.#source(call), target }
    }
    // No path: each file system has its own idea of a source.
    const source = call.source.text || undefined
    return {
      ...NO_ATTRIBUTES,
      op: 'mount',
      step: false,
      source,
      target,
      fstype: call.fstype || undefined,
      options,
    }
  }

  // --- Calls on mounts -----------------------------------------------------------------------------------------------

  #moveMount(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attached } = call
    const target = this.#target(call, (flags & MOVE_MOUNT_T_EMPTY_PATH) !== 0)
    const source = (): BytePath | undefined => this.#source(call, (flags & MOVE_MOUNT_F_EMPTY_PATH) !== 0)
    if ((flags & MOVE_MOUNT_SET_GROUP) !== 0) {
      return { ...NO_ATTRIBUTES, op: 'propagation', step: false, source: source(), target }
    }
    if (attached || mnt_id === 0) {
      return {
        ...NO_ATTRIBUTES,
        op: 'move',
        step: false,
        source: source(),
        target,
        fstype: call.fstype || undefined,
      }
    }
    // Made before the watcher was there: what the kernel knows of it.
    const made = this.#detached.get(mnt_id) ?? {
      ...NO_ATTRIBUTES,
      op: 'mount',
      source: call.device || undefined,
    }
    if (errno === 0) this.#detached.delete(mnt_id)
    return { ...made, step: false, target, fstype: call.fstype || undefined }
  }

  #setattr(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attr_set, attr_clr } = call
    const propagation = propagationOf(call.propagation)
    const made = mnt_id === 0 ? undefined : this.#detached.get(mnt_id)
    if (errno === 0 && made !== undefined) {
      // What it clears it takes from what was set before.
      made.attr_set = (made.attr_set & ~attr_clr) | attr_set
      made.attr_clr |= attr_clr & ~attr_set
      made.propagation = propagation ?? made.propagation
      return { op: 'mount_setattr', step: true, attr_set, attr_clr, propagation, source: made.source }
    }
    const target = this.#target(call, (flags & AT_EMPTY_PATH) !== 0)
    const op = attr_set === 0n && attr_clr === 0n && propagation !== undefined ? 'propagation' : 'setattr'
    return { op, step: false, target, attr_set, attr_clr, propagation, fstype: call.fstype || undefined }
  }

  #openTree(call: MountCall): MountMeaning {
    const { errno, flags, mnt_id, attr_set, attr_clr } = call
    const op = call.call as MountStep
    const path = this.#target(call, (flags & AT_EMPTY_PATH) !== 0)
    const propagation = propagationOf(call.propagation)
    if ((flags & OPEN_TREE_CLONE) === 0)
      return { op, step: errno === 0, target: path, attr_set, attr_clr, propagation }
    if (errno !== 0) return { op: 'bind', step: false, source: path, attr_set, attr_clr, propagation }
    remember(this.#detached, mnt_id, {
      op: 'bind',
      source: path,
      options: undefined,
      attr_set,
      attr_clr,
      propagation,
    })
    return { op, step: true, source: path, fstype: call.fstype || undefined, attr_set, attr_clr, propagation }
  }

  // --- File system contexts ------------------------------------------------------------------------------------------

  #fsopen({ errno, context, fstype }: MountCall): MountMeaning {
    if (errno !== 0) return { ...NO_ATTRIBUTES, op: 'mount', step: false, fstype: fstype || undefined }
    const opened: Context = { fstype, source: undefined, options: [], picked: undefined, reconfigures: false }
    remember(this.#contexts, context, opened)
    return { ...NO_ATTRIBUTES, op: 'fsopen', step: true, fstype }
  }

  #fspick(call: MountCall): MountMeaning {
    const { errno, context, flags } = call
    const target = this.#target(call, (flags & FSPICK_EMPTY_PATH) !== 0)
    if (errno !== 0) return { ...NO_ATTRIBUTES, op: 'remount', step: false, target }
    const fstype = call.fstype || undefined
    const picked: Context = { fstype, source: undefined, options: [], picked: target, reconfigures: true }
    remember(this.#contexts, context, picked)
    return { ...NO_ATTRIBUTES, op: 'fspick', step: true, target, fstype }
  }

  #fsconfig(call: MountCall): MountMeaning {
    const { errno, flags: command } = call
    const context = this.#context(call)
    if (command === FSCONFIG.CMD_RECONFIGURE) context.reconfigures = true
    const whole = this.#described(context)
    const op = context.reconfigures ? 'remount' : 'mount'
    if (command === FSCONFIG.CMD_RECONFIGURE) {
      if (errno === 0) context.options = []
      return { ...whole, op, step: false }
    }
    const parameter = command < FSCONFIG.CMD_CREATE ? parameterOf(call) : undefined
    if (errno !== 0) return { ...whole, op, step: false, parameter }
    if (parameter !== undefined) {
      if (command === FSCONFIG.SET_STRING && call.key === 'source') context.source = call.value
      else context.options.push(parameter)
    }
    return { ...whole, op: 'fsconfig', step: true, parameter }
  }

  #fsmount(call: MountCall): MountMeaning {
    const { errno, mnt_id, attr_set } = call
    const context = this.#context(call)
    const whole = { ...this.#described(context), attr_set }
    if (errno !== 0) return { ...whole, op: 'mount', step: false }
    const source = context.source ?? (call.device || undefined)
    const made = {
      op: 'mount',
      attr_set,
      attr_clr: 0n,
      propagation: undefined,
      options: whole.options,
      source,
    } as const
    remember(this.#detached, mnt_id, { ...made })
    // The context is a new one from then on, for the same file system.
    context.options = []
    context.reconfigures = true
    return { ...whole, op: 'fsmount', step: true, source, fstype: call.fstype || undefined }
  }

  /** One that was opened before the watcher was there is known by what the kernel says of it. */
  #context({ context, fstype, device }: MountCall): Context {
    const known = this.#contexts.get(context)
    if (known !== undefined) return known
    const source = device || undefined
    const found = { fstype: fstype || undefined, source, options: [], picked: undefined, reconfigures: false }
    if (context !== 0n) remember(this.#contexts, context, found)
    return found
  }

  #described({ fstype, source, options, picked }: Context): Omit<MountMeaning, 'op' | 'step'> {
    const text = options.length === 0 ? undefined : options.join(',')
    return { ...NO_ATTRIBUTES, fstype, source, target: picked, options: text }
  }

  #source(call: MountCall, empty = false): BytePath | undefined {
    return this.#paths.of(call, call.source, empty)
  }

  #target(call: MountCall, empty = false): BytePath | undefined {
    return this.#paths.of(call, call.target, empty)
  }
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

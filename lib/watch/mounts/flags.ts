/**
 * The flags of calls about mounts, by name. They are those of Linux' include/uapi/linux/mount.h (MS_*, MOVE_MOUNT_*, OPEN_TREE_*, FSOPEN_*,
 * FSPICK_*, FSMOUNT_*, FSCONFIG_*, MOUNT_ATTR_*) and include/uapi/linux/fcntl.h (AT_*); MNT_* and UMOUNT_* are of umount(2). All of them
 * are part of the system call interface: the same on every machine and in every version.
 */

/** Values and names; one value may be a mask that others are in. */
export type FlagTable = readonly (readonly [value: number, name: string])[]

export const MS = {
  RDONLY: 1,
  REMOUNT: 1 << 5,
  BIND: 1 << 12,
  MOVE: 1 << 13,
  REC: 1 << 14,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
} as const

const MOUNT: FlagTable = [
  [MS.RDONLY, 'MS_RDONLY'],
  [1 << 1, 'MS_NOSUID'],
  [1 << 2, 'MS_NODEV'],
  [1 << 3, 'MS_NOEXEC'],
  [1 << 4, 'MS_SYNCHRONOUS'],
  [MS.REMOUNT, 'MS_REMOUNT'],
  [1 << 6, 'MS_MANDLOCK'],
  [1 << 7, 'MS_DIRSYNC'],
  [1 << 8, 'MS_NOSYMFOLLOW'],
  [1 << 10, 'MS_NOATIME'],
  [1 << 11, 'MS_NODIRATIME'],
  [MS.BIND, 'MS_BIND'],
  [MS.MOVE, 'MS_MOVE'],
  [MS.REC, 'MS_REC'],
  [1 << 15, 'MS_SILENT'],
  [1 << 16, 'MS_POSIXACL'],
  [MS.UNBINDABLE, 'MS_UNBINDABLE'],
  [MS.PRIVATE, 'MS_PRIVATE'],
  [MS.SLAVE, 'MS_SLAVE'],
  [MS.SHARED, 'MS_SHARED'],
  [1 << 21, 'MS_RELATIME'],
  [1 << 22, 'MS_KERNMOUNT'],
  [1 << 23, 'MS_I_VERSION'],
  [1 << 24, 'MS_STRICTATIME'],
  [1 << 25, 'MS_LAZYTIME'],
]

const UMOUNT: FlagTable = [
  [1, 'MNT_FORCE'],
  [2, 'MNT_DETACH'],
  [4, 'MNT_EXPIRE'],
  [8, 'UMOUNT_NOFOLLOW'],
]

const AT: FlagTable = [
  [0x100, 'AT_SYMLINK_NOFOLLOW'],
  [0x800, 'AT_NO_AUTOMOUNT'],
  [0x1000, 'AT_EMPTY_PATH'],
  [0x8000, 'AT_RECURSIVE'],
]

/** AT_EMPTY_PATH: an empty path means the descriptor itself. */
export const AT_EMPTY_PATH = 0x1000
/** With all that is mounted below. */
export const AT_RECURSIVE = 0x8000

/** OPEN_TREE_CLONE: a copy of the mount, which is nowhere yet. */
export const OPEN_TREE_CLONE = 1
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40
/** MOVE_MOUNT_SET_GROUP: moves nothing, but makes the target a peer of the source. */
export const MOVE_MOUNT_SET_GROUP = 0x100

const OPEN_TREE: FlagTable = [[OPEN_TREE_CLONE, 'OPEN_TREE_CLONE'], [0o2000000, 'OPEN_TREE_CLOEXEC'], ...AT]

/** Flags of each call. */
const OF_CALL: Readonly<{ [call: string]: FlagTable }> = {
  mount: MOUNT,
  umount: UMOUNT,
  pivot_root: [],
  mount_setattr: AT,
  open_tree: OPEN_TREE,
  open_tree_attr: OPEN_TREE,
  move_mount: [
    [0x1, 'MOVE_MOUNT_F_SYMLINKS'],
    [0x2, 'MOVE_MOUNT_F_AUTOMOUNTS'],
    [MOVE_MOUNT_F_EMPTY_PATH, 'MOVE_MOUNT_F_EMPTY_PATH'],
    [0x10, 'MOVE_MOUNT_T_SYMLINKS'],
    [0x20, 'MOVE_MOUNT_T_AUTOMOUNTS'],
    [MOVE_MOUNT_T_EMPTY_PATH, 'MOVE_MOUNT_T_EMPTY_PATH'],
    [MOVE_MOUNT_SET_GROUP, 'MOVE_MOUNT_SET_GROUP'],
    [0x200, 'MOVE_MOUNT_BENEATH'],
  ],
  fsopen: [[1, 'FSOPEN_CLOEXEC']],
  fsmount: [[1, 'FSMOUNT_CLOEXEC']],
  fspick: [
    [1, 'FSPICK_CLOEXEC'],
    [2, 'FSPICK_SYMLINK_NOFOLLOW'],
    [4, 'FSPICK_NO_AUTOMOUNT'],
    [8, 'FSPICK_EMPTY_PATH'],
  ],
}

export const FSPICK_EMPTY_PATH = 8

/** fsconfig(2) takes one command, not flags. */
export const FSCONFIG = {
  SET_FLAG: 0,
  SET_STRING: 1,
  SET_BINARY: 2,
  SET_PATH: 3,
  SET_PATH_EMPTY: 4,
  SET_FD: 5,
  CMD_CREATE: 6,
  CMD_RECONFIGURE: 7,
  CMD_CREATE_EXCL: 8,
} as const
const FSCONFIG_NAMES = new Map<number, string>(
  Object.entries(FSCONFIG).map(([name, value]) => [value, `FSCONFIG_${name}`]),
)

const ATIME_MASK = 0x70
/** MOUNT_ATTR_*, of fsmount(2) and mount_setattr(2). */
const ATTR: FlagTable = [
  [0x1, 'MOUNT_ATTR_RDONLY'],
  [0x2, 'MOUNT_ATTR_NOSUID'],
  [0x4, 'MOUNT_ATTR_NODEV'],
  [0x8, 'MOUNT_ATTR_NOEXEC'],
  [ATIME_MASK, 'MOUNT_ATTR__ATIME'],
  [0x10, 'MOUNT_ATTR_NOATIME'],
  [0x20, 'MOUNT_ATTR_STRICTATIME'],
  [0x80, 'MOUNT_ATTR_NODIRATIME'],
  [0x100000, 'MOUNT_ATTR_IDMAP'],
  [0x200000, 'MOUNT_ATTR_NOSYMFOLLOW'],
]

const MAGIC = 0xc0ed0000
const MAGIC_MASK = 0xffff0000

/** The flags of mount(2) as the kernel takes them: without the magic number that programs for Linux 2.2 put above them. */
export function withoutMagic(flags: number): number {
  return (flags & MAGIC_MASK) >>> 0 === MAGIC ? flags & ~MAGIC_MASK : flags
}

/** Names of what is in `flags`; bits without a name come last, in hexadecimal. */
function namesIn(flags: number, table: FlagTable): string[] {
  const names: string[] = []
  let rest = flags
  for (const [value, name] of table) {
    if ((rest & value) >>> 0 !== value) continue
    names.push(name)
    rest = (rest & ~value) >>> 0
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`)
  return names
}

export function flagNames(call: string, flags: number): string[] {
  if (call === 'fsconfig') return [FSCONFIG_NAMES.get(flags) ?? `0x${(flags >>> 0).toString(16)}`]
  return namesIn(call === 'mount' ? withoutMagic(flags) : flags, OF_CALL[call] ?? [])
}

/** Attributes are 64 bits; what is past 32 has no names yet. */
export function attributeNames(attributes: bigint): string[] {
  const high = attributes & ~0xffffffffn
  const names = namesIn(Number(attributes & 0xffffffffn), ATTR)
  return high === 0n ? names : [...names, `0x${high.toString(16)}`]
}

export type Propagation = 'shared' | 'private' | 'slave' | 'unbindable'

/** How mount events spread from then on, mount_namespaces(7); undefined where the flags don't say, or say several. */
export function propagationOf(flags: number): Propagation | undefined {
  switch (flags & (MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE)) {
    case MS.SHARED:
      return 'shared'
    case MS.PRIVATE:
      return 'private'
    case MS.SLAVE:
      return 'slave'
    case MS.UNBINDABLE:
      return 'unbindable'
    default:
      return undefined
  }
}

const WORDS: Readonly<{ [name: string]: string }> = {
  MS_RDONLY: 'ro',
  MOUNT_ATTR_RDONLY: 'ro',
  MS_SYNCHRONOUS: 'sync',
  MS_MANDLOCK: 'mand',
  MNT_DETACH: 'lazy',
}
/** Flags that say what kind of call it is, or how paths are looked up, and not what the mount is like. */
const NO_WORD =
  /^(MS_(REMOUNT|BIND|MOVE|REC|UNBINDABLE|PRIVATE|SLAVE|SHARED|SILENT)|AT_.*|MOVE_MOUNT_.*|OPEN_TREE_.*|FS.*|UMOUNT_.*)$/

/** The options of mount(8) that stand for flags: `ro` for MS_RDONLY. */
export function optionWords(names: readonly string[]): string[] {
  return names
    .filter((name) => !NO_WORD.test(name))
    .map((name) => WORDS[name] ?? name.replace(/^(MS|MNT|MOUNT_ATTR)_/, '').toLowerCase())
}

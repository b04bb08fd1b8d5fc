/** The flags of open(2), by name. */
import { constants } from 'node:fs'

const { O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK, O_DSYNC, O_SYNC } = constants
const { O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_DIRECT } = constants

const ACCESS_MODE = 3
/** 3 is neither: the file can only be asked with ioctl(2) (open(2), NOTES). */
const ACCESS = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'] as const

/**
 * What node:fs doesn't name: include/uapi/asm-generic/fcntl.h, the same on x86, arm and riscv, but for O_LARGEFILE. (C libraries
 * for 64 bits have O_LARGEFILE as 0; some programs pass it nevertheless.)
 */
const isArm = process.arch === 'arm64' || process.arch === 'arm'
const TMPFILE = 0o20000000
const LINUX = {
  O_ASYNC: 0o20000,
  O_LARGEFILE: isArm ? 0o400000 : 0o100000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
}

const isLinux = process.platform === 'linux'
/** Those of several bits come before the ones that are in them. */
const FLAGS: readonly (readonly [name: string, bits: number])[] = Object.entries({
  ...(isLinux ? { O_TMPFILE: TMPFILE | O_DIRECTORY } : {}),
  ...{ O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK, O_SYNC, O_DSYNC },
  ...{ O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_NOATIME },
  ...(isLinux ? LINUX : {}),
}).filter(([, bits]) => bits !== undefined && bits !== 0)

const known = new Map<number, readonly string[]>()
const MOST_KNOWN = 4096

/**
 * `['O_WRONLY', 'O_CREAT', 'O_TRUNC']`: the access mode first, then the flags. Bits without a name are one number at the end, in
 * octal as in fcntl.h.
 */
export function openFlagNames(flags: number): readonly string[] {
  const before = known.get(flags)
  if (before !== undefined) return before
  const names: string[] = [ACCESS[(flags & ACCESS_MODE) as 0 | 1 | 2 | 3]]
  let rest = flags & ~ACCESS_MODE
  for (const [name, bits] of FLAGS) {
    if ((rest & bits) !== bits) continue
    names.push(name)
    rest &= ~bits
  }
  if (rest !== 0) names.push(`0${(rest >>> 0).toString(8)}`)
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(flags, Object.freeze(names))
  return names
}

/** The call creates a file, or may do so: its mode counts. */
export function opensWithMode(flags: number): boolean {
  return (flags & O_CREAT) !== 0 || (isLinux && (flags & TMPFILE) !== 0)
}

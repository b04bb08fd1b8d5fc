/** Names of errors, as errno(3) has them. */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/**
 * What Node does not name: the rest of Linux' asm-generic/errno.h, and from its linux/errno.h what a tracer sees of a call
 * that a signal has interrupted, before the kernel begins it again or makes EINTR of it.
 */
const LINUX: Readonly<{ [errno: number]: string }> = {
  15: 'ENOTBLK',
  64: 'ENONET',
  66: 'EREMOTE',
  108: 'ESHUTDOWN',
  117: 'EUCLEAN',
  119: 'ENAVAIL',
  121: 'EREMOTEIO',
  123: 'ENOMEDIUM',
  124: 'EMEDIUMTYPE',
  126: 'ENOKEY',
  127: 'EKEYEXPIRED',
  128: 'EKEYREVOKED',
  129: 'EKEYREJECTED',
  130: 'EOWNERDEAD',
  131: 'ENOTRECOVERABLE',
  132: 'ERFKILL',
  133: 'EHWPOISON',
  512: 'ERESTARTSYS',
  513: 'ERESTARTNOINTR',
  514: 'ERESTARTNOHAND',
  516: 'ERESTART_RESTARTBLOCK',
}

let names: ReadonlyMap<number, string> | undefined

/** `ENOENT` for 2; the number as text where it has no name here. */
export function errnoName(errno: number): string {
  names ??= new Map([
    ...(process.platform === 'linux' ? Object.entries(LINUX) : []).map(
      ([number, name]) => [Number(number), name] as const,
    ),
    ...Object.entries(constants.errno).map(([name, number]) => [number, name] as const),
    ...[...getSystemErrorMap()].map(([number, [name]]) => [-number, name] as const),
  ])
  return names.get(errno) ?? String(errno)
}

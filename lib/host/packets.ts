/**
 * What both ends of a channel to another process agree on; `native/host/channel.h` describes it.
 */
import { endianness } from 'node:os'

/** `kProtocol` of `native/protocol.h`. */
export const PROTOCOL = 2

/** A command with its length before it, in the machine's byte order. */
export function frameCommand(command: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(4 + command.length)
  if (endianness() === 'LE') frame.writeUInt32LE(command.length)
  else frame.writeUInt32BE(command.length)
  frame.set(command, 4)
  return frame
}

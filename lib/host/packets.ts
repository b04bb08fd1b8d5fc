/**
 * Messages as they come through a pipe: the length of the JSON, the length of the bytes beside it, and both. `native/host/channel.h`
 * describes it.
 */
import { endianness } from 'node:os'

const HEADER = 8
/** `kProtocol` of `native/protocol.h`. */
export const PROTOCOL = 2
/** The longest greeting, and more than any message after it has: whoever sends more speaks something else. */
const LONGEST_FIRST = 1024
const LONGEST = 2 ** 29
const LITTLE_ENDIAN = endianness() === 'LE'

/** Must not throw: what is left of the piece would be lost. */
export type TakePacket = (json: string | undefined, data: ArrayBuffer | undefined) => void

/** A word in the machine's byte order. */
function word(bytes: Buffer, at: number): number {
  return LITTLE_ENDIAN ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
}

/** A command with its length before it. */
export function frameCommand(command: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(4 + command.length)
  if (LITTLE_ENDIAN) frame.writeUInt32LE(command.length)
  else frame.writeUInt32BE(command.length)
  frame.set(command, 4)
  return frame
}

/**
 * Puts packets together from what a stream brings in pieces of any size. Bytes are copied once, into memory that begins where a
 * batch must begin.
 */
export class PacketReader {
  readonly #take: TakePacket
  readonly #header = Buffer.alloc(HEADER)
  #longest = LONGEST_FIRST
  #have = 0
  #json: Buffer | undefined
  #data: Buffer | undefined

  constructor(take: TakePacket) {
    this.#take = take
  }

  /** @returns false when what came is no message */
  push(chunk: Buffer): boolean {
    let at = 0
    while (at < chunk.length || this.#isWhole()) {
      const json = this.#json
      const data = this.#data
      if (json === undefined || data === undefined) {
        at += this.#fill(this.#header, 0, chunk, at)
        if (this.#have === HEADER && !this.#begin()) return false
      } else if (this.#have < HEADER + json.length) {
        at += this.#fill(json, HEADER, chunk, at)
      } else if (!this.#isWhole()) {
        at += this.#fill(data, HEADER + json.length, chunk, at)
      } else {
        this.#have = 0
        this.#json = undefined
        this.#data = undefined
        this.#take(
          json.length === 0 ? undefined : json.toString('utf8'),
          data.length === 0 ? undefined : (data.buffer as ArrayBuffer),
        )
      }
    }
    return true
  }

  /** The records of a batch of which a part has come: they are lost if the rest doesn't. */
  get unfinishedRecords(): number {
    const json = this.#json
    const data = this.#data
    if (json === undefined || data === undefined || json.length > 0) return 0
    return this.#have < HEADER + 4 ? 0 : word(data, 0)
  }

  #begin(): boolean {
    const json = word(this.#header, 0)
    const data = word(this.#header, 4)
    if (json > this.#longest || data > this.#longest) return false
    this.#longest = LONGEST
    this.#json = Buffer.alloc(json)
    this.#data = Buffer.from(new ArrayBuffer(data))
    return true
  }

  #isWhole(): boolean {
    const json = this.#json
    const data = this.#data
    return json !== undefined && data !== undefined && this.#have === HEADER + json.length + data.length
  }

  /** Copies what there is and what there is room for; `start`: how much of the packet is before `to`. */
  #fill(to: Buffer, start: number, chunk: Buffer, at: number): number {
    const copied = chunk.copy(to, this.#have - start, at)
    this.#have += copied
    return copied
  }
}

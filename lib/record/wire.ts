/**
 * The wire format of a batch, as `native/record_batch.h` writes it, and the few functions that read it.
 */

/** `FieldKind` of `native/statement.h`. */
export const FieldKind = {
  none: 0,
  int: 1,
  string: 2,
  bytes: 3,
  stack: 4,
  symbol: 5,
  userSymbol: 6,
  printed: 7,
  aggregations: 8,
} as const

export const BATCH_HEADER_SIZE = 32
const TEXT_IS_ASCII = 1
/** A frame: its address, where its name is in the text, the name's length, the length of the module in it, the offset. */
export const FRAME_SIZE = 24

/** How the bytes of D strings become JavaScript strings: `latin1` has one character per byte and loses nothing. */
export type StringEncoding = 'utf8' | 'latin1'

/**
 * A batch's memory, with a view for each kind of value. A view is made when it is first used: most batches need one or two,
 * and making all of them was measured at a quarter of what a record costs.
 */
export class WireBatch {
  readonly count: number
  readonly u32: Uint32Array
  /** Where the bytes region starts. */
  readonly bytesStart: number
  readonly byteLength: number
  readonly #textStart: number
  readonly #textEnd: number
  readonly #plain: boolean
  readonly #data: ArrayBuffer
  #buffer: Buffer | undefined
  #i8: Int8Array | undefined
  #u8: Uint8Array | undefined
  #i16: Int16Array | undefined
  #u16: Uint16Array | undefined
  #i32: Int32Array | undefined
  #i64: BigInt64Array | undefined
  #u64: BigUint64Array | undefined
  #text: string | undefined

  constructor(data: ArrayBuffer, encoding: StringEncoding) {
    this.u32 = new Uint32Array(data, 0, data.byteLength >> 2)
    const header = this.u32
    this.count = header[0] ?? 0
    this.#textStart = header[1] ?? 0
    this.bytesStart = header[2] ?? 0
    this.byteLength = data.byteLength
    this.#plain = encoding === 'latin1' || ((header[4] ?? 0) & TEXT_IS_ASCII) !== 0
    this.#textEnd = this.#textStart + (header[5] ?? 0)
    this.#data = data
  }

  get i8(): Int8Array {
    this.#i8 ??= new Int8Array(this.#data)
    return this.#i8
  }

  get u8(): Uint8Array {
    this.#u8 ??= new Uint8Array(this.#data)
    return this.#u8
  }

  get i16(): Int16Array {
    this.#i16 ??= new Int16Array(this.#data, 0, this.byteLength >> 1)
    return this.#i16
  }

  get u16(): Uint16Array {
    this.#u16 ??= new Uint16Array(this.#data, 0, this.byteLength >> 1)
    return this.#u16
  }

  get i32(): Int32Array {
    this.#i32 ??= new Int32Array(this.#data, 0, this.byteLength >> 2)
    return this.#i32
  }

  get i64(): BigInt64Array {
    this.#i64 ??= new BigInt64Array(this.#data, 0, this.byteLength >> 3)
    return this.#i64
  }

  get u64(): BigUint64Array {
    this.#u64 ??= new BigUint64Array(this.#data, 0, this.byteLength >> 3)
    return this.#u64
  }

  /**
   * A string of the text region. All text of a batch is decoded by one call and sliced, which costs half of a call for
   * each string; only where a character may take several bytes does each string need its own.
   */
  text(offset: number, length: number): string {
    if (this.#plain) {
      let text = this.#text
      if (text === undefined) {
        text = this.#bytes().toString('latin1', this.#textStart, this.#textEnd)
        this.#text = text
      }
      return text.substring(offset, offset + length)
    }
    const start = this.#textStart + offset
    return this.#bytes().toString('utf8', start, start + length)
  }

  #bytes(): Buffer {
    this.#buffer ??= Buffer.from(this.#data)
    return this.#buffer
  }

  /** A copy, so that a value that is kept does not keep the whole batch. */
  bytes(offset: number, length: number): Uint8Array {
    const start = this.bytesStart + offset
    return this.u8.slice(start, start + length)
  }
}

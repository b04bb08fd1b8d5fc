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
} as const

export const BATCH_HEADER_SIZE = 32
const TEXT_IS_ASCII = 1
/** Address, offset and length of the text. */
export const FRAME_SIZE = 16

/** How the bytes of D strings become JavaScript strings: `latin1` has one character per byte and loses nothing. */
export type StringEncoding = 'utf8' | 'latin1'

/** A batch's memory, with a view for each kind of value. One hidden class, whatever is in it. */
export class WireBatch {
  readonly count: number
  readonly i8: Int8Array
  readonly u8: Uint8Array
  readonly i16: Int16Array
  readonly u16: Uint16Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly i64: BigInt64Array
  readonly u64: BigUint64Array
  /** Where the bytes region starts. */
  readonly bytesStart: number
  readonly byteLength: number
  readonly #textStart: number
  readonly #textEnd: number
  readonly #plain: boolean
  readonly #buffer: Buffer
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
    this.#buffer = Buffer.from(data)
    this.u8 = new Uint8Array(data)
    this.i8 = new Int8Array(data)
    const even = data.byteLength >> 1
    this.i16 = new Int16Array(data, 0, even)
    this.u16 = new Uint16Array(data, 0, even)
    this.i32 = new Int32Array(data, 0, data.byteLength >> 2)
    this.i64 = new BigInt64Array(data, 0, data.byteLength >> 3)
    this.u64 = new BigUint64Array(data, 0, data.byteLength >> 3)
  }

  /**
   * A string of the text region. All text of a batch is decoded by one call and sliced, which costs half of a call for
   * each string; only where a character may take several bytes does each string need its own.
   */
  text(offset: number, length: number): string {
    if (this.#plain) {
      let text = this.#text
      if (text === undefined) {
        text = this.#buffer.toString('latin1', this.#textStart, this.#textEnd)
        this.#text = text
      }
      return text.substring(offset, offset + length)
    }
    const start = this.#textStart + offset
    return this.#buffer.toString('utf8', start, start + length)
  }

  /** A copy, so that a value that is kept does not keep the whole batch. */
  bytes(offset: number, length: number): Uint8Array {
    const start = this.bytesStart + offset
    return this.u8.slice(start, start + length)
  }
}

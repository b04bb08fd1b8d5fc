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

/** Memory in which batches are, with a view for each kind of value, made when it is first used. */
export class Views {
  readonly data: ArrayBuffer
  readonly u32: Uint32Array
  #buffer: Buffer | undefined
  #i8: Int8Array | undefined
  #u8: Uint8Array | undefined
  #i16: Int16Array | undefined
  #u16: Uint16Array | undefined
  #i64: BigInt64Array | undefined
  #u64: BigUint64Array | undefined

  constructor(data: ArrayBuffer) {
    this.data = data
    this.u32 = new Uint32Array(data, 0, data.byteLength >> 2)
  }

  get buffer(): Buffer {
    this.#buffer ??= Buffer.from(this.data)
    return this.#buffer
  }

  get i8(): Int8Array {
    this.#i8 ??= new Int8Array(this.data)
    return this.#i8
  }

  get u8(): Uint8Array {
    this.#u8 ??= new Uint8Array(this.data)
    return this.#u8
  }

  get i16(): Int16Array {
    this.#i16 ??= new Int16Array(this.data, 0, this.data.byteLength >> 1)
    return this.#i16
  }

  get u16(): Uint16Array {
    this.#u16 ??= new Uint16Array(this.data, 0, this.data.byteLength >> 1)
    return this.#u16
  }

  get i64(): BigInt64Array {
    this.#i64 ??= new BigInt64Array(this.data, 0, this.data.byteLength >> 3)
    return this.#i64
  }

  get u64(): BigUint64Array {
    this.#u64 ??= new BigUint64Array(this.data, 0, this.data.byteLength >> 3)
    return this.#u64
  }
}

let batches = 0

/** A batch: where it is in its memory. Places of records, text and bytes are counted from the start of that. */
export class WireBatch {
  /** For those who must not keep it: a batch keeps its memory, in which others are. */
  readonly serial: number
  readonly views: Views
  readonly u32: Uint32Array
  readonly count: number
  readonly byteLength: number
  /** Where the records start. */
  readonly start: number
  /** Where the bytes region starts. */
  readonly bytesStart: number
  readonly #textStart: number
  readonly #textEnd: number
  readonly #plain: boolean
  #text: string | undefined

  /** `offset`: a multiple of 8. */
  constructor(memory: ArrayBuffer | Views, encoding: StringEncoding, offset = 0, length?: number) {
    const views = memory instanceof Views ? memory : new Views(memory)
    const { u32 } = views
    const header = offset >> 2
    this.serial = ++batches
    this.views = views
    this.u32 = u32
    this.count = u32[header] ?? 0
    this.byteLength = length ?? views.data.byteLength
    this.start = offset + BATCH_HEADER_SIZE
    this.bytesStart = offset + (u32[header + 2] ?? 0)
    this.#textStart = offset + (u32[header + 1] ?? 0)
    this.#textEnd = this.#textStart + (u32[header + 5] ?? 0)
    this.#plain = encoding === 'latin1' || ((u32[header + 4] ?? 0) & TEXT_IS_ASCII) !== 0
  }

  /**
   * A string of the text region. All text of a batch is decoded by one call and sliced, which costs a third of a call for
   * each string; only where a character may take several bytes does each string need its own.
   */
  text(offset: number, length: number): string {
    if (this.#plain) {
      this.#text ??= this.views.buffer.toString('latin1', this.#textStart, this.#textEnd)
      return this.#text.substring(offset, offset + length)
    }
    const start = this.#textStart + offset
    return this.views.buffer.toString('utf8', start, start + length)
  }

  /** A copy, so that a value that is kept does not keep the memory of whole batches. */
  bytes(offset: number, length: number): Uint8Array {
    const start = this.bytesStart + offset
    return this.views.u8.slice(start, start + length)
  }
}

/** Values that are neither numbers nor strings nor bytes. */
import type { Aggregation } from '../aggregation/aggregation.js'
import type { JoinedAggregation } from '../aggregation/reader.js'

/** A code address, and what it belongs to. */
export class Frame {
  readonly address: bigint
  /** The kernel module (`vmlinux`) or the object file (`libc.so.6`); undefined where it isn't known. */
  readonly module: string | undefined
  /** The function; undefined where it isn't known. */
  readonly symbol: string | undefined
  /** Bytes from the symbol's start; 0 without a symbol. */
  readonly offset: number

  constructor(address: bigint, module: string | undefined, symbol: string | undefined, offset: number) {
    this.address = address
    this.module = module
    this.symbol = symbol
    this.offset = offset
  }

  /** As dtrace(1) prints it: ``module`symbol+0x12``, ``module`0x7f12`` or `0x7f12`. */
  get text(): string {
    if (this.module === undefined) return this.#hex()
    if (this.symbol === undefined) return `${this.module}\`${this.#hex()}`
    const offset = this.offset === 0 ? '' : `+0x${this.offset.toString(16)}`
    return `${this.module}\`${this.symbol}${offset}`
  }

  toString(): string {
    return this.text
  }

  toJSON(): unknown {
    const { module, symbol, offset } = this
    return { address: this.#hex(), module, symbol, offset }
  }

  #hex(): string {
    return `0x${this.address.toString(16)}`
  }
}

/**
 * What `stack()`, `ustack()` and `jstack()` record, innermost frame first.
 *
 * @example
 * for (const { module, symbol } of fields.frames) console.log(module, symbol)
 */
export class Stack implements Iterable<Frame> {
  /** The process whose addresses these are; undefined for the kernel's. */
  readonly pid: number | undefined
  readonly frames: readonly Frame[]

  constructor(pid: number | undefined, frames: readonly Frame[]) {
    this.pid = pid
    this.frames = frames
  }

  get length(): number {
    return this.frames.length
  }

  /** As of an array. */
  at(index: number): Frame | undefined {
    return this.frames.at(index)
  }

  [Symbol.iterator](): Iterator<Frame> {
    return this.frames[Symbol.iterator]()
  }

  /** One frame a line. */
  toString(): string {
    return this.frames.map((frame) => frame.text).join('\n')
  }

  toJSON(): unknown {
    return { pid: this.pid, frames: this.frames.map((frame) => frame.text) }
  }
}

/** What `sym()`, `mod()`, `func()`, `usym()`, `umod()`, `ufunc()` and `uaddr()` record. */
export class CodeSymbol extends Frame {
  /** The process whose address it is; undefined for the kernel's. */
  readonly pid: number | undefined
  readonly #asks: SymbolPart

  constructor(pid: number | undefined, frame: Frame, asks: SymbolPart) {
    super(frame.address, frame.module, frame.symbol, frame.offset)
    this.pid = pid
    this.#asks = asks
  }

  /** What was asked for, as dtrace(1) prints it: the module, the symbol, or the symbol and the offset in it. */
  override get text(): string {
    if (this.#asks === 'module' && this.module !== undefined) return this.module
    if (this.#asks !== 'symbol' || this.symbol === undefined) return super.text
    return `${this.module}\`${this.symbol}`
  }

  override toJSON(): unknown {
    return { pid: this.pid, address: `0x${this.address.toString(16)}`, text: this.text }
  }
}

/** How much of an address' name an action asks for. */
export type SymbolPart = 'module' | 'symbol' | 'offset'

/** What `print()` records: what is at an address. With `text: true` the record's text has it by its type. */
export class Printed {
  readonly address: bigint
  readonly bytes: Uint8Array

  constructor(address: bigint, bytes: Uint8Array) {
    this.address = address
    this.bytes = bytes
  }

  toJSON(): unknown {
    return { address: `0x${this.address.toString(16)}`, bytes: this.bytes }
  }
}

/**
 * A value of a record. 64-bit integers are bigint, or number with `int64: 'number'`. What `printa()` prints is the rows of the
 * aggregation; of several, one row for each key.
 */
export type Value =
  | string
  | number
  | bigint
  | Uint8Array
  | Stack
  | CodeSymbol
  | Printed
  | readonly Aggregation[]
  | readonly JoinedAggregation[]

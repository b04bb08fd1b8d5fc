/** Values that are neither numbers nor strings nor bytes. */

/** A code address, as libdtrace names it. */
export interface Frame {
  address: bigint
  /** ``module`function+0x12``, or the address in hexadecimal where there is no name. */
  text: string
}

/** What `stack()`, `ustack()` and `jstack()` record, innermost frame first. */
export class Stack {
  /** The process whose addresses these are; undefined for the kernel's. */
  readonly pid: number | undefined
  readonly frames: readonly Frame[]

  constructor(pid: number | undefined, frames: readonly Frame[]) {
    this.pid = pid
    this.frames = frames
  }

  /** One frame a line. */
  toString(): string {
    return this.frames.map((frame) => frame.text).join('\n')
  }

  toJSON(): unknown {
    return { pid: this.pid, frames: this.frames.map((frame) => frame.text) }
  }
}

/** What `sym()`, `mod()`, `func()`, `usym()`, `umod()` and `uaddr()` record. */
export class CodeSymbol {
  readonly pid: number | undefined
  readonly address: bigint
  readonly text: string

  constructor(pid: number | undefined, address: bigint, text: string) {
    this.pid = pid
    this.address = address
    this.text = text
  }

  toString(): string {
    return this.text
  }

  toJSON(): unknown {
    return { pid: this.pid, address: `0x${this.address.toString(16)}`, text: this.text }
  }
}

/** A value of a record. 64-bit integers are bigint, or number with `int64: 'number'`. */
export type Value = string | number | bigint | Uint8Array | Stack | CodeSymbol

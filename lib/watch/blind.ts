/** Programs that do through io_uring what a watcher is for: an operation's paths can't be seen at its tracepoints. */
import { printable } from '../printable.js'
import { type BytePath, toText } from './paths/byte-path.js'

/** Told once for each program and operation. */
export interface Blind {
  execname: string
  pid: number
  uid: number
  /** The operation, as io_uring_enter(2) has it without `IORING_OP_`. */
  operation: string
  message: string
}

/** As the D programs tell it. */
export interface RawBlind {
  execname: BytePath
  pid: number
  uid: number
  opcode: number
}

/** enum io_uring_op of the kernel's include/uapi/linux/io_uring.h. */
const OPERATIONS: Readonly<{ [opcode: number]: string }> = {
  18: 'OPENAT',
  28: 'OPENAT2',
  35: 'RENAMEAT',
  36: 'UNLINKAT',
  37: 'MKDIRAT',
  38: 'SYMLINKAT',
  39: 'LINKAT',
  55: 'FTRUNCATE',
}

/** The most that are remembered, so that memory is bounded whatever programs call themselves. */
const MOST = 10_000

export class BlindSpots {
  readonly #told = new Set<string>()
  readonly #so: string
  readonly #tell: (blind: Blind) => void

  /** @param so what that means, after a colon: 'what it opens so is not seen' */
  constructor(so: string, tell: (blind: Blind) => void) {
    this.#so = so
    this.#tell = tell
  }

  seen({ execname, pid, uid, opcode }: RawBlind): void {
    const key = `${execname}:${opcode}`
    if (this.#told.has(key) || this.#told.size >= MOST) return
    this.#told.add(key)
    const name = toText(execname).text
    const operation = OPERATIONS[opcode] ?? String(opcode)
    const message = `${printable(name)} (pid ${pid}) uses io_uring for ${operation}: ${this.#so}`
    this.#tell({ execname: name, pid, uid, operation, message })
  }
}

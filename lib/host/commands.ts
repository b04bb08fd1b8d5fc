/**
 * Commands to a session, as bytes: `native/commands.cc` reads them. The same bytes go to a session in this process and to one
 * in a child process.
 */
import type { NativeAggregations } from './messages.js'

/** How far an interface can be relied upon, in DTrace's words (chapter "Stability" of the Dynamic Tracing Guide). */
export interface Stability {
  /** Of the names: `'Private'`, `'Unstable'`, `'Evolving'`, `'Stable'`, … */
  readonly name: string
  /** Of what the data means. */
  readonly data: string
  /** Where it is so: `'Unknown'`, `'CPU'`, `'Platform'`, `'Group'`, `'ISA'`, `'Common'`. */
  readonly class: string
}

/** What is enabled. */
export interface Enabled {
  /** Probes matched, over all clauses. */
  matches: number
  aggregations: number
  /** Actions that record something. */
  recordGenerators: number
  speculations: number
  /** The least stable of the program's probe descriptions. */
  descriptionStability: Stability
  /** The least stable of what its statements use. */
  statementStability: Stability
}

/** What libdtrace knows of a probe besides its name. */
export interface NativeProbeDetails {
  stability: Stability
  argumentStability: Stability
  arguments: string[]
}

/** A piece of a listing; the probes themselves come as bytes. */
export interface NativeProbes {
  /** It was the last one. */
  done: boolean
  details?: (NativeProbeDetails | null)[]
}

/** `PacketKind` of `native/protocol.h`: what must be reported as taken. */
export const PacketKind = { control: 0, batch: 1, fault: 2 } as const

/** The arguments of each command. */
export interface CommandArguments {
  /** Loads the library, opens it, sets the options, and initialises. `owner`: the process that is `$pid` in programs. */
  open: [
    owner: number,
    path: string,
    preload: readonly string[],
    options: readonly (readonly [string, string | null])[],
  ]
  setOption: [name: string, value: string | null]
  getOption: [name: string]
  /** `flags`: `DTRACE_C_…`. */
  compile: [source: string, args: readonly string[], flags: number]
  enable: [program: number]
  go: []
  stop: []
  close: []
  /** A snapshot; the numbers are those of `lib/aggregation/request.ts`. */
  aggregations: [
    names: readonly string[],
    joined: boolean,
    order: number,
    reverse: boolean,
    position: number,
    after: number,
  ]
  /** Has no answer. `count`: up to 255. */
  taken: [kind: number, count: number]
  ping: []
  /** What records carry beside their values; before the first `compile`. */
  recordExtras: [text: boolean, flow: boolean, timeOrder: boolean]
  create: [request: ProcessRequest]
  grab: [pid: number, hold: boolean]
  continue: [pid: number]
  release: [pid: number]
  signal: [pid: number, signal: number]
  /** Has the D libraries compiled, which the first program does otherwise. */
  prepare: []
  /** A description as it is written in D, else four globs. */
  probes: [description: string | null, parts: readonly string[], details: boolean]
  moreProbes: [listing: number]
  endProbes: [listing: number]
}

/** What each command gives. */
export interface CommandResults {
  /** libdtrace's version, and the process in which it runs. */
  open: { version: string; pid: number }
  setOption: undefined
  getOption: number
  /** The number of the program, and whether one that failed before it has left what dtrace_go() crashes on; null: unknown. */
  compile: { program: number; gap: boolean | null }
  enable: Enabled
  go: undefined
  stop: undefined
  close: undefined
  aggregations: NativeAggregations
  taken: undefined
  /** Milliseconds for which libdtrace has not returned from dtrace_work(). */
  ping: number
  recordExtras: undefined
  probes: { listing: number; count: number }
  /** With the probes as bytes, see `lib/probes.ts`. */
  moreProbes: NativeProbes
  endProbes: undefined
  /** The process's number. */
  create: number
  grab: number
  continue: undefined
  release: undefined
  signal: undefined
  prepare: undefined
}

/** A program to be started: `ProcessRequest` of `native/platform/shapes.h`. */
export interface ProcessRequest {
  file: string
  /** After `$0`, which is the file. */
  args: readonly string[]
  /** Empty: the session's. */
  folder: string
  /** Standard input, output and error: empty as the session has it, `<FILE`, `>FILE`, `>>FILE`, or `&2`. */
  stdio: readonly [string, string, string]
  /** `NAME=value`; null: the session's. */
  environment: readonly string[] | null
}

export type CommandName = keyof CommandArguments

type Writers = {
  [Name in CommandName]: [
    number: number,
    write: (writer: CommandWriter, ...args: CommandArguments[Name]) => void,
  ]
}

/** `CommandName` of `native/protocol.h`, and the order of the arguments. */
const WRITERS: Writers = {
  open: [
    1,
    (writer, owner, path, preload, options) => {
      writer.word(owner).text(path).texts(preload).word(options.length)
      for (const [name, value] of options) writer.text(name).optionalText(value)
    },
  ],
  setOption: [2, (writer, name, value) => writer.text(name).optionalText(value)],
  getOption: [3, (writer, name) => writer.text(name)],
  compile: [4, (writer, source, args, flags) => writer.text(source).texts(args).word(flags)],
  enable: [5, (writer, program) => writer.word(program)],
  go: [6, () => {}],
  stop: [7, () => {}],
  close: [8, () => {}],
  aggregations: [
    30,
    (writer, names, joined, order, reverse, position, after) =>
      writer.texts(names).flag(joined).byte(order).flag(reverse).word(position).byte(after),
  ],
  taken: [9, (writer, kind, count) => writer.byte(kind).byte(count)],
  ping: [60, () => {}],
  recordExtras: [
    50,
    (writer, ...flags) => {
      for (const flag of flags) writer.byte(flag ? 1 : 0)
    },
  ],
  create: [
    40,
    (writer, { file, args, folder, stdio, environment }) => {
      writer.text(file).texts(args).text(folder)
      for (const target of stdio) writer.text(target)
      writer.byte(environment === null ? 0 : 1)
      if (environment !== null) writer.texts(environment)
    },
  ],
  grab: [41, (writer, pid, hold) => writer.word(pid).byte(hold ? 1 : 0)],
  continue: [42, (writer, pid) => writer.word(pid)],
  release: [43, (writer, pid) => writer.word(pid)],
  prepare: [45, () => {}],
  signal: [44, (writer, pid, signal) => writer.word(pid).word(signal)],
  probes: [
    20,
    (writer, description, parts, details) => writer.optionalText(description).texts(parts).flag(details),
  ],
  moreProbes: [21, (writer, listing) => writer.word(listing)],
  endProbes: [22, (writer, listing) => writer.word(listing)],
}

/** A command as it goes to the session. */
export function encodeCommand<Name extends CommandName>(
  name: Name,
  id: number,
  args: CommandArguments[Name],
): Uint8Array {
  const [number, write] = WRITERS[name]
  const writer = new CommandWriter().byte(number).word(id)
  write(writer, ...args)
  return writer.done()
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Writes what `CommandReader` reads, in the machine's byte order. */
class CommandWriter {
  #buffer = Buffer.alloc(256)
  #length = 0

  byte(value: number): this {
    this.#buffer.writeUInt8(value, this.#room(1))
    return this
  }

  flag(value: boolean): this {
    return this.byte(value ? 1 : 0)
  }

  word(value: number): this {
    const at = this.#room(4)
    if (LITTLE_ENDIAN) this.#buffer.writeUInt32LE(value, at)
    else this.#buffer.writeUInt32BE(value, at)
    return this
  }

  text(value: string): this {
    const length = Buffer.byteLength(value)
    this.word(length)
    const at = this.#room(length)
    this.#buffer.write(value, at)
    return this
  }

  optionalText(value: string | null): this {
    this.byte(value === null ? 0 : 1)
    return value === null ? this : this.text(value)
  }

  texts(values: readonly string[]): this {
    this.word(values.length)
    for (const value of values) this.text(value)
    return this
  }

  done(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Makes room, and says where it is. */
  #room(size: number): number {
    const at = this.#length
    this.#length += size
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#buffer.length * 2))
      this.#buffer.copy(larger)
      this.#buffer = larger
    }
    return at
  }
}

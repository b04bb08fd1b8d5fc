/**
 * Makes libdtrace's library of BPF functions (`bpf_dlib.o`) quicker to verify, where the kernel is slow at that.
 *
 * libdtrace puts a call of `dt_probe_error` behind each pointer that a D program follows. Since Linux 7 the verifier goes through a function
 * once more for each call of it (kernel: `compute_subprog_args`, kernel/bpf/liveness.c), and nearly all that it goes through there is this
 * function's copying of the probe's arguments, which is compiled byte by byte. Here it becomes one that copies eight at a time: 39
 * instructions instead of 208. A program of many pointers starts three times as fast for it.
 *
 * Nothing else is changed, and this is changed only where the new function is seen to do the same as the old one.
 */

/** `EM_BPF`. */
const BPF = 247
const SYMBOL_SIZE = 24
const RELOCATION_SIZE = 16
const INSTRUCTION_SIZE = 8
const FUNCTION = 'dt_probe_error'
const CALLEE = 'dt_error'

/** An instruction: struct bpf_insn of linux/bpf.h. */
interface Instruction {
  code: number
  dst: number
  src: number
  offset: number
  immediate: number
}

// Instruction set: Documentation/bpf/standardization/instruction-set.rst.
const LDX = 0x61
const ST = 0x62
const STX = 0x63
const MOV = 0xbf
const CALL = 0x85
const EXIT = 0x95
const WORD = 0x00
const DOUBLE = 0x18
/** How many bytes, by the two bits of an instruction that say it. */
const SIZES = [4, 2, 1, 8]
/** The frame pointer. */
const FP = 10

/**
 * The library with the quicker function.
 *
 * @param object the file's content
 * @returns undefined when there is no such function in it, or not one that is known to do the same
 */
export function quickerBpfLibrary(object: Buffer): Buffer | undefined {
  try {
    return rewrite(object)
  } catch (error) {
    // It ends too early: libdtrace will say so.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function rewrite(object: Buffer): Buffer | undefined {
  const found = findFunction(object)
  if (found === undefined) return undefined
  const { text, symbol, size, call } = found
  const old = readInstructions(object.subarray(text, text + size))
  const quicker = quickerFunction(old)
  if (quicker === undefined) return undefined
  const bytes = Buffer.from(object)
  writeInstructions(quicker).copy(bytes, text)
  bytes.writeBigUInt64LE(BigInt(quicker.length * INSTRUCTION_SIZE), symbol + 16)
  const moved = quicker.findIndex(({ code }) => code === CALL) - old.findIndex(({ code }) => code === CALL)
  bytes.writeBigUInt64LE(object.readBigUInt64LE(call) + BigInt(moved * INSTRUCTION_SIZE), call)
  return bytes
}

/** Where things are in the file: elf(5). */
interface Place {
  /** The function's instructions. */
  text: number
  size: number
  /** Its entry in the symbol table. */
  symbol: number
  /** The entry of its call in the table of relocations. */
  call: number
}

function findFunction(object: Buffer): Place | undefined {
  const elf64LittleEndian = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1])
  if (!object.subarray(0, 6).equals(elf64LittleEndian) || object.readUInt16LE(0x12) !== BPF) return undefined
  const number = (at: number): number => Number(object.readBigUInt64LE(at))
  const sections = Array.from({ length: object.readUInt16LE(0x3c) }, (_, index) => {
    const at = number(0x28) + index * object.readUInt16LE(0x3a)
    return {
      type: object.readUInt32LE(at + 4),
      offset: number(at + 24),
      size: number(at + 32),
      link: object.readUInt32LE(at + 40),
      info: object.readUInt32LE(at + 44),
    }
  })
  const symbols = sections.find(({ type }) => type === 2)
  const relocations = sections.find(({ type }) => type === 9)
  const code = sections[relocations?.info ?? -1]
  const strings = sections[symbols?.link ?? -1]
  if (symbols === undefined || relocations === undefined || code === undefined || strings === undefined)
    return undefined
  const nameOf = (index: number): string => {
    const at = strings.offset + object.readUInt32LE(symbols.offset + index * SYMBOL_SIZE)
    return object.toString('latin1', at, object.indexOf(0, at))
  }
  const count = Math.floor(symbols.size / SYMBOL_SIZE)
  const index = Array.from({ length: count }, (_, i) => i).find((i) => nameOf(i) === FUNCTION)
  if (index === undefined) return undefined
  const symbol = symbols.offset + index * SYMBOL_SIZE
  const start = number(symbol + 8)
  const size = number(symbol + 16)
  const own: number[] = []
  for (let i = 0; i < Math.floor(relocations.size / RELOCATION_SIZE); i++) {
    const at = relocations.offset + i * RELOCATION_SIZE
    if (number(at) >= start && number(at) < start + size) own.push(at)
  }
  const [call] = own
  if (call === undefined || own.length > 1 || nameOf(object.readUInt32LE(call + 12)) !== CALLEE)
    return undefined
  return { text: code.offset + start, size, symbol, call }
}

function readInstructions(bytes: Buffer): Instruction[] {
  return Array.from({ length: bytes.length / INSTRUCTION_SIZE }, (_, i) => {
    const at = i * INSTRUCTION_SIZE
    const registers = bytes.readUInt8(at + 1)
    return {
      code: bytes.readUInt8(at),
      dst: registers & 15,
      src: registers >> 4,
      offset: bytes.readInt16LE(at + 2),
      immediate: bytes.readInt32LE(at + 4),
    }
  })
}

function writeInstructions(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * INSTRUCTION_SIZE)
  instructions.forEach(({ code, dst, src, offset, immediate }, i) => {
    const at = i * INSTRUCTION_SIZE
    bytes.writeUInt8(code, at)
    bytes.writeUInt8(dst | (src << 4), at + 1)
    bytes.writeInt16LE(offset, at + 2)
    bytes.writeInt32LE(immediate, at + 4)
  })
  return bytes
}

/** The same in fewer instructions; undefined where it isn't that function, or is as short already. */
function quickerFunction(old: readonly Instruction[]): Instruction[] | undefined {
  const effect = effectOf(old)
  const copy = effect && findCopy(effect)
  const call = old.find(({ code }) => code === CALL)
  if (effect === undefined || copy === undefined || call === undefined) return undefined
  const quicker = probeError(copy, call)
  const same = JSON.stringify(effectOf(quicker)) === JSON.stringify(effect)
  return same && quicker.length < old.length ? quicker : undefined
}

/** A copy within the probe's state, `dt_mstate_t`: of the probe's arguments to where they are kept meanwhile. */
interface Copy {
  from: number
  to: number
  bytes: number
}

/**
 * libdtrace's function (its bpf/probe_error.c): the arguments are put aside, the ERROR probe fires with its own, and they are put back.
 * How the state begins is the same on every architecture (libdtrace/dt_dctx.h).
 */
function probeError({ from: argv, to: saved, bytes }: Copy, call: Instruction): Instruction[] {
  const [context, state, prid, fault, spare] = [1, 6, 7, 8, 9]
  const STATE_OF_CONTEXT = 16
  const PRID = 0
  const STID = 4
  const FAULT = 40
  const ERROR_PROBE = 3
  const copied = (from: number, to: number): Instruction[] =>
    Array.from({ length: bytes / 8 }, (_, i) => [
      load(DOUBLE, spare, state, from + 8 * i),
      store(DOUBLE, state, to + 8 * i, spare),
    ]).flat()
  return [
    load(DOUBLE, state, context, STATE_OF_CONTEXT),
    load(WORD, prid, state, PRID),
    ...copied(argv, saved),
    { code: ST | DOUBLE, dst: state, src: 0, offset: argv, immediate: 0 },
    store(DOUBLE, state, argv + 8, prid),
    load(WORD, spare, state, STID),
    store(DOUBLE, state, argv + 16, spare),
    // The arguments after the context: pc, fault, illval.
    store(DOUBLE, state, argv + 24, 2),
    store(DOUBLE, state, argv + 32, 3),
    store(DOUBLE, state, argv + 40, 4),
    { code: MOV, dst: fault, src: 3, offset: 0, immediate: 0 },
    { code: ST | WORD, dst: state, src: 0, offset: PRID, immediate: ERROR_PROBE },
    call,
    ...copied(saved, argv),
    store(WORD, state, PRID, prid),
    store(DOUBLE, state, FAULT, fault),
    { code: EXIT, dst: 0, src: 0, offset: 0, immediate: 0 },
  ]
}

function load(size: number, dst: number, src: number, offset: number): Instruction {
  return { code: LDX | size, dst, src, offset, immediate: 0 }
}

function store(size: number, dst: number, offset: number, src: number): Instruction {
  return { code: STX | size, dst, src, offset, immediate: 0 }
}

/** What a byte is: `2.3`, byte 3 of argument 2; `0`, a zero; `16@1.0+224`, what was at 224 of where a pointer leads; … */
type Byte = string
/** What has been written, by where a pointer leads and how far from there. */
type Memory = Record<string, Record<number, Byte>>

/** What a function writes, and what the function that it calls is given. */
interface Effect {
  argument: Byte[]
  atCall: Memory
  afterwards: Memory
}

/**
 * What a function without branches does, byte by byte; undefined where it has something that isn't known here. Its own stack frame is
 * nobody else's; what the call does to other memory is not known.
 */
function effectOf(instructions: readonly Instruction[]): Effect | undefined {
  const registers = Array.from({ length: 11 }, (_, register) => word(`${register}`))
  let memory: Memory = {}
  let atCall: Memory | undefined
  let argument: Byte[] | undefined
  const own = word(`${FP}`).join()
  const write = (pointer: Byte[], offset: number, bytes: readonly Byte[]): void => {
    memory[pointer.join()] ??= {}
    const place = memory[pointer.join()] as Record<number, Byte>
    for (const [i, byte] of bytes.entries()) place[offset + i] = byte
  }
  const read = (pointer: Byte[], offset: number, size: number): Byte[] =>
    Array.from({ length: size }, (_, i) => {
      const written = memory[pointer.join()]?.[offset + i]
      return written ?? `${atCall && pointer.join() !== own ? 'later ' : ''}${offset + i}@${pointer[0]}`
    })
  for (const [i, { code, dst, src, offset, immediate }] of instructions.entries()) {
    const size = SIZES[(code & DOUBLE) >> 3] as number
    const target = registers[dst] as Byte[]
    const source = registers[src] as Byte[]
    if (code === MOV && offset === 0) registers[dst] = source
    else if ((code & ~DOUBLE) === LDX) registers[dst] = extended(read(source, offset, size))
    else if ((code & ~DOUBLE) === STX) write(target, offset, source.slice(0, size))
    else if ((code & ~DOUBLE) === ST) write(target, offset, constant(immediate).slice(0, size))
    else if (code === CALL && atCall === undefined) {
      argument = registers[1]
      const { [own]: frame, ...others } = memory
      atCall = others
      memory = frame === undefined ? {} : { [own]: frame }
      for (let register = 0; register <= 5; register++) registers[register] = word(`clobbered ${register}`)
    } else if (code === EXIT && i === instructions.length - 1 && atCall !== undefined) {
      const { [own]: _, ...afterwards } = memory
      return { argument: argument as Byte[], atCall: sorted(atCall), afterwards: sorted(afterwards) }
    } else return undefined
  }
  return undefined
}

function word(name: string): Byte[] {
  return Array.from({ length: 8 }, (_, i) => `${name}.${i}`)
}

function extended(bytes: Byte[]): Byte[] {
  return [...bytes, ...Array.from({ length: 8 - bytes.length }, () => '0')]
}

function constant(value: number): Byte[] {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return [...bytes].map(String)
}

/** Objects keep numbers in order, and other names as they came. */
function sorted(memory: Memory): Memory {
  return Object.fromEntries(Object.entries(memory).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What is copied to elsewhere in the same place: the longest copy, since prid and stid become arguments, too. */
function findCopy({ atCall }: Effect): Copy | undefined {
  const runs = new Map<string, number[]>()
  for (const [pointer, place] of Object.entries(atCall)) {
    for (const [to, byte] of Object.entries(place)) {
      const [, from, of] = /^(\d+)@(.+)$/.exec(byte) ?? []
      if (of === undefined || !pointer.startsWith(`${of},`)) continue
      const key = `${of} ${Number(to) - Number(from)}`
      runs.set(key, [...(runs.get(key) ?? []), Number(to)])
    }
  }
  const [key, run] = [...runs].sort(([, a], [, b]) => b.length - a.length)[0] ?? []
  const to = run?.[0]
  if (key === undefined || run === undefined || to === undefined) return undefined
  const whole = run.every((offset, i) => offset === to + i) && run.length % 8 === 0
  return whole ? { from: to - Number(key.split(' ')[1]), to, bytes: run.length } : undefined
}

import { describe, expect, it } from 'vitest'
import { quickerBpfLibrary } from '../../lib/platform/bpf-library.js'

type Instruction = [code: number, dst: number, src: number, offset: number, immediate: number]
const [LOAD_BYTE, LOAD_WORD, LOAD] = [0x71, 0x61, 0x79]
const [STORE_BYTE, STORE_WORD, STORE] = [0x73, 0x63, 0x7b]
const [SET_WORD, SET] = [0x62, 0x7a]
const CALL: Instruction = [0x85, 0, 1, 0, -1]
const EXIT: Instruction = [0x95, 0, 0, 0, 0]
/** Where the probe's arguments are in its state, and where they are put aside. */
const ARGV = 224
const SAVED = 384

/** Byte by byte, as libdtrace's function is compiled. */
function copy(from: number, to: number): Instruction[] {
  return Array.from({ length: 48 }, (_, i): Instruction[] => [
    [LOAD_BYTE, 0, 6, from + i, 0],
    [STORE_BYTE, 6, 0, to + i, 0],
  ]).flat()
}

function probeError(): Instruction[] {
  return [
    [LOAD, 6, 1, 16, 0],
    [LOAD_WORD, 7, 6, 0, 0],
    ...copy(ARGV, SAVED),
    [LOAD_WORD, 9, 6, 4, 0],
    [STORE, 6, 9, ARGV + 16, 0],
    [STORE, 6, 2, ARGV + 24, 0],
    [STORE, 6, 3, ARGV + 32, 0],
    [STORE, 10, 3, -8, 0],
    [STORE, 6, 4, ARGV + 40, 0],
    [SET, 6, 0, ARGV, 0],
    [STORE, 6, 7, ARGV + 8, 0],
    [SET_WORD, 6, 0, 0, 3],
    CALL,
    ...copy(SAVED, ARGV),
    [STORE_WORD, 6, 7, 0, 0],
    [LOAD, 9, 10, -8, 0],
    [STORE, 6, 9, 40, 0],
    EXIT,
  ]
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** A relocatable file with another function before and after this one. */
function objectOf(code: Instruction[], { name = 'dt_probe_error', callee = 'dt_error', machine = 247 } = {}) {
  const other: Instruction[] = [[0xb7, 0, 0, 0, 5], EXIT]
  const text = Buffer.concat(
    [...other, ...code, ...other].map(([op, dst, src, offset, immediate]) => {
      const bytes = Buffer.alloc(8)
      bytes.writeUInt8(op, 0)
      bytes.writeUInt8(dst | (src << 4), 1)
      bytes.writeInt16LE(offset, 2)
      bytes.writeInt32LE(immediate, 4)
      return bytes
    }),
  )
  const names = Buffer.from(`\0${callee}\0before\0after\0${name}\0`)
  const symbol = (of: string, section: number, value: number, size: number): Buffer => {
    const bytes = Buffer.alloc(24)
    bytes.writeUInt32LE(names.indexOf(`\0${of}\0`) + 1, 0)
    bytes.writeUInt16LE(section, 6)
    return Buffer.concat([bytes.subarray(0, 8), u64(value), u64(size)])
  }
  const end = 16 + code.length * 8
  const symbols = Buffer.concat([
    symbol(callee, 0, 0, 0),
    symbol('before', 1, 0, 16),
    symbol('after', 1, end, 16),
    symbol(name, 1, 16, end - 16),
  ])
  const calls = code.flatMap(([op], i) => (op === CALL[0] ? [16 + i * 8] : []))
  const relocations = Buffer.concat(calls.flatMap((at) => [u64(at), u64(10)]))
  const parts = [text, relocations, symbols, names]
  const kinds = [
    { type: 1, link: 0, info: 0 },
    { type: 9, link: 3, info: 1 },
    { type: 2, link: 4, info: 0 },
    { type: 3, link: 0, info: 0 },
  ]
  const header = Buffer.alloc(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  header.writeUInt16LE(machine, 0x12)
  let offset = 64
  const sections = [Buffer.alloc(64)]
  parts.forEach((part, i) => {
    const { type = 0, link = 0, info = 0 } = kinds[i] ?? {}
    const section = Buffer.alloc(64)
    section.writeUInt32LE(type, 4)
    u64(offset).copy(section, 24)
    u64(part.length).copy(section, 32)
    section.writeUInt32LE(link, 40)
    section.writeUInt32LE(info, 44)
    sections.push(section)
    offset += part.length
  })
  u64(offset).copy(header, 0x28)
  header.writeUInt16LE(64, 0x3a)
  header.writeUInt16LE(sections.length, 0x3c)
  return Buffer.concat([header, ...parts, ...sections])
}

/** What the function of such a file leaves: the probe's state at its call, and at its end. */
function run(object: Buffer, code: Instruction[]): { instructions: number; atCall: Buffer; atEnd: Buffer } {
  const symbol = 64 + (code.length + 4) * 8 + 16 + 3 * 24
  const call = 64 + (code.length + 4) * 8
  const instructions = Number(object.readBigUInt64LE(symbol + 16)) / 8
  const memory = {
    context: Buffer.alloc(64, 7),
    state: Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 37) % 251)),
    frame: Buffer.alloc(512),
  }
  type Value = bigint | keyof typeof memory
  const registers: Value[] = [0n, 'context', 0x1122334455667788n, 5n, 0xdeadn, 9n, 0n, 0n, 0n, 0n, 'frame']
  let atCall = Buffer.alloc(0)
  for (let i = 0; i < instructions; i++) {
    const at = 64 + 16 + i * 8
    const [op, both, offset, immediate] = [
      object[at] as number,
      object[at + 1] as number,
      object.readInt16LE(at + 2),
      object.readInt32LE(at + 4),
    ]
    const [dst, src] = [both & 15, both >> 4]
    const bytes = [4, 2, 1, 8][(op & 0x18) >> 3] as number
    const place = (register: number): [Buffer, number] => {
      const pointer = registers[register] as keyof typeof memory
      return [memory[pointer], offset + (pointer === 'frame' ? 512 : 0)]
    }
    const put = ([to, where]: [Buffer, number], value: bigint): void => {
      for (let b = 0; b < bytes; b++) to[where + b] = Number((value >> BigInt(8 * b)) & 0xffn)
    }
    if ((op & ~0x18) === 0x61) {
      const [from, where] = place(src)
      let value = 0n
      for (let b = bytes - 1; b >= 0; b--) value = (value << 8n) | BigInt(from[where + b] as number)
      registers[dst] = registers[src] === 'context' && offset === 16 ? 'state' : value
    } else if ((op & ~0x18) === 0x63) put(place(dst), registers[src] as bigint)
    else if ((op & ~0x18) === 0x62) put(place(dst), BigInt(immediate))
    else if (op === 0xbf) registers[dst] = registers[src] as Value
    else if (op === CALL[0]) {
      expect(Number(object.readBigUInt64LE(call))).toBe(16 + i * 8)
      expect(registers[1]).toBe('context')
      atCall = Buffer.from(memory.state)
      // The ERROR probe's clauses may do what they like with its arguments.
      memory.state.fill(0xee, ARGV, ARGV + 48)
    } else {
      expect([op, i]).toEqual([EXIT[0], instructions - 1])
      return { instructions, atCall, atEnd: memory.state }
    }
  }
  throw new Error('it has no end')
}

describe('libdtrace’s library of BPF functions', () => {
  it('gets a dt_probe_error of fewer instructions that does the same', () => {
    const object = objectOf(probeError())
    const quicker = quickerBpfLibrary(object) as Buffer
    const before = run(object, probeError())
    const after = run(quicker, probeError())
    expect([before.instructions, after.instructions]).toEqual([probeError().length, 39])
    expect(after.atCall.equals(before.atCall)).toBe(true)
    expect(after.atEnd.equals(before.atEnd)).toBe(true)
  })

  it('keeps its length, and everything else that is in it', () => {
    const object = objectOf(probeError())
    const quicker = quickerBpfLibrary(object) as Buffer
    expect(quicker).toHaveLength(object.length)
    const text = 64 + 16 + probeError().length * 8
    expect(quicker.subarray(0, 64 + 16).equals(object.subarray(0, 64 + 16))).toBe(true)
    expect(quicker.subarray(text, text + 16).equals(object.subarray(text, text + 16))).toBe(true)
    expect(quickerBpfLibrary(quicker)).toBeUndefined()
  })

  it('is left alone where the function does anything else', () => {
    const change = (at: number, instruction: Instruction): Buffer =>
      objectOf(probeError().map((old, i) => (i === at ? instruction : old)))
    const end = probeError().length
    // A byte that is not put aside, an argument in another place, one byte too few put back, another fault, a helper, a branch.
    expect(quickerBpfLibrary(change(3, [STORE_BYTE, 6, 0, SAVED + 1, 0]))).toBeUndefined()
    expect(quickerBpfLibrary(change(end - 112 + 6, [STORE, 6, 4, ARGV + 24, 0]))).toBeUndefined()
    expect(quickerBpfLibrary(change(end - 6, [LOAD_BYTE, 0, 6, SAVED + 46, 0]))).toBeUndefined()
    expect(quickerBpfLibrary(change(end - 2, [STORE, 6, 9, 48, 0]))).toBeUndefined()
    expect(quickerBpfLibrary(change(end - 3, [0x85, 0, 0, 0, 5]))).toBeUndefined()
    expect(quickerBpfLibrary(change(end - 3, [0x15, 3, 0, 0, 0]))).toBeUndefined()
  })

  it('is left alone where there is no such function, or not that file', () => {
    expect(quickerBpfLibrary(objectOf(probeError(), { name: 'dt_get_bvar' }))).toBeUndefined()
    expect(quickerBpfLibrary(objectOf(probeError(), { callee: 'dt_other' }))).toBeUndefined()
    expect(quickerBpfLibrary(objectOf(probeError(), { machine: 62 }))).toBeUndefined()
    expect(quickerBpfLibrary(objectOf(probeError()).subarray(0, 1000))).toBeUndefined()
    expect(quickerBpfLibrary(Buffer.from('no ELF'))).toBeUndefined()
  })
})

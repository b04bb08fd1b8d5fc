import { describe, expect, test } from 'vitest'
import type { NativeField, NativeLayout } from '../../lib/host/messages.js'
import { RecordBatch, type Source } from '../../lib/record/batch.js'
import { createDecoder, type DTraceRecord, type Int64 } from '../../lib/record/decoder.js'
import { Action, conversions, schemaOf } from '../../lib/record/schema.js'
import { CodeSymbol, Frame, Printed, Stack } from '../../lib/record/values.js'
import { FieldKind, type StringEncoding, WireBatch } from '../../lib/record/wire.js'
import { encodeBatch, type WireRecord } from './record-wire.js'

const field = (kind: number, size: number, offset: number, more: Partial<NativeField> = {}): NativeField => ({
  kind,
  action: Action.trace,
  size,
  offset,
  argument: 0,
  ...more,
})

function decode(
  layouts: NativeLayout[],
  records: WireRecord[],
  {
    int64 = 'bigint',
    strings = 'utf8',
    encoding = 'utf8',
  }: { int64?: Int64; strings?: StringEncoding; encoding?: BufferEncoding } = {},
): RecordBatch {
  const sources: Source[] = layouts.map((layout, id) => ({
    probe: Object.freeze({ id, provider: 'p', module: 'm', function: 'f', name: `n${id}` }),
    decoder: createDecoder(schemaOf(layout), int64),
  }))
  return new RecordBatch<DTraceRecord>(
    new WireBatch(encodeBatch(layouts, records, encoding), strings),
    sources,
    { decodeTime: 0 },
  )
}

const signed = { argument: 1 }
const integers: NativeLayout = {
  size: 40,
  fields: [
    field(FieldKind.int, 1, 8, signed),
    field(FieldKind.int, 1, 9),
    field(FieldKind.int, 2, 10, signed),
    field(FieldKind.int, 2, 12),
    field(FieldKind.int, 4, 16, signed),
    field(FieldKind.int, 4, 20),
    field(FieldKind.int, 8, 24, signed),
    field(FieldKind.int, 8, 32),
  ],
}
const strings: NativeLayout = {
  size: 24,
  fields: [field(FieldKind.string, 256, 8), field(FieldKind.string, 256, 16)],
}

describe('integers', () => {
  test('keep their size and sign', () => {
    const [record] = decode(
      [integers],
      [
        {
          source: 0,
          cpu: 3,
          values: [-1n, 255n, -300n, 65535n, -5n, 4294967295n, -(1n << 62n), (1n << 64n) - 1n],
        },
      ],
    )
    expect(record?.cpu).toBe(3)
    expect(record?.values).toEqual([-1, 255, -300, 65535, -5, 4294967295, -(1n << 62n), (1n << 64n) - 1n])
  })

  test.each([
    [0n, 0],
    [-1n, -1],
    [1n << 32n, 4294967296],
    [BigInt(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    [BigInt(Number.MIN_SAFE_INTEGER), Number.MIN_SAFE_INTEGER],
  ])("int64: 'number' gives %s as it is", (value, expected) => {
    const [record] = decode(
      [integers],
      [{ source: 0, cpu: 0, values: [0n, 0n, 0n, 0n, 0n, 0n, value, 0n] }],
      { int64: 'number' },
    )
    expect(record?.values[6]).toBe(expected)
  })

  test.each([1n << 53n, -(1n << 53n), (1n << 63n) - 1n])("int64: 'number' refuses %s", (value) => {
    const batch = decode([integers], [{ source: 0, cpu: 0, values: [0n, 0n, 0n, 0n, 0n, 0n, value, 0n] }], {
      int64: 'number',
    })
    expect(() => [...batch]).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_RANGE' }))
  })
})

describe('strings', () => {
  test('empty, repeated, and different ones, each as it is', () => {
    const pairs = [
      ['', 'a'],
      ['same', 'same'],
      ['same', ''],
      ['', ''],
      ['other', 'b'],
    ] as [string, string][]
    const batch = decode(
      [strings],
      pairs.map((values) => ({ source: 0, cpu: 0, values })),
    )
    expect([...batch].map((record) => record.values)).toEqual(pairs)
    // A second time, and by another way.
    expect(batch.toArray().map((record) => record.values)).toEqual(pairs)
  })

  test('UTF-8, and bytes that are none', () => {
    const records: WireRecord[] = [{ source: 0, cpu: 0, values: ['naïve', '日本'] }]
    expect(decode([strings], records).toArray()[0]?.values).toEqual(['naïve', '日本'])
    const raw: WireRecord[] = [{ source: 0, cpu: 0, values: ['caf\xe9', 'plain'] }]
    expect(decode([strings], raw, { encoding: 'latin1' }).toArray()[0]?.values).toEqual([
      'caf\ufffd',
      'plain',
    ])
    expect(decode([strings], raw, { encoding: 'latin1', strings: 'latin1' }).toArray()[0]?.values).toEqual([
      'caf\xe9',
      'plain',
    ])
  })
})

describe('bytes, stacks and symbols', () => {
  const layout: NativeLayout = {
    size: 40,
    fields: [
      field(FieldKind.bytes, 3, 8),
      field(FieldKind.stack, 1032, 16),
      field(FieldKind.userSymbol, 16, 24, { action: Action.umod }),
      field(FieldKind.symbol, 8, 32, { action: 0x402 }),
    ],
  }
  test('have their own types, and bytes are a copy', () => {
    const [record] = decode(
      [layout],
      [
        {
          source: 0,
          cpu: 0,
          values: [
            new Uint8Array([1, 2, 3]),
            [[7n], [16n, 'libc`read', 4, 1], [32n, 'a`main', 1], [48n, 'a', 1], [64n]],
            [[7n], [64n, 'libc.so`read', 7, 2]],
            [[0n], [9n, 'vmlinux`f', 7, 3]],
          ],
        },
      ],
    )
    const [raw, stack, module, symbol] = record?.values ?? []
    expect(raw).toEqual(new Uint8Array([1, 2, 3]))
    expect((raw as Uint8Array).buffer.byteLength).toBe(3)
    expect(stack).toEqual(
      new Stack(7, [
        new Frame(16n, 'libc', 'read', 1),
        new Frame(32n, 'a', 'main', 0),
        new Frame(48n, 'a', undefined, 0),
        new Frame(64n, undefined, undefined, 0),
      ]),
    )
    expect(module).toMatchObject({ pid: 7, address: 64n, module: 'libc.so', symbol: 'read', offset: 2 })
    expect(module).toBeInstanceOf(CodeSymbol)
    expect(String(module)).toBe('libc.so')
    expect(symbol).toMatchObject({ pid: undefined, address: 9n, module: 'vmlinux', symbol: 'f', offset: 3 })
    expect(String(symbol)).toBe('vmlinux`f')
    expect(String(stack)).toBe('libc`read+0x1\na`main\na`0x30\n0x40')
    // A stack is used as an array of frames is.
    const frames = stack as Stack
    expect([frames.length, frames.at(-1)?.address]).toEqual([4, 64n])
    expect([...frames].map((frame) => frame.symbol)).toEqual(['read', 'main', undefined, undefined])
  })
})

describe('what a record carries on request', () => {
  const layout: NativeLayout = {
    size: 32,
    fields: [field(FieldKind.int, 4, 8, signed), field(FieldKind.printed, 4, 12)],
    text: 20,
    flow: 28,
  }
  const address = Buffer.alloc(8)
  address.writeBigUInt64LE(0xffff888000001000n)
  const values = [-3n, Buffer.concat([address, Buffer.from([1, 2, 3, 4])])]

  test('text, flow and depth, and what is printed from an address', () => {
    const records = decode(
      [layout],
      [
        { source: 0, cpu: 0, values, text: 'naïve\n', flow: (5 << 2) | 1 },
        { source: 0, cpu: 0, values, text: '', flow: 2 },
        { source: 0, cpu: 0, values, text: 'x', flow: 0 },
      ],
    ).toArray()
    expect(records.map(({ text, flow, depth }) => [text, flow, depth])).toEqual([
      ['naïve\n', 'entry', 5],
      ['', 'return', 0],
      ['x', undefined, 0],
    ])
    const printed = records[0]?.values[1] as Printed
    expect(printed).toEqual(new Printed(0xffff888000001000n, new Uint8Array([1, 2, 3, 4])))
    expect(JSON.parse(JSON.stringify(printed))).toMatchObject({ address: '0xffff888000001000' })
  })

  test('is not there where it was not asked for', () => {
    const { text: _, flow: __, ...plain } = layout
    const [record] = decode([plain], [{ source: 0, cpu: 0, values }])
    expect(Object.keys(record ?? {})).toEqual(['probe', 'cpu', 'program', 'values', 'fields'])
  })
})

describe('a printf is a schema', () => {
  test('the word before = names a value; flags and %% do not confuse it', () => {
    expect(
      conversions('100%% a=%d b=%-10s|%5d c_1=%#llx %*d e=%-.*s').map(({ name, letter }) => [name, letter]),
    ).toEqual([
      ['a', 'd'],
      ['b', 's'],
      [undefined, 'd'],
      ['c_1', 'x'],
      [undefined, 'd'],
      ['e', 's'],
    ])
  })

  const printf = (format: string, ...rest: [kind: number, size: number, offset: number][]): NativeField[] =>
    rest.map(([kind, size, offset], i) =>
      field(kind, size, offset, { action: Action.printf, ...(i === 0 ? { format } : {}) }),
    )

  test('it says what is signed, and names what follows it', () => {
    const schema = schemaOf({
      size: 48,
      fields: [
        ...printf('d=%d u=%u raw=', [FieldKind.int, 4, 8], [FieldKind.int, 4, 12]),
        field(FieldKind.bytes, 16, 16, { action: 6 }),
        field(FieldKind.int, 4, 24, signed),
        ...printf('again d=%d', [FieldKind.int, 4, 28]),
      ],
    })
    expect(schema.fields.map(({ name, signed }) => [name, signed])).toEqual([
      ['d', true],
      ['u', false],
      ['raw', false],
      [undefined, true],
      [undefined, true],
    ])
  })

  test('records of one statement have one shape, in program order', () => {
    const layout: NativeLayout = {
      size: 24,
      fields: printf('pid=%d name=%s', [FieldKind.int, 4, 8], [FieldKind.string, 256, 12]),
    }
    const batch = decode(
      [layout],
      [
        { source: 0, cpu: 0, values: [5n, 'x'] },
        { source: 0, cpu: 1, values: [6n, 'y'] },
      ],
    )
    expect([...batch].map(({ fields, values }) => [Object.keys(fields), fields, values])).toEqual([
      [['pid', 'name'], { pid: 5, name: 'x' }, [5, 'x']],
      [['pid', 'name'], { pid: 6, name: 'y' }, [6, 'y']],
    ])
    expect(batch.column('name')).toEqual(['x', 'y'])
    expect(() => batch.column('nope')).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_RECORD', message: expect.stringMatching(/pid, name/) }),
    )
  })
})

test('records of several statements in one batch, each with its probe', () => {
  const nothing: NativeLayout = { size: 8, fields: [] }
  const batch = decode(
    [integers, nothing, strings],
    [
      { source: 1, cpu: 0, values: [] },
      { source: 2, cpu: 1, values: ['a', 'b'] },
      { source: 1, cpu: 1, values: [] },
    ],
  )
  expect(batch.length).toBe(3)
  expect([...batch].map(({ probe, values }) => [probe.name, values])).toEqual([
    ['n1', []],
    ['n2', ['a', 'b']],
    ['n1', []],
  ])
})

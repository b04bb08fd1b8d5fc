import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NativeLayout } from '../../lib/host/messages.js'
import { RecordBatch } from '../../lib/record/batch.js'
import { createDecoder } from '../../lib/record/decoder.js'
import { schemaOf } from '../../lib/record/schema.js'
import type { Value } from '../../lib/record/values.js'
import { WireBatch } from '../../lib/record/wire.js'

/**
 * What is written by the session's own C++ (test/native/wire_tool.cc has its writer) is read by lib/record as what it was, whatever
 * it was.
 */

interface Column {
  /** `dtrd_*` of the value, see native/statement.h. */
  action: number
  size: number
  alignment: number
  argument: bigint
  values: fc.Arbitrary<{ bytes: Buffer; value: Value }>
}

/** DTRACEACT_TRACE and DTRACEACT_TRACEMEM, flags of dtrd_arg. */
const TRACE = 1
const TRACEMEM = 6
const SIGNED = 1n
const BY_REFERENCE = 4n
const STATIC_SIZE = 1n

function integerColumn(size: 1 | 2 | 4 | 8, signed: boolean): Column {
  const bits = BigInt(size * 8)
  const values = fc
    .bigInt({ min: signed ? -(1n << (bits - 1n)) : 0n, max: (1n << (signed ? bits - 1n : bits)) - 1n })
    .map((value) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
      return { bytes: bytes.subarray(0, size), value: size === 8 ? value : Number(value) }
    })
  return { action: TRACE, size, alignment: size, argument: signed ? SIGNED : 0n, values }
}

function stringColumn(size: number): Column {
  const values = fc.string({ unit: 'binary', maxLength: size }).map((text) => {
    // D's strings end at a NUL, or where there is no more room for them.
    let value = Buffer.from(text.replaceAll('\0', '')).toString()
    while (Buffer.byteLength(value) > size) value = [...value].slice(0, -1).join('')
    const bytes = Buffer.alloc(size, 0xaa)
    const length = bytes.write(value)
    if (length < size) bytes[length] = 0
    return { bytes, value }
  })
  return { action: TRACE, size, alignment: 1, argument: BY_REFERENCE, values }
}

function bytesColumn(size: number): Column {
  const values = fc
    .uint8Array({ minLength: size, maxLength: size })
    .map((value) => ({ bytes: Buffer.from(value), value: Uint8Array.from(value) }))
  return { action: TRACEMEM, size, alignment: 8, argument: STATIC_SIZE, values }
}

const column: fc.Arbitrary<Column> = fc.oneof(
  fc.tuple(fc.constantFrom(1, 2, 4, 8), fc.boolean()).map(([size, signed]) => integerColumn(size, signed)),
  fc.integer({ min: 1, max: 80 }).map(stringColumn),
  fc.integer({ min: 9, max: 70 }).map(bytesColumn),
)

const table = fc
  .array(column, { maxLength: 12 })
  .chain((columns) =>
    fc
      .array(fc.tuple(...columns.map(({ values }) => values)), { maxLength: 40 })
      .map((rows) => ({ columns, rows })),
  )

/** What wire_tool.cc reads. */
function describeTable(columns: Column[], rows: { bytes: Buffer }[][]): Buffer {
  const parts: Buffer[] = []
  const word = (value: number): void => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    parts.push(bytes)
  }
  const offsets: number[] = []
  let end = 0
  for (const { size, alignment } of columns) {
    end = Math.ceil(end / alignment) * alignment
    offsets.push(end)
    end += size
  }
  word(columns.length)
  columns.forEach(({ action, size, alignment, argument }, i) => {
    word(action)
    word(size)
    word(offsets[i] as number)
    word(alignment)
    const wide = Buffer.alloc(8)
    wide.writeBigUInt64LE(argument)
    parts.push(wide)
    word(0)
    word(0)
  })
  word(end)
  word(rows.length)
  for (const row of rows) {
    const buffer = Buffer.alloc(end)
    for (const [i, { bytes }] of row.entries()) bytes.copy(buffer, offsets[i])
    parts.push(buffer)
  }
  return Buffer.concat(parts)
}

describe('the wire format', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dtrace-wire-'))
  const tool = join(folder, 'wire_tool')
  beforeAll(() => {
    const native = join(import.meta.dirname, '..', '..', 'native')
    const sources = ['json.cc', 'protocol.cc', 'record_batch.cc', 'statement.cc'].map((name) =>
      join(native, name),
    )
    const own = join(import.meta.dirname, '..', 'native', 'wire_tool.cc')
    execFileSync('g++', ['-std=c++17', '-O1', `-I${native}`, own, ...sources, '-o', tool], {
      stdio: 'inherit',
    })
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('gives back any batch that the session’s own code has written', () => {
    const probe = { id: 1, provider: 'p', module: 'm', function: 'f', name: 'n' }
    fc.assert(
      fc.property(table, ({ columns, rows }) => {
        const output = execFileSync(tool, { input: describeTable(columns, rows) })
        const length = output.readUInt32LE(0)
        const layout = JSON.parse(output.toString('utf8', 4, 4 + length)) as NativeLayout
        const data = Uint8Array.from(output.subarray(4 + length)).buffer
        const decoder = createDecoder(schemaOf(layout), 'bigint')
        const batch = new RecordBatch(new WireBatch(data, 'utf8'), [{ probe, decoder } as never], {
          decodeTime: 0,
        })
        expect(batch.length).toBe(rows.length)
        const read = [...batch].map(({ cpu, values }) => ({ cpu, values }))
        expect(read).toEqual(rows.map((row, cpu) => ({ cpu, values: row.map(({ value }) => value) })))
      }),
      { numRuns: 200 },
    )
  }, 120_000)
})

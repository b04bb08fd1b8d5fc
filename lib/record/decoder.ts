/**
 * From bytes to records: one generated function per statement, so that its records have one hidden class and no value
 * passes through a loop over field descriptions. Measured: half the time of a decoder that interprets the schema.
 */
import { DTraceError } from '../errors.js'
import type { Field, Schema } from './schema.js'
import { Action } from './schema.js'
import { CodeSymbol, Frame, Printed, Stack, type SymbolPart, type Value } from './values.js'
import { FieldKind, FRAME_SIZE, type WireBatch } from './wire.js'

/** The probe of a record: one frozen object per probe. */
export interface Probe {
  readonly id: number
  readonly provider: string
  readonly module: string
  readonly function: string
  readonly name: string
}

/** What one firing of one clause recorded. */
export interface DTraceRecord<Fields = Readonly<{ [name: string]: Value }>> {
  readonly probe: Probe
  readonly cpu: number
  /** The `id` of the program whose clause it was. Undefined where libdtrace does not tell: what recorded nothing, but on Linux. */
  readonly program?: number | undefined
  /** Every value, in program order. */
  readonly values: readonly Value[]
  /** The values that the statement names. */
  readonly fields: Fields
  /** With `text: true`: what libdtrace prints for the record, as dtrace(1) would. */
  readonly text?: string
  /** With `flow: true`: whether the probe is an entry or a return. */
  readonly flow?: FlowKind | undefined
  /** With `flow: true`: how many entries on this CPU have not returned yet. */
  readonly depth?: number
}

/** By the name of the probe: `entry`, `return`, and what ends in `-entry` or `-return`. */
export type FlowKind = 'entry' | 'return'

/** 64-bit integers as bigint, or as number where every value fits. */
export type Int64 = 'bigint' | 'number'

/**
 * Decodes the record at `position` of a batch, and those that follow it as long as they are of the same clause and probe, into
 * `records` from `i` on, but not past `end`. Gives back the next `i`.
 */
export type DecodeRun = (
  batch: WireBatch,
  position: number,
  probe: Probe,
  records: unknown[],
  i: number,
  end: number,
) => number
/** The same of one field. */
export type ReadRun = (
  batch: WireBatch,
  position: number,
  values: unknown[],
  i: number,
  end: number,
) => number

/** Reads what a `printa()` prints, as `Aggregations::Print` of `native/aggregations.h` writes it. */
export type ReadRows = (bytes: Uint8Array) => Value

/** The reading side of one statement. */
export interface Decoder {
  readonly schema: Schema
  readonly decode: DecodeRun
  /** The reader of the field with this name, if there is one. */
  readonly reader: (name: string) => ReadRun | undefined
}

const NO_FIELDS = Object.freeze({})

/** What a statement's records need beside its schema. */
export interface DecoderContext {
  /** The program that it is of. */
  program?: number | undefined
  readRows?: ReadRows
}

/** Generates the decoder of a statement, which is one program's. */
export function createDecoder(
  schema: Schema,
  int64: Int64,
  { program, readRows = () => [] }: DecoderContext = {},
): Decoder {
  const { fields } = schema
  const named = fields.filter((field) => field.name !== undefined)
  const record = [
    `{ probe, cpu: u32[(p >> 2) + 1], program: ${JSON.stringify(program)},`,
    ...extras(schema),
    `values: [${fields.map((_, i) => `v${i}`).join(', ')}],`,
    named.length === 0
      ? 'fields: NO_FIELDS }'
      : `fields: { ${fields.map((field, i) => (field.name === undefined ? '' : `${JSON.stringify(field.name)}: v${i},`)).join(' ')} } }`,
  ].join('\n')
  const decode = generate<DecodeRun>(
    run('decode(batch, p, probe, to, i, end)', schema, fields, int64, record),
    readRows,
  )
  const readers = new Map<string, ReadRun | undefined>()
  return {
    schema,
    decode,
    reader: (name) => {
      if (readers.has(name)) return readers.get(name)
      const field = fields.find((candidate) => candidate.name === name)
      const read =
        field && generate<ReadRun>(run('read(batch, p, to, i, end)', schema, [field], int64, 'v0'), readRows)
      // Names are the caller's, and he may have any number of them that nothing has.
      if (read !== undefined || readers.size < MOST_NAMES) readers.set(name, read)
      return read
    },
  }
}

const MOST_NAMES = 1000

/** The source of a function that goes through records of one kind in a row, and makes `value` of each. */
function run(
  signature: string,
  schema: Schema,
  fields: readonly Field[],
  int64: Int64,
  value: string,
): string {
  const strings = fields.flatMap((field, i) => (field.kind === FieldKind.string ? [i] : []))
  const each = (text: (i: number) => string): string => strings.map(text).join(' ')
  return [
    // A string that is the same as in the record before has the same place in the batch: then it is not made again. That is
    // remembered from run to run, for clauses that take turns.
    `let last = 0; ${each((i) => `let lastAt${i} = -1, lastText${i} = '';`)}`,
    `return function ${signature} {`,
    'const { u32 } = batch',
    'const source = u32[p >> 2]',
    each((i) => `let at${i} = -1, text${i} = '';`),
    `if (batch.serial === last) { ${each((i) => `at${i} = lastAt${i}; text${i} = lastText${i};`)} }`,
    'do {',
    ...fields.map((field, i) => readExpression(field, i, int64)),
    `to[i++] = ${value}`,
    `p += ${schema.size}`,
    '} while (i < end && u32[p >> 2] === source)',
    `last = batch.serial; ${each((i) => `lastAt${i} = at${i}; lastText${i} = text${i};`)}`,
    'return i',
    '}',
  ].join('\n')
}

function generate<Type>(source: string, readRows: ReadRows): Type {
  // Only numbers and JSON strings of ours are put into the source: see readExpression.
  const make = new Function(
    'NO_FIELDS',
    'number64',
    'stack',
    'symbol',
    'printed',
    'FLOWS',
    'readRows',
    source,
  )
  return make(NO_FIELDS, number64, stack, symbol, printed, FLOWS, readRows) as Type
}

/** Properties that a record has beside its values, where they were asked for. */
function extras({ text, flow }: Schema): string[] {
  const at = (offset: number): string => `u32[(p + ${offset}) >> 2]`
  return [
    ...(text === undefined ? [] : [`text: batch.text(${at(text)}, ${at(text + 4)}),`]),
    ...(flow === undefined ? [] : [`flow: FLOWS[${at(flow)} & 3], depth: ${at(flow)} >>> 2,`]),
  ]
}

/** `Flow` of `native/flow.h`. */
const FLOWS: readonly (FlowKind | undefined)[] = [undefined, 'entry', 'return']

/** JavaScript that reads one field of the record at byte `p` into `v<i>`. Fields are aligned to their size. */
function readExpression(field: Field, i: number, int64: Int64): string {
  const sign = field.signed ? 'i' : 'u'
  const at = (shift: number): string => `(p + ${field.offset}) >> ${shift}`
  const pair = `u32[${at(2)}], u32[(${at(2)}) + 1]`
  switch (field.kind) {
    case FieldKind.int:
      switch (field.size) {
        case 1:
          return `const v${i} = batch.views.${sign}8[p + ${field.offset}]`
        case 2:
          return `const v${i} = batch.views.${sign}16[${at(1)}]`
        case 4:
          // Signed by `| 0`: one view serves for both, and it is made anyway.
          return `const v${i} = u32[${at(2)}]${field.signed ? ' | 0' : ''}`
        default:
          return int64 === 'bigint'
            ? `const v${i} = batch.views.${sign}64[${at(3)}]`
            : `const v${i} = number64(u32[${at(2)}], u32[(${at(2)}) + 1]${field.signed ? ' | 0' : ''}, ${JSON.stringify(field.name ?? `value ${i}`)})`
      }
    case FieldKind.string:
      return `const o${i} = u32[${at(2)}], n${i} = u32[(${at(2)}) + 1]
        if (n${i} === 0) { at${i} = -1; text${i} = '' }
        else if (o${i} !== at${i}) { text${i} = batch.text(o${i}, n${i}); at${i} = o${i} }
        const v${i} = text${i}`
    case FieldKind.bytes:
      return `const v${i} = batch.bytes(${pair})`
    case FieldKind.aggregations:
      return `const v${i} = readRows(batch.bytes(${pair}))`
    case FieldKind.printed:
      return `const v${i} = printed(batch, ${pair})`
    case FieldKind.stack:
      return `const v${i} = stack(batch, ${pair})`
    default:
      return `const v${i} = symbol(batch, ${pair}, ${field.action})`
  }
}

/** A 64-bit integer as a number; one that a number can't hold exactly is an error, never a wrong number. */
function number64(low: number, high: number, name: string): number {
  const value = high * 0x1_0000_0000 + low
  if (!Number.isSafeInteger(value)) {
    throw new DTraceError(
      'ERR_DTRACE_RANGE',
      `${name}: a 64-bit integer does not fit into a number (it is past 2^53); open the consumer with int64: 'bigint'`,
    )
  }
  return value
}

/** The frame at byte `at` of the batch. */
function frame(batch: WireBatch, at: number): Frame {
  const { u32 } = batch
  const word = at >> 2
  const name = u32[word + 2] as number
  const length = u32[word + 3] as number
  const module = u32[word + 4] as number
  return new Frame(
    batch.views.u64[at >> 3] as bigint,
    module === 0 ? undefined : batch.text(name, module),
    // A backquote is between them.
    length > module ? batch.text(name + module + 1, length - module - 1) : undefined,
    u32[word + 5] as number,
  )
}

/** Whose addresses they are comes before the frames; 0 is the kernel. */
function owner(batch: WireBatch, at: number): number | undefined {
  return batch.u32[at >> 2] || undefined
}

function stack(batch: WireBatch, offset: number, count: number): Stack {
  const start = batch.bytesStart + offset
  const frames: Frame[] = []
  for (let i = 1; i < count; i++) frames.push(frame(batch, start + i * FRAME_SIZE))
  return new Stack(owner(batch, start), frames)
}

/** The address comes before what is there. */
function printed(batch: WireBatch, offset: number, length: number): Printed {
  const address = batch.views.u64[(batch.bytesStart + offset) >> 3] as bigint
  return new Printed(address, batch.bytes(offset + 8, length - 8))
}

const NOWHERE = new Frame(0n, undefined, undefined, 0)

function symbol(batch: WireBatch, offset: number, count: number, action: number): CodeSymbol {
  const start = batch.bytesStart + offset
  const found = count > 1 ? frame(batch, start + FRAME_SIZE) : NOWHERE
  return new CodeSymbol(owner(batch, start), found, SYMBOL_PARTS[action] ?? 'symbol')
}

const SYMBOL_PARTS: Readonly<Record<number, SymbolPart>> = {
  [Action.mod]: 'module',
  [Action.umod]: 'module',
  [Action.uaddr]: 'offset',
}

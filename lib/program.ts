/**
 * Typed programs: a clause described in TypeScript, whose records have the types that were asked for.
 */
import { DTraceError } from './errors.js'
import type { Int64 } from './record/decoder.js'

type IntegerType = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64'
type FieldType = 'string' | 'bytes' | IntegerType

/** A value that a clause records. */
export interface Emit<Type extends FieldType = FieldType> {
  readonly type: Type
  /** D. */
  readonly expression: string
  /** Of `bytes`. */
  readonly size?: number
}

/** What a field is in JavaScript. */
export type EmitValue<Type extends FieldType, Wide extends Int64> = Type extends 'string'
  ? string
  : Type extends 'bytes'
    ? Uint8Array
    : Type extends 'int64' | 'uint64'
      ? Wide extends 'number'
        ? number
        : bigint
      : number

/** The `fields` of a typed program's records. */
export type EmitFields<Emits, Wide extends Int64> = {
  readonly [Name in keyof Emits]: Emits[Name] extends Emit<infer Type> ? EmitValue<Type, Wide> : never
}

function emit<Type extends FieldType>(type: Type): (expression: string) => Emit<Type> {
  return (expression) => ({ type, expression: checkExpression(expression) })
}

/** A D expression of type string: `execname`, `copyinstr(arg0)`, `stringof(curthread->comm)`. */
export const string: (expression: string) => Emit<'string'> = emit('string')
export const int8: (expression: string) => Emit<'int8'> = emit('int8')
export const uint8: (expression: string) => Emit<'uint8'> = emit('uint8')
export const int16: (expression: string) => Emit<'int16'> = emit('int16')
export const uint16: (expression: string) => Emit<'uint16'> = emit('uint16')
export const int32: (expression: string) => Emit<'int32'> = emit('int32')
export const uint32: (expression: string) => Emit<'uint32'> = emit('uint32')
export const int64: (expression: string) => Emit<'int64'> = emit('int64')
export const uint64: (expression: string) => Emit<'uint64'> = emit('uint64')

/** `size` bytes from the kernel address that the D expression gives, as with `tracemem()`. */
export function bytes(expression: string, size: number): Emit<'bytes'> {
  if (!Number.isInteger(size) || size < 1 || size > 65536) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `bytes(${expression}, ${size}): the size is 1 to 65536 bytes`,
    )
  }
  return { type: 'bytes', expression: checkExpression(expression), size }
}

/** One clause. */
export interface Clause<Emits> {
  /** Probe descriptions: `provider:module:function:name`, with globs. */
  probe: string | readonly string[]
  /** The predicate: records are made only where it is not 0. Filtering here is what costs least. */
  when?: string
  /** D statements to run before the values are recorded, e.g. `'this->file = …;'`. */
  prepare?: string
  /** What to record, by name. */
  emit: Emits
}

/** A program whose records have a known type. */
export interface TypedProgram<Emits> {
  /** The D program. Runs under dtrace(1) as it is. */
  readonly source: string
  readonly emit: Emits
  /** The same with a field `timestamp`, for consumers with `order: 'time'`. */
  readonly timed: string
}

/** What {@link program} gave. */
export function isTyped(source: unknown): source is TypedProgram<unknown> {
  return typeof source === 'object' && source !== null && 'timed' in source
}

const IDENTIFIER = /^[A-Za-z_]\w*$/

/**
 * Describes a program.
 *
 * @throws `ERR_DTRACE_ARGUMENT` for what can't be a clause; what is wrong in the D text itself is found by `compile`
 * @example
 * const opens = program({
 *   probe: 'syscall::openat:entry',
 *   when: 'pid != $pid',
 *   emit: { execname: string('execname'), pid: int32('pid') },
 * })
 * for await (const { fields } of consumer.run(opens)) fields.pid // number
 */
export function program<const Emits extends { readonly [name: string]: Emit }>(
  clause: Clause<Emits>,
): TypedProgram<Emits> {
  const probes = [clause.probe].flat()
  if (probes.length === 0 || probes.some((probe) => typeof probe !== 'string' || probe.trim() === '')) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      "program(): probe is a description such as 'syscall::openat:entry'",
    )
  }
  const names = Object.keys(clause.emit ?? {})
  if (names.length === 0) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', 'program(): emit names at least one value to record')
  }
  for (const name of names) {
    if (!IDENTIFIER.test(name)) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `program(): ${JSON.stringify(name)} is no field name (letters, digits, _)`,
      )
    }
  }
  const predicate = clause.when === undefined ? '' : `/${clause.when}/\n`
  const prepare = clause.prepare === undefined ? '' : `\t${clause.prepare}\n`
  const source = (emits: { readonly [name: string]: Emit }): string =>
    `${probes.join(',\n')}\n${predicate}{\n${prepare}${statements(emits)}}\n`
  return {
    source: source(clause.emit),
    emit: clause.emit,
    timed: source({ timestamp: uint64('timestamp'), ...clause.emit }),
  }
}

/** `printf` for what it can take; its format carries the names. Bytes follow a `printf` that ends in their name. */
function statements(emits: { readonly [name: string]: Emit }): string {
  let text = ''
  let format: string[] = []
  let values: string[] = []
  const flush = (heading = ''): void => {
    const full = [...format, heading].filter((part) => part !== '').join(' ')
    if (full !== '') text += `\tprintf(${[JSON.stringify(full), ...values].join(', ')});\n`
    format = []
    values = []
  }
  for (const [name, { type, expression, size }] of Object.entries(emits)) {
    if (type === 'bytes') {
      flush(`${name}=`)
      text += `\ttracemem(${expression}, ${size});\n`
    } else if (type === 'string') {
      format.push(`${name}=%s`)
      values.push(expression)
    } else {
      format.push(`${name}=%${type.startsWith('u') ? 'u' : 'd'}`)
      values.push(`(${type}_t)(${expression})`)
    }
  }
  flush()
  return text
}

function checkExpression(expression: string): string {
  if (typeof expression !== 'string' || expression.trim() === '') {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', "a field needs a D expression, e.g. int32('pid')")
  }
  return expression
}

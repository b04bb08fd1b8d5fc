/**
 * What a statement's values are called and what type they have. Everything is known from libdtrace's descriptions but
 * two things, which a `printf` format says: the names of its values, and whether they are signed.
 */
import type { NativeField, NativeLayout } from '../host/messages.js'
import { FieldKind } from './wire.js'

/** `DTRACEACT_…` of `<dtrace/actions_defines.h>`. */
export const Action = {
  trace: 1,
  exit: 2,
  printf: 3,
  usym: 0x103,
  umod: 0x104,
  uaddr: 0x105,
  system: 0x203,
  freopen: 0x204,
  mod: 0x403,
} as const

/** One value of a record. */
export interface Field {
  /** Undefined where the statement does not name it. */
  name: string | undefined
  kind: number
  /** The size of an integer, or the room for a string, in bytes. */
  size: number
  signed: boolean
  /** Where it is in the record on the wire. */
  offset: number
  action: number
}

/** The layout of a statement, with names. */
export interface Schema {
  /** Bytes of a record on the wire. */
  size: number
  fields: Field[]
  /** Where a record has its text, and its flow and depth; undefined where they were not asked for. */
  text: number | undefined
  flow: number | undefined
}

/** A conversion of a format. `name` is the word before the `=` before it. */
export interface Conversion {
  name: string | undefined
  letter: string
}

// A word and an equals sign may stand before a conversion; `%%` is none.
const CONVERSION =
  /(?:(?<name>[A-Za-z_]\w*)=)?%[-#0+ '@*]*\d*(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|w|j|z|t)*(?<letter>[A-Za-z%?])/g

// `printf("frames="); stack();`: what is traced after such a format has this name.
const HEADING = /(?<name>[A-Za-z_]\w*)=\s*$/

/** The conversions of a `printf` format, in order, as libdtrace gives it back. */
export function conversions(format: string): Conversion[] {
  const found: Conversion[] = []
  for (const match of format.matchAll(CONVERSION)) {
    const { name, letter = '' } = match.groups ?? {}
    if (letter !== '%') found.push({ name, letter })
  }
  return found
}

function isPrintf(action: number): boolean {
  return action === Action.printf || action === Action.system || action === Action.freopen
}

/**
 * The schema of a statement. A `printf`'s values have the names before their conversions (`pid=%d`); any other value has the
 * name with which the `printf` before it ends (`printf("frames="); stack();`), if it ends so.
 */
export function schemaOf(layout: NativeLayout): Schema {
  const fields: Field[] = []
  let pending: Conversion[] = []
  let taken = 0
  let heading: string | undefined

  for (const native of layout.fields) {
    if (native.format !== undefined) {
      pending = conversions(native.format)
      taken = 0
      heading = HEADING.exec(native.format)?.groups?.name
    }
    if (native.kind === FieldKind.none) continue
    const conversion = isPrintf(native.action) ? pending[taken++] : undefined
    fields.push({
      name: isPrintf(native.action) ? conversion?.name : heading,
      kind: native.kind,
      size: native.size,
      signed: conversion === undefined ? isSigned(native) : 'dic'.includes(conversion.letter),
      offset: native.offset,
      action: native.action,
    })
    if (!isPrintf(native.action)) heading = undefined
  }
  const { size, text, flow } = layout
  return { size, fields: withUniqueNames(fields), text, flow }
}

/** For `trace()`, `dtrd_arg` has 1 for a signed value; `exit()`'s status is an int. */
function isSigned(field: NativeField): boolean {
  return field.action === Action.exit || (field.action === Action.trace && (field.argument & 1) !== 0)
}

/** The first value of a name has it; a second one of the same name has its place only. */
function withUniqueNames(fields: Field[]): Field[] {
  const seen = new Set<string>()
  return fields.map((field) => {
    if (field.name === undefined || !seen.has(field.name)) {
      if (field.name !== undefined) seen.add(field.name)
      return field
    }
    return { ...field, name: undefined }
  })
}

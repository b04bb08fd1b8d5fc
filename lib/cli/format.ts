import type { DTraceRecord } from '../record/decoder.js'
import { Action, type Field, type Schema } from '../record/schema.js'
import { Stack, type Value } from '../record/values.js'
import { formatPrintf } from './printf.js'

/** Above the first record when the program isn't quiet. */
export const HEADER = 'CPU     ID                    FUNCTION:NAME\n'

/**
 * The text that dtrace(1) prints for a record: quiet, that of its printfs and traces alone; otherwise preceded by CPU and
 * probe, and on a line of its own.
 */
export function formatRecord({ probe, cpu, values }: DTraceRecord, schema: Schema, quiet: boolean): string {
  let text = quiet
    ? ''
    : `${String(cpu).padStart(3)} ${String(probe.id).padStart(6)} ${`${probe.function}:${probe.name}`.padStart(32)} `
  let at = 0
  const traces = (end: number): void => {
    for (; at < end; at++) text += formatTrace(values[at], schema.fields[at] as Field, quiet)
  }
  for (const { action, format, first, count } of schema.printfs) {
    traces(first)
    // system() and freopen() have formats too, but nothing to print.
    if (action === Action.printf) text += formatPrintf(format, values.slice(first, first + count))
    at = first + count
  }
  traces(schema.fields.length)
  return quiet ? text : `${text}\n`
}

/** Width of a traced integer by its size, as dtrace(1) has it. */
const WIDTHS: Record<number, number> = { 1: 4, 2: 6, 4: 11, 8: 20 }
const INDENT = ' '.repeat(14)

function formatTrace(value: Value | undefined, field: Field, quiet: boolean): string {
  if (field.action === Action.exit) return ''
  switch (typeof value) {
    case 'number':
    case 'bigint': {
      const width = (WIDTHS[field.size] ?? 0) + (field.size === 8 && !field.signed ? 1 : 0)
      return quiet ? String(value) : String(value).padStart(width)
    }
    case 'string':
      return quiet ? value : `  ${value.padEnd(33)}`
    default:
      if (value instanceof Stack) return `\n${value.frames.map(({ text }) => `${INDENT}${text}\n`).join('')}`
      if (value instanceof Uint8Array) return formatBytes(value)
      return quiet ? String(value) : `  ${String(value).padEnd(50)}`
  }
}

/** Sixteen bytes a line, in hexadecimal and as characters. */
function formatBytes(bytes: Uint8Array): string {
  const columns = Array.from({ length: 16 }, (_, i) => i.toString(16).padStart(3)).join('')
  let text = `\n${' '.repeat(11)}${columns}  0123456789abcdef\n`
  for (let from = 0; from < bytes.length; from += 16) {
    const line = [...bytes.subarray(from, from + 16)]
    const hex = line.map((byte) => ` ${byte.toString(16).padStart(2, '0')}`).join('')
    const characters = line
      .map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.'))
      .join('')
    text += `${from.toString(16).padStart(10)}:${hex.padEnd(48)}  ${characters}\n`
  }
  return text
}

/** Local time of day, to the millisecond. */
export function clock(milliseconds: number = Date.now()): string {
  const date = new Date(milliseconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`
}

/**
 * Aggregations as dtrace(1) prints them (`dt_print_aggs` and what it calls, of libdtrace's dt_consume.c).
 */
import { DTraceError } from '../errors.js'
import { Action, type Field } from '../record/schema.js'
import { type CodeSymbol, Stack, type Value } from '../record/values.js'
import type { StringEncoding } from '../record/wire.js'
import { type Aggregation, type DistributionAggregation, type Origin, originOf } from './aggregation.js'
import { bucketScale } from './buckets.js'
import { isDistributing, toValue, type Variable } from './values.js'

/**
 * A distribution as dtrace(1) draws it, character for character: a line of headings, and one for each bucket from the one before the
 * first that holds something to the one after the last.
 *
 * @param aggregation one of `quantize()`, `lquantize()` or `llquantize()`, as `Consumer.aggregations` gave it
 * @throws `ERR_DTRACE_ARGUMENT` for anything else
 * @example
 * for (const row of await consumer.aggregations()) if (row.action === 'quantize') console.log(formatQuantize(row))
 */
export function formatQuantize(aggregation: DistributionAggregation): string {
  const origin = originOf(aggregation)
  if (origin === undefined || !isDistributing(origin.variable.action)) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      'formatQuantize() takes an aggregation by quantize(), lquantize() or llquantize(), as aggregations() gave it',
    )
  }
  return drawing(origin.variable, origin.words.value)
}

/**
 * A snapshot as dtrace(1) prints it at its end.
 *
 * @param aggregations what `Consumer.aggregations` gave
 * @throws `ERR_DTRACE_ARGUMENT` for anything else
 * @example
 * process.stdout.write(formatAggregations(await consumer.aggregations()))
 */
export function formatAggregations(aggregations: readonly Aggregation[]): string {
  return aggregations.map(formatAggregation).join('')
}

function formatAggregation(aggregation: Aggregation): string {
  const origin = originOf(aggregation)
  if (origin === undefined) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', 'formatAggregations() takes what aggregations() gave')
  }
  const { variable, words, keyFields, strings } = origin
  const keys = keyFields.map((field, i) => formatKey(aggregation.key[i] as Value, field, strings)).join('')
  const cpus = words.cpus.map((cpu, number) => `\n    [CPU ${number}]${formatValue(variable, cpu)}`).join('')
  return `${keys}${formatValue(variable, words.value)}${cpus}\n`
}

function formatValue(variable: Variable, words: BigInt64Array): string {
  const { action, normal } = variable
  if (isDistributing(action)) return `\n${drawing(variable, words)}`
  if (action === 'avg' || action === 'stddev') {
    return ` ${String(toValue(variable, words, (value) => value)).padStart(16)}`
  }
  return ` ${String(divided(words[0] as bigint, normal)).padStart(16)}`
}

/** libdtrace divides without the sign: a negative value that is normalized becomes a large one. */
function divided(value: bigint, normal: bigint): bigint {
  return BigInt.asIntN(64, BigInt.asUintN(64, value) / normal)
}

/** Characters of a full bar. */
const WIDTH = 40
const HEADING = `${'value'.padStart(16)} ${'------------- Distribution -------------'.padStart(41)} ${'count'.padEnd(9)}\n`

function drawing(variable: Variable, words: BigInt64Array): string {
  const { action, signature, normal } = variable
  if (!isDistributing(action)) return ''
  const scale = bucketScale(action, signature)
  const first = words.findIndex((word) => word !== 0n)
  const { first: from, last: to } =
    first < 0
      ? scale.drawn(undefined, undefined)
      : scale.drawn(
          first,
          words.findLastIndex((word) => word !== 0n),
        )
  const labels = scale.labels(from, to)
  const shown = words.subarray(from, to + 1)
  const bar = barsOf(shown)
  let text = HEADING
  labels.forEach((label, i) => {
    if (label === undefined) return
    const count = shown[i] as bigint
    text += `${label.padStart(16)} ${bar(count)} ${String(divided(count, normal)).padEnd(9)}\n`
  })
  return text
}

/** Bars to the right; to the left where all are negative; both, at half the width, where some are. */
function barsOf(counts: BigInt64Array): (count: bigint) => string {
  const total = counts.reduce((sum, count) => sum + magnitude(count), 0n)
  const positives = counts.some((count) => count > 0n)
  const negatives = counts.some((count) => count < 0n)
  // Half and more is rounded up.
  const depth = (count: bigint, width: number): number =>
    total === 0n ? 0 : Number((2n * magnitude(count) * BigInt(width) + total) / (2n * total))
  if (!negatives) return (count) => `|${'@'.repeat(depth(count, WIDTH)).padEnd(WIDTH)}`
  if (!positives) return (count) => `${'@'.repeat(depth(count, WIDTH)).padStart(WIDTH)}|`
  const half = WIDTH / 2
  return (count) => {
    const ats = '@'.repeat(depth(count, half))
    return count <= 0n
      ? `${ats.padStart(half)}|${' '.repeat(half)}`
      : `${' '.repeat(half)}|${ats.padEnd(half)}`
  }
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

/** Width of an integer by its size. */
const WIDTHS: Record<number, number> = { 1: 3, 2: 5, 4: 8, 8: 16 }
const STACK_INDENT = ' '.repeat(14)
const TEXT_WIDTH = 50

function formatKey(value: Value, field: Field, strings: StringEncoding): string {
  if (value instanceof Stack)
    return `\n${value.frames.map(({ text }) => `${STACK_INDENT}${text}\n`).join('')}`
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return ` ${String(value).padStart(WIDTHS[field.size] ?? 16)}`
    case 'string':
      return formatText(value, field.size, strings)
    default:
      if (value instanceof Uint8Array) return rawBytes(value)
      return `  ${symbolText(value as CodeSymbol, field.action).padEnd(TEXT_WIDTH)}`
  }
}

/** sym() and usym() are about the whole function, mod() and umod() about the whole module. */
function symbolText(symbol: CodeSymbol, action: number): string {
  const { module, symbol: name } = symbol
  if (module === undefined || action === Action.uaddr) return symbol.text
  if (action === Action.mod || action === Action.umod) return module
  return name === undefined ? symbol.text : `${module}\`${name}`
}

/** What isn't all printable is shown as bytes, all of its room. */
function formatText(text: string, size: number, strings: StringEncoding): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  if (/^[\x07-\x0d\x20-\x7e]*$/.test(text)) return `  ${text.padEnd(TEXT_WIDTH)}`
  const bytes = new Uint8Array(size)
  bytes.set(Buffer.from(text, strings).subarray(0, size))
  return rawBytes(bytes)
}

/** Sixteen bytes a line, in hexadecimal and as characters. */
function rawBytes(bytes: Uint8Array): string {
  const columns = [...'0123456789abcdef'].map((digit) => `  ${digit}`).join('')
  let text = `\n${' '.repeat(11)}${columns}  0123456789abcdef\n`
  for (let from = 0; from < bytes.length; from += 16) {
    const line = [...bytes.subarray(from, from + 16)]
    const hex = line.map((byte) => ` ${byte.toString(16).padStart(2, '0')}`).join('')
    const characters = line.map((byte) => (byte < 0x20 || byte > 0x7e ? '.' : String.fromCharCode(byte)))
    text += `${from.toString(16).padStart(10)}:${hex.padEnd(48)}  ${characters.join('')}\n`
  }
  return text
}

/** Whether a `printa()` has printed it: dtrace(1) does not print it again at its end. */
export function isPrinted(aggregation: Aggregation): boolean {
  return (originOf(aggregation) as Origin | undefined)?.variable.printed === true
}

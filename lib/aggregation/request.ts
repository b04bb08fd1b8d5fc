/**
 * What is asked of an aggregation, checked, and as it goes to the session.
 */
import { checkKeys } from '../check-keys.js'
import { bareText } from '../d-text.js'
import { DTraceError } from '../errors.js'
import type { CommandArguments } from '../host/commands.js'

/**
 * In which order: variable by variable, by `'key'` or by `'value'`, or all variables together, by `'keyvar'` or `'valuevar'`.
 * It is libdtrace's own order: `dtrace_aggregate_walk_keysorted`, `…valsorted`, `…keyvarsorted`, `…valvarsorted`.
 */
export type AggregationSort = 'key' | 'value' | 'keyvar' | 'valuevar'

/** Of a snapshot. */
export interface AggregationOptions {
  /**
   * Default: as dtrace(1) prints aggregations, which is by value, unless the options `aggsortkey`, `aggsortrev`, `aggsortpos` and
   * `aggsortkeypos` say otherwise.
   */
  sort?: AggregationSort
  /** From the largest to the smallest. */
  reverse?: boolean
  /** Of these only, e.g. `['@opens']`; the `@` may be left out. Default: all. */
  names?: readonly string[]
  /**
   * Values begin anew after this snapshot, as after D's `clear()`: keys stay, their values are 0. What fires in the meantime is in
   * the next snapshot, all of it; but the keys of `min` and `max` are removed, as with {@link trunc}.
   */
  clear?: boolean
  /** Keys are removed after this snapshot, as by D's `trunc()`. What fires in between may be lost. */
  trunc?: boolean
}

/** Of a snapshot of several variables side by side. */
export interface JoinedAggregationOptions {
  /** The variables, in the order of the values in each row. */
  names: readonly string[]
  /** By `'key'`, or by the `'value'` of one of the variables. Default: as for a snapshot. */
  sort?: 'key' | 'value'
  reverse?: boolean
  /** The variable by whose value rows are sorted. Default: the first one. */
  by?: string
}

/** `AggregationOrder` of `native/aggregations.h`. */
const ORDERS: Record<AggregationSort, number> = { key: 1, value: 2, keyvar: 3, valuevar: 4 }
/** `AfterSnapshot` of `native/aggregations.h`. */
const AFTER = { keep: 0, clear: 1, trunc: 2 } as const

export const SNAPSHOT_KEYS = { sort: true, reverse: true, names: true, clear: true, trunc: true } as const
const JOINED_KEYS = { names: true, sort: true, reverse: true, by: true } as const

type Request = CommandArguments['aggregations']

/** @throws `ERR_DTRACE_ARGUMENT` */
export function snapshotRequest(options: AggregationOptions, sources: readonly string[]): Request {
  checkKeys('aggregations()', options, SNAPSHOT_KEYS)
  const { sort, reverse = false, names = [], clear = false, trunc = false } = options
  const order = checkSort(sort, ORDERS)
  checkFlags({ reverse, clear, trunc })
  if (clear && trunc) throw argument('clear and trunc are one or the other: trunc removes the keys, too')
  const after = clear ? AFTER.clear : trunc ? AFTER.trunc : AFTER.keep
  return [checkNames(names, sources), false, order, reverse, 0, after]
}

/** @throws `ERR_DTRACE_ARGUMENT` */
export function joinedRequest(options: JoinedAggregationOptions, sources: readonly string[]): Request {
  checkKeys('joinedAggregations()', options, JOINED_KEYS)
  const { sort, reverse = false, names, by } = options
  const order = checkSort(sort, { key: ORDERS.key, value: ORDERS.value })
  checkFlags({ reverse })
  const checked = checkNames(names, sources)
  if (checked.length === 0) throw argument("names are the variables to join, e.g. ['@opens', '@closes']")
  const position = by === undefined ? 0 : checked.indexOf(nameOf(by))
  if (position < 0) throw argument(`by is one of the names, ${checked.join(', ')}, not ${show(by)}`)
  // Only with an order of its own does libdtrace take the position from here.
  return [
    checked,
    true,
    order === 0 && (reverse || by !== undefined) ? ORDERS.value : order,
    reverse,
    position,
    0,
  ]
}

function checkSort(sort: unknown, orders: Record<string, number>): number {
  if (sort === undefined) return 0
  if (typeof sort === 'string' && Object.hasOwn(orders, sort)) return orders[sort] as number
  throw argument(`sort is ${Object.keys(orders).map(show).join(' or ')}, not ${show(sort)}`)
}

function checkFlags(flags: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== 'boolean') throw argument(`${name} is true or false, not ${show(value)}`)
  }
}

/** An aggregation that no key has yet is not known to libdtrace, so names are looked up in the programs. */
function checkNames(names: unknown, sources: readonly string[]): string[] {
  if (!Array.isArray(names)) throw argument(`names are an array such as ['@opens'], not ${show(names)}`)
  const wanted = names.map(nameOf)
  const known = new Set(sources.flatMap(aggregationsIn))
  // A preprocessor can make names.
  const certain = !sources.some((source) => /^\s*#\s*(?:include|define)/m.test(source))
  const unknown = wanted.find((name) => !known.has(name))
  if (unknown !== undefined && certain) {
    const there = known.size === 0 ? 'no program here has any' : `there are ${[...known].join(', ')}`
    throw argument(`there is no aggregation ${unknown}: ${there}`)
  }
  const twice = wanted.find((name, i) => wanted.indexOf(name) !== i)
  if (twice !== undefined) throw argument(`names has ${twice} twice`)
  return wanted
}

function nameOf(name: unknown): string {
  if (typeof name === 'string' && /^(?:@|@?[A-Za-z_]\w*)$/.test(name)) {
    return name.startsWith('@') ? name : `@${name}`
  }
  throw argument(`an aggregation's name is a text such as '@opens', not ${show(name)}`)
}

/** The aggregations that a program names. */
export function aggregationsIn(source: string): string[] {
  const code = bareText(source)
  return [...new Set(code.match(/@\w*/g) ?? [])]
}

function argument(message: string): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `aggregations: ${message}`)
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

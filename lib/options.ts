/**
 * DTrace options on their way to libdtrace, and the few that must not reach it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pragmaOptions } from './d-text.js'
import { DTraceError } from './errors.js'
import {
  type OptionEntry,
  type OptionInput,
  type OptionName,
  optionEntry,
  PROGRAM_BITS,
  refusal,
} from './option-table.js'

/** A DTrace option's value; `true` sets an option that takes none. */
export type OptionValue = string | number | boolean

/** DTrace options (chapter "Options and Tunables" of the Dynamic Tracing Guide, and docs/options.md) and their values. */
export type Options = { readonly [Name in OptionName]?: OptionInput<Name> }

/**
 * What a session starts with. `bufsize` and `aggsize` are those of dtrace(1): without `aggsize`, libdtrace 2 cannot make the
 * map of an aggregation. `switchrate` is how often buffers are looked into under load; a record that comes after a
 * quiet time is passed on at once.
 */
export const DEFAULT_OPTIONS: Options = { bufsize: '4m', aggsize: '4m', switchrate: '10ms', aggrate: '1s' }

/**
 * The value as libdtrace takes it; null for an option that is set without one.
 *
 * @throws `ERR_DTRACE_OPTION`
 */
export function optionText(
  name: unknown,
  value: unknown,
  platform: NodeJS.Platform = process.platform,
): string | null {
  checkOption(name, value, platform)
  const entry = optionEntry(name)
  if (typeof entry?.type === 'object' && !entry.type.includes(String(value))) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      `option ${name} is ${entry.type.map((word) => `'${word}'`).join(' or ')}, not ${show(value)}`,
    )
  }
  switch (typeof value) {
    case 'boolean':
      if (value && entry !== undefined && entry.type !== 'flag') break
      return value ? null : 'unset'
    case 'number':
      if (Number.isSafeInteger(value)) return String(value)
      break
    case 'string':
      if (isCompileFlag(entry)) return flagOf(name, value) ? null : 'unset'
      return value
  }
  throw new DTraceError(
    'ERR_DTRACE_OPTION',
    `option ${name}: its value is ${wanted(entry)}, not ${show(value)}`,
  )
}

function wanted(entry: OptionEntry | undefined): string {
  switch (entry?.type) {
    case 'flag':
      return 'a boolean'
    case 'size':
      return "a size in bytes, such as '4m' or 65536"
    case 'rate':
      return "a time such as '10ms', or a number of nanoseconds"
    case 'count':
      return 'a number'
    case 'text':
      return 'a text'
    default:
      return "a string ('4m', '10ms'), an integer or a boolean"
  }
}

/** Those of the compiler take no value: libdtrace would refuse the words that it takes for the others. */
function isCompileFlag(entry: OptionEntry | undefined): boolean {
  return entry?.type === 'flag' && (entry.phase === 'program' || entry.phase === 'compile')
}

function flagOf(name: string, word: string): boolean {
  if (/^(?:yes|enabled?|true|on|set|1)$/i.test(word)) return true
  if (/^(?:no|disabled?|false|off|unset|0)$/i.test(word)) return false
  throw new DTraceError('ERR_DTRACE_OPTION', `option ${name} is a boolean, not ${show(word)}`)
}

/** Refuses what must not reach libdtrace, whether it comes from a call or from a pragma. */
function checkOption(name: unknown, value: unknown, platform: NodeJS.Platform): asserts name is string {
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      `an option's name is a string such as 'bufsize', not ${show(name)}`,
    )
  }
  refuseOption(name, platform)
  if (typeof value === 'string' && (value === '' || value.includes('\0'))) {
    // Of `amin`, libdtrace 2.0.7 crashes on it; of the sizes, it reads what is before the text.
    throw new DTraceError('ERR_DTRACE_OPTION', `option ${name}: its value is empty, or has a NUL in it`)
  }
  if (name === 'late' && value === 'dynamic') {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      'option late: with dynamic, libdtrace aborts the process while it loads the D libraries; leave it out',
    )
  }
  if (name === 'preallocate' && bytesOf(value) > MOST_PREALLOCATED) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      `option preallocate: libdtrace takes that much memory at once, and half of it if it can't, and so on; ${show(value)} is past 1g`,
    )
  }
  if (optionEntry(name)?.type === 'rate' && nanosecondsOf(value) > LONGEST_RATE) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      `option ${name}: libdtrace may wait that long, and nothing stops it; ${show(value)} is past a day`,
    )
  }
  if (name === 'cpu' && platform === 'linux') checkCpu(value)
}

/** A value as libdtrace keeps it; undefined where the option is not set. */
export function optionValue(value: number): number | undefined {
  const unset = -2 // DTRACEOPT_UNSET
  return value === unset ? undefined : value
}

/**
 * Why tracing does not start, and which option may be what lacks.
 *
 * @param settings the options that the session has
 */
export function explainGo(
  reason: string,
  settings: readonly (readonly [string, string | null])[] = [],
): string {
  return `tracing can't be started: ${reason}${adviceOnGo(reason, settings)}`
}

function adviceOnGo(reason: string, settings: readonly (readonly [string, string | null])[]): string {
  if (/destructive/i.test(reason))
    return '; system(), raise(), copyout() and their like need the option destructive: Consumer.open({ options: { destructive: true } })'
  if (!/memory|too (?:big|large)|size|invalid argument/i.test(reason)) return ''
  // Of an option that was set twice, the last value.
  const sizes = [...new Map(settings)].filter(([name]) =>
    ['size', 'count'].includes(String(optionEntry(name)?.type)),
  )
  return `; one of these sizes may not be possible here: ${sizes.map(([name, text]) => `${name}=${text}`).join(', ')}, or one that the program sets`
}

/** @throws `ERR_DTRACE_OPTION` for an option that is refused whatever its value */
export function refuseOption(name: string, platform: NodeJS.Platform = process.platform): void {
  const why = refusal(name, platform)
  if (why !== undefined) throw new DTraceError('ERR_DTRACE_OPTION', `option ${name} is refused: ${why}`)
}

const MOST_PREALLOCATED = 2 ** 30
const LONGEST_RATE = 86_400e9

/** As libdtrace reads a size (dt_optval_parse); NaN for what is none. */
function bytesOf(value: unknown): number {
  const [, digits = '', unit = ''] = /^\s*(0x[\da-f]+|\d+)([kmgt]?)$/i.exec(String(value)) ?? []
  return digits === '' ? Number.NaN : Number(digits) * 1024 ** ' kmgt'.indexOf(unit.toLowerCase() || ' ')
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ns: 1,
  nsec: 1,
  us: 1e3,
  usec: 1e3,
  ms: 1e6,
  msec: 1e6,
  s: 1e9,
  sec: 1e9,
  m: 60e9,
  min: 60e9,
  h: 3600e9,
  hour: 3600e9,
  d: 86_400e9,
  day: 86_400e9,
}

/** As libdtrace reads a time (dt_opt_rate); NaN for what is none, and for a frequency, which is never long. */
function nanosecondsOf(value: unknown): number {
  const [, digits = '', unit = ''] = /^\s*(0x[\da-f]+|\d+)([a-z]*)$/i.exec(String(value)) ?? []
  return digits === '' ? Number.NaN : Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN)
}

const SETOPT = /\bsetopt\s*\(\s*"(?<name>\w+)"(?:\s*,\s*"(?<value>[^"]*)")?/g

/** The pragmas of a program may set options, too, and so may its clauses. What is merely wrong in them is found by libdtrace, which knows the line. */
export function checkPragmas(source: string): void {
  for (const { name, value } of pragmaOptions(source)) checkOption(name, value ?? true, process.platform)
  for (const { groups } of source.matchAll(SETOPT))
    checkOption(groups?.name, groups?.value ?? true, process.platform)
}

/**
 * A folder of D libraries: without them, libdtrace 2 aborts the process where a program needs what is in them.
 *
 * @throws `ERR_DTRACE_OPTION`
 */
export function checkLibraryFolder(folder: unknown, platform: NodeJS.Platform = process.platform): void {
  if (typeof folder !== 'string' || platform !== 'linux') return
  const names = (path: string): string[] => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  }
  const hasLibraries = names(folder).some((version) =>
    names(join(folder, version)).some((name) => name.endsWith('.d')),
  )
  if (hasLibraries) return
  throw new DTraceError(
    'ERR_DTRACE_OPTION',
    `option syslibdir: ${folder} has no D libraries (KERNEL_VERSION/*.d), and without them libdtrace 2 aborts the process`,
  )
}

/** libdtrace 2 calls exit(1) where it can't bind a thread to the CPU. */
function checkCpu(value: unknown): void {
  const cpu = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (cpu === false || cpu === 'unset') return
  if (typeof cpu === 'number' && onlineCpus().includes(cpu)) return
  throw new DTraceError(
    'ERR_DTRACE_OPTION',
    `option cpu: ${show(value)} is not a CPU that is online (${onlineCpus().join(', ')})`,
  )
}

function onlineCpus(): number[] {
  let text: string
  try {
    text = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim()
  } catch {
    return [0]
  }
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** Bits of `dtrace_program_fcompile` that this package sets itself: `DTRACE_C_ETAGS`, whose tags it takes off again. */
const ALWAYS = 0x0100
const DTRACEOPT_UNSET = -2

/**
 * What a consumer's options are. libdtrace keeps those for tracing and gives them back; of the compiler's it gives back none, so
 * they are remembered here, and those that go with each program never reach its handle: the D libraries would be compiled with
 * them, too, and fail (`amin`).
 */
export class OptionValues {
  readonly #set = new Map<string, OptionValue>()

  constructor(options: Readonly<Record<string, OptionValue>>) {
    for (const [name, value] of Object.entries(options)) this.set(name, value, optionText(name, value))
    checkLibraryFolder(options.syslibdir)
  }

  /** Those that the session has to be told. */
  static ofSession(options: Readonly<Record<string, OptionValue>>): Record<string, OptionValue> {
    return Object.fromEntries(Object.entries(options).filter(([name]) => isOfSession(name)))
  }

  /** `text` is what {@link optionText} gave. */
  set(name: string, value: OptionValue, text: string | null): void {
    const entry = optionEntry(name)
    if (entry === undefined || entry.phase === 'runtime' || entry.phase === 'dynamic') return
    this.#set.set(name, entry.type === 'flag' ? text === null : value)
    const opposite = OPPOSITES[name]
    if (opposite !== undefined) this.#set.set(opposite, text !== null)
  }

  /** A program that was compiled may have set some that outlive its compilation. */
  addPragmas(source: string): void {
    for (const { name, value = true } of pragmaOptions(source)) {
      if (optionEntry(name)?.phase === 'compile') this.set(name, value, optionText(name, value))
    }
  }

  /** An option that libdtrace does not give back; undefined where nothing has been set, and libdtrace has no value of its own. */
  get(name: string): OptionValue | undefined {
    const entry = optionEntry(name)
    const value = this.#set.get(name) ?? entry?.initial
    const numeric = entry?.type === 'count' || entry?.type === 'size'
    return numeric && typeof value === 'string' ? bytesOf(value) : value
  }

  /** `DTRACE_C_…` for the next program. */
  compileFlags(): number {
    let flags = ALWAYS
    for (const [name, { bit, off }] of Object.entries(PROGRAM_BITS)) {
      if (this.get(name) === (off !== true)) flags |= bit
    }
    return flags
  }

  /** What comes before the next program, in a form that leaves its lines their numbers. */
  prologue(): string {
    const least = this.get('amin')
    return least === undefined ? '' : `#pragma D option amin=${String(least)}\n# 1\n`
  }
}

const OPPOSITES: Readonly<Record<string, string>> = {
  kdefs: 'knodefs',
  knodefs: 'kdefs',
  udefs: 'unodefs',
  unodefs: 'udefs',
}

/** Whether the session is told of it: what goes with each program isn't. */
export function isOfSession(name: string): boolean {
  return optionEntry(name)?.phase !== 'program'
}

/** Whether libdtrace is asked for it. */
export function isReadable(name: string): boolean {
  const phase = optionEntry(name)?.phase
  return phase === undefined || phase === 'runtime' || phase === 'dynamic'
}

/** What libdtrace gives, as what it means. */
export function optionOutput(name: string, value: number): OptionValue | undefined {
  const type = optionEntry(name)?.type
  // Set without a value, a flag is 0: only unset is off.
  if (type === 'flag') return value !== DTRACEOPT_UNSET
  if (value === DTRACEOPT_UNSET) return undefined
  // lockmem=unlimited
  if (type === 'size' && value < 0) return Number.POSITIVE_INFINITY
  return typeof type === 'object' ? type[value] : value
}

/** What has already happened to a consumer. */
export interface Progress {
  /** The D libraries are loaded. */
  libraries: boolean
  /** No more programs can be compiled. */
  enabled: boolean
  /** Tracing has started, and may have ended. */
  tracing: boolean
}

/**
 * Refuses an option that would have no effect any more, which libdtrace itself takes in silence.
 *
 * @throws `ERR_DTRACE_OPTION`
 */
export function checkMoment(name: string, { libraries, enabled, tracing }: Progress): void {
  const refuse = (why: string): never => {
    throw new DTraceError('ERR_DTRACE_OPTION', `option ${name} has no effect any more: ${why}`)
  }
  switch (optionEntry(name)?.phase) {
    case 'libraries':
      if (libraries) refuse('the D libraries are loaded, with the first program; give it to Consumer.open()')
      break
    case 'program':
      if (enabled) refuse('it is for programs that are compiled later, and a program is enabled already')
      break
    case 'compile':
      if (tracing) refuse('tracing has started; set it before go()')
      break
    case 'runtime':
      if (tracing) refuse('it is read when tracing starts; set it before go()')
  }
}

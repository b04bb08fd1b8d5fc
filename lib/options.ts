/**
 * DTrace options on their way to libdtrace, and the few that must not reach it.
 */
import { readFileSync } from 'node:fs'
import { DTraceError } from './errors.js'

/** A DTrace option's value; `true` sets an option that takes none. */
export type OptionValue = string | number | boolean

/** DTrace option names (chapter "Options and Tunables" of the Dynamic Tracing Guide) and their values. */
export type Options = Readonly<{ [name: string]: OptionValue }>

/**
 * What a session starts with. `bufsize` and `aggsize` are those of dtrace(1): without `aggsize`, libdtrace 2 cannot make the
 * map of an aggregation. `switchrate` is how often buffers are looked into under load; a record that comes after a
 * quiet time is passed on at once.
 */
export const DEFAULT_OPTIONS: Options = { bufsize: '4m', aggsize: '4m', switchrate: '10ms', aggrate: '1s' }

/**
 * Options with which libdtrace ends the process: seen with 2.0.7 or read in its source, `core` in that of the older ones, too
 * (dt_options.c).
 */
function fatal(name: string, platform: NodeJS.Platform): string | undefined {
  if (name === 'core') return 'it makes libdtrace end the process with a core dump; leave it out'
  if (name !== 'nolibs' || platform !== 'linux') return undefined
  return 'libdtrace 2 aborts the process with it; leave it out'
}

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
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      `an option's name is a string such as 'bufsize', not ${show(name)}`,
    )
  }
  const why = fatal(name, platform)
  if (why !== undefined) throw new DTraceError('ERR_DTRACE_OPTION', `option ${name} is refused: ${why}`)
  if (name === 'cpu' && platform === 'linux') checkCpu(value)
  switch (typeof value) {
    case 'boolean':
      return value ? null : 'unset'
    case 'number':
      if (Number.isSafeInteger(value)) return String(value)
      break
    case 'string':
      if (!value.includes('\0')) return value
  }
  throw new DTraceError(
    'ERR_DTRACE_OPTION',
    `option ${name}: its value is a string ('4m', '10ms'), an integer or a boolean, not ${show(value)}`,
  )
}

/** A value as libdtrace keeps it; undefined where the option is not set. */
export function optionValue(value: number): number | undefined {
  const unset = -2 // DTRACEOPT_UNSET
  return value === unset ? undefined : value
}

/** Why tracing does not start, and which option may be what lacks. */
export function explainGo(reason: string): string {
  const advice = /destructive/i.test(reason)
    ? '; system(), stop(), raise(), copyout() and their like need the option destructive: Consumer.open({ options: { destructive: true } })'
    : ''
  return `tracing can't be started: ${reason}${advice}`
}

/** The names that must be looked at in a program, too. */
const FATAL: readonly string[] = ['core', 'nolibs', 'cpu']
const PRAGMA = /^\s*#\s*pragma\s+D\s+option\s+(?<name>\w+)(?:\s*=\s*(?<value>[^\s;]+))?/gm

const SETOPT = /\bsetopt\s*\(\s*"(?<name>\w+)"(?:\s*,\s*"(?<value>[^"]*)")?/g

/** The pragmas of a program may set options, too, and so may its clauses. */
export function checkPragmas(source: string): void {
  for (const { groups } of [...source.matchAll(PRAGMA), ...source.matchAll(SETOPT)]) {
    const { name = '', value } = groups ?? {}
    if (FATAL.includes(name)) optionText(name, value ?? true)
  }
}

/** libdtrace 2 calls exit(1) where it can't bind a thread to the CPU. */
function checkCpu(value: unknown): void {
  const cpu = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
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

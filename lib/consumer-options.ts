/**
 * What `Consumer.open` and `compile` take, and its check.
 */
import { readFile } from 'node:fs/promises'
import type { Abortable } from './abort.js'
import { checkKeys } from './check-keys.js'
import type { Specifier } from './d-text.js'
import { DTraceError } from './errors.js'
import type { HostChoice, HostOptions } from './host/choice.js'
import type { Helper } from './host/peer.js'
import type { Options } from './options.js'
import type { LibraryLocation } from './platform/locate.js'
import type { PreprocessorOptions } from './preprocessor.js'
import type { Int64 } from './record/decoder.js'
import type { StringEncoding } from './record/wire.js'

/** What records carry beside their values, and their order. What is not asked for costs nothing. */
export interface RecordOptions {
  /**
   * Each record has `text`: what libdtrace itself prints for it, character for character as dtrace(1) does after the columns
   * of CPU and probe. It formats every value, so it costs about as much as dtrace(1).
   */
  text?: boolean
  /** Each record has `flow` (`'entry'`, `'return'` or undefined) and `depth`, for flow indentation. */
  flow?: boolean
  /**
   * Records of all CPUs come in the order of their time, which needs a value called `timestamp` in every clause that records
   * something; `program()` adds it by itself. A record waits up to three switchrates for others, see docs/records.md.
   */
  order?: 'time'
}

/** How to open a consumer. */
export interface OpenOptions<Wide extends Int64 = 'bigint'> extends RecordOptions {
  /** DTrace options, by name. Defaults: `bufsize` 4m, `aggsize` 4m, `switchrate` 10ms, `aggrate` 1s. */
  options?: Options
  /**
   * Where the session runs: `'in-process'`, which costs least, one at a time in a process; `'process'`: in a child process, any number of
   * them, and what goes wrong inside libdtrace doesn't end this one; `'auto'` (default): in this process while that is free, else in
   * a child. See docs/hosts.md.
   */
  host?: HostChoice
  /** A helper that has privileges which this process lacks; implies `host: 'process'`. See docs/hosts.md. */
  helper?: Helper
  /** Milliseconds after which a child process that does not answer is killed. Default 30,000. */
  hangTimeout?: number
  /** When the child process ends while it traces: start another, with the same programs. Implies `host: 'process'`. Default false. */
  restart?: boolean
  /** 64-bit integers as `'bigint'` (default), or as `'number'`, where one past 2^53 is an error. */
  int64?: Wide
  /** How bytes become strings: `'utf8'` (default), or `'latin1'`: one character per byte, which loses nothing. */
  strings?: StringEncoding
  /** The most records that wait for a slow `for await` reader; more are dropped, and counted. Default 100,000. */
  queueLimit?: number
  /** The libdtrace to use, instead of the one that is found. */
  library?: LibraryLocation
  /** Ends the consumer: aborted while it is being opened, `open()` rejects; later, the consumer closes. Its readers get the reason. */
  signal?: AbortSignal
}

/** How to compile a program. */
export interface CompileOptions extends Abortable {
  /** `$1`, `$2`, … of the program. */
  args?: readonly string[]
  /** Arguments that are not given are 0 or "" (as `#pragma D option defaultargs`). */
  defaultArgs?: boolean
  /** A clause whose probe does not exist is no error (as `dtrace -Z`). */
  allowNoMatches?: boolean
  /** A program without a clause is no error. */
  allowEmpty?: boolean
  /** An argument that the program does not use is no error. */
  allowUnusedArgs?: boolean
  /**
   * What a specifier with fewer than four parts ends with: as `dtrace -P`, `-m`, `-f` and `-n`. So `open` is a function with
   * `'function'`. Words that could be types are specifiers then. Default: `'name'`, and a word that is a type is a type.
   */
  specifier?: Specifier
  /** Runs the C preprocessor first (as `dtrace -C`): `true`, or how. See docs/options.md. Default: false. */
  cpp?: boolean | PreprocessorOptions
}

/** Needs no library: the helper has its own. */
export const HELPERS_LIBRARY: LibraryLocation = { path: '', preload: [], source: 'system' }

/** Every key of {@link CompileOptions}. */
const COMPILE_KEYS: Record<keyof CompileOptions, true> = {
  signal: true,
  args: true,
  defaultArgs: true,
  allowNoMatches: true,
  allowEmpty: true,
  allowUnusedArgs: true,
  specifier: true,
  cpp: true,
}

/** @throws `ERR_DTRACE_ARGUMENT` */
export function checkCompileOptions(given: CompileOptions): void {
  checkKeys('compile()', given, COMPILE_KEYS)
}

export function hostOptions({
  restart = false,
  host = restart ? 'process' : 'auto',
  helper,
  hangTimeout = 30_000,
}: OpenOptions<Int64>): HostOptions {
  return { host, helper, hangTimeout }
}

/** Every key of {@link OpenOptions}; the compiler checks that. */
const OPEN_KEYS: Record<keyof OpenOptions, true> = {
  options: true,
  host: true,
  helper: true,
  hangTimeout: true,
  restart: true,
  int64: true,
  strings: true,
  queueLimit: true,
  library: true,
  signal: true,
  text: true,
  flow: true,
  order: true,
}

/** What is for opening, and what for compiling. */
export function splitOptions<Given extends OpenOptions<Int64> & CompileOptions>(
  given: Given,
): { open: Given; compile: CompileOptions } {
  if (typeof given !== 'object' || given === null) return { open: given, compile: {} }
  const entries = Object.entries(given)
  const isForCompiling = ([key]: [string, unknown]): boolean => Object.hasOwn(COMPILE_KEYS, key)
  return {
    open: Object.fromEntries(
      entries.filter((entry) => entry[0] === 'signal' || !isForCompiling(entry)),
    ) as Given,
    compile: Object.fromEntries(entries.filter(isForCompiling)),
  }
}

/** @throws `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_OPTION` */
export function checkOpenOptions(given: OpenOptions<Int64>): void {
  checkKeys('Consumer.open()', given, OPEN_KEYS)
  const {
    host = 'auto',
    helper,
    hangTimeout = 30_000,
    restart = false,
    int64 = 'bigint',
    strings = 'utf8',
    queueLimit = 1,
    options = {},
    text = false,
    flow = false,
    order,
  } = given
  const choices: [string, unknown, unknown[]][] = [
    ['host', host, ['auto', 'in-process', 'process']],
    ['int64', int64, ['bigint', 'number']],
    ['strings', strings, ['utf8', 'latin1']],
    ['restart', restart, [true, false]],
    ['text', text, [true, false]],
    ['flow', flow, [true, false]],
    ['order', order, ['time', undefined]],
  ]
  for (const [name, value, allowed] of choices) {
    if (!allowed.includes(value)) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `${name} is ${allowed.map(shown).join(' or ')}, not ${JSON.stringify(value)}`,
      )
    }
  }
  if (!Number.isFinite(hangTimeout) || hangTimeout < 1000 || hangTimeout > 2 ** 31) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `hangTimeout is a number of milliseconds, 1000 or more, not ${String(hangTimeout)}`,
    )
  }
  checkHelper(helper, host)
  if (restart && helper === undefined && host !== 'process' && given.host !== undefined) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `restart starts another child process: leave host: '${host}' out, or make it 'process'`,
    )
  }
  if (!Number.isInteger(queueLimit) || queueLimit < 1) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `queueLimit is a number of records, 1 or more, not ${String(queueLimit)}`,
    )
  }
  if (typeof options !== 'object' || options === null) {
    throw new DTraceError(
      'ERR_DTRACE_OPTION',
      "options is an object of DTrace options, e.g. { bufsize: '8m' }",
    )
  }
}

function checkHelper(helper: unknown, host: HostChoice): void {
  if (helper === undefined) return
  const { command, socket } = (helper ?? {}) as { command?: unknown; socket?: unknown }
  const isCommand =
    Array.isArray(command) &&
    command.length > 0 &&
    command.every((word) => typeof word === 'string' && word !== '')
  if (isCommand === (typeof socket === 'string' && socket !== '')) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      "helper is { command: ['sudo', '-n', FILE] } or { socket: PATH }: see docs/hosts.md",
    )
  }
  if (host === 'in-process') {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', "a helper is another process: leave host: 'in-process' out")
  }
}

function shown(choice: unknown): string {
  return typeof choice === 'string' ? `'${choice}'` : String(choice)
}

export async function readSource(file: string): Promise<{ text: string; name: string }> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const why = (cause as Error).message
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `the D program ${file} can't be read: ${why}`, { cause })
  }
  return { ...sourceText(text), name: file }
}

export function sourceText(source: unknown): { text: string; name: string } {
  const text = typeof source === 'object' && source !== null && 'source' in source ? source.source : source
  if (typeof text !== 'string' || text.includes('\0')) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      'compile() takes a D program: a text without NUL, { file }, or what program() gave',
    )
  }
  return { text, name: 'the D program' }
}

export function checkArguments(args: readonly string[]): string[] {
  for (const arg of args) {
    if (typeof arg !== 'string' || arg.includes('\0')) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `a program's arguments are strings without NUL, not ${JSON.stringify(arg)}`,
      )
    }
  }
  return [...args]
}

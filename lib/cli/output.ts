import type { Writable } from 'node:stream'
import pc from 'picocolors'
import { DTraceError } from '../errors.js'
import { printableLines } from '../printable.js'

export type Colors = ReturnType<typeof pc.createColors>

export interface OutputOptions {
  /** One JSON object a line instead of lines to read. */
  json: boolean
  /** Default: the process' own. */
  stdout?: Writable & { isTTY?: boolean }
  stderr?: Writable & { isTTY?: boolean }
  /** Default: on a terminal, unless NO_COLOR is set (https://no-color.org). */
  color?: boolean
}

/**
 * What a subcommand says. Results go to standard output, as lines to read or as JSON; errors go to standard error, and with
 * `--json` to standard output too, in their place among the rest.
 */
export class Output {
  readonly json: boolean
  readonly colors: Colors
  readonly #stdout: Writable
  readonly #stderr: Writable

  constructor(options: OutputOptions) {
    const stdout = options.stdout ?? process.stdout
    this.json = options.json
    this.#stdout = stdout
    this.#stderr = options.stderr ?? process.stderr
    const terminal = stdout.isTTY === true && process.env.TERM !== 'dumb'
    this.colors = pc.createColors(options.color ?? (terminal && !process.env.NO_COLOR))
  }

  /** One event. `line` is only made where it is shown. */
  emit(type: string, fields: Record<string, unknown>, line: (colors: Colors) => string | undefined): void {
    if (this.json) this.#stdout.write(`${toJson({ ...fields, type })}\n`)
    else {
      const text = line(this.colors)
      if (text !== undefined) this.#stdout.write(`${text}\n`)
    }
  }

  /** Text exactly as it is, for what has no lines of its own making. */
  write(text: string | Uint8Array): void {
    this.#stdout.write(text)
  }

  /** What a command of the user's writes: to the same stream, but not between JSON lines. */
  passOn(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    if (stream === 'stdout' && !this.json) this.#stdout.write(chunk)
    else this.#stderr.write(chunk)
  }

  /** What a reader wants to know but not a program: nothing with `--json`. */
  say(line: (colors: Colors) => string): void {
    if (!this.json) this.#stdout.write(`${line(this.colors)}\n`)
  }

  /** Something went wrong, but it goes on. */
  warn(type: string, message: string, fields: Record<string, unknown> = {}): void {
    if (this.json) this.#stdout.write(`${toJson({ ...fields, message, type })}\n`)
    this.#stderr.write(`dtrace-watch: ${printableLines(message)}\n`)
  }

  /** An error that ends the subcommand, or one that it survives. */
  error(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    const code = error instanceof DTraceError ? { code: error.code } : {}
    this.warn('error', message, code)
  }
}

/**
 * JSON for events. `type` comes first, for those who read it; 64-bit integers are numbers up to 2^53 and strings of digits
 * beyond, bytes are base64, and open ends of buckets are strings.
 */
export function toJson({ type, ...fields }: Record<string, unknown>): string {
  return JSON.stringify({ type, ...fields }, (_key, value: unknown) => {
    if (typeof value === 'bigint') return asNumber(value)
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    return value
  })
}

function asNumber(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/** `1 change`, `2 changes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** libdtrace's words about a program that does not compile, taken apart. */
import { DTraceError } from './errors.js'
import type { NativeFailure } from './host/messages.js'

/** As `dt_set_errmsg` (dt_subr.c) puts them together, with `DTRACE_C_ETAGS`. */
const WORDS = /^(?:\[(?<tag>[A-Z]\w*)\] )?(?:(?:"(?<file>[^"]*)", )?line (?<line>\d+): )?/

/**
 * @param name of what was compiled, for the message
 * @param file from which the program comes, if it comes from one
 */
export function compileError(
  { code, reason, errno }: NativeFailure,
  name: string,
  file?: string,
): DTraceError {
  const { tag, file: told, line } = WORDS.exec(reason)?.groups ?? {}
  const words = tag === undefined ? reason : reason.slice(tag.length + 3)
  const where = told === undefined || told === '/dev/stdin' ? (line === undefined ? undefined : file) : told
  return new DTraceError(code, `${name} does not compile: ${words}`, {
    reason: words,
    ...(errno === 0 ? {} : { errno }),
    ...(tag === undefined ? {} : { tag }),
    ...(line === undefined ? {} : { line: Number(line) }),
    ...(where === undefined ? {} : { file: where }),
  })
}

/** Found while the text is being parsed, before anything of it is compiled. */
const PARSING = /^D_(?:SYNTAX|EMPTY|MACRO_\w+|PRAG\w+|STR_NL|CHR_\w+|INT_\w+)$/

/**
 * Whether compilations that failed have left places in libdtrace 2's table of clauses (dt_stmts) that stay empty: dtrace_go()
 * crashes on them. The program after one shows it; before there is one, it is taken for granted where it can be.
 */
export class Gaps {
  #found = false
  #suspected = false

  get areThere(): boolean {
    return this.#found || this.#suspected
  }

  /** In a new session. */
  clear(): void {
    this.#found = false
    this.#suspected = false
  }

  /** @returns the number of the program */
  async watch(compiling: Promise<{ program: number; gap: boolean | null }>): Promise<number> {
    try {
      const { program, gap } = await compiling
      this.#found ||= gap === true
      if (gap !== null) this.#suspected = false
      return program
    } catch (error) {
      const { tag } = error as Partial<DTraceError>
      if (process.platform === 'linux' && tag !== undefined && !PARSING.test(tag)) this.#suspected = true
      throw error
    }
  }
}

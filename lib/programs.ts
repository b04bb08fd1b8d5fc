/**
 * The programs of a consumer: all of them are compiled first, then enabled.
 */
import {
  type Compilation,
  type Program,
  type ProgramInfo,
  type ProgramSource,
  prepareCompilation,
  programInfo,
} from './compilation.js'
import { compileError } from './compile-error.js'
import type { CompileOptions } from './consumer-options.js'
import { DTraceError } from './errors.js'
import type { OptionValues } from './options.js'
import { isTyped } from './program.js'
import type { Sessions } from './sessions.js'

export class Programs {
  readonly #sessions: Sessions
  readonly #options: OptionValues
  /** Records are ordered by the time that they have. */
  readonly #timed: boolean
  /** What libdtrace was given to compile, by program. */
  readonly #texts = new Map<number, string>()
  /** Compiled and not enabled. */
  readonly #idle = new Set<number>()
  #enabled = false

  constructor(sessions: Sessions, options: OptionValues, timed: boolean) {
    this.#sessions = sessions
    this.#options = options
    this.#timed = timed
  }

  /** One at least: from then on no other can be compiled. */
  get areEnabled(): boolean {
    return this.#enabled
  }

  /** @returns with the text that the compiler was given */
  async compile(from: ProgramSource, options: CompileOptions): Promise<{ program: Program; text: string }> {
    this.#requireNoneEnabled()
    const preparing = prepareCompilation(
      this.#timed && isTyped(from) ? from.timed : from,
      options,
      this.#options,
    )
    // In its turn from now on, so that a close() that comes meanwhile waits for it.
    const id = await this.#sessions.compile(async () => this.#request(await preparing))
    const { source, text, args, flags } = await preparing
    this.#idle.add(id)
    this.#texts.set(id, text)
    this.#options.addPragmas(text)
    this.#sessions.recipe.compiled(text, args, flags)
    return { program: Object.freeze({ id, source }), text }
  }

  async #request({ text, args, flags, name, file }: Compilation) {
    this.#requireNoneEnabled()
    return await this.#sessions.current.request('compile', [text, args, flags], (failure) =>
      compileError(failure, name, file),
    )
  }

  #requireNoneEnabled(): void {
    if (!this.#enabled) return
    throw new DTraceError(
      'ERR_DTRACE_STATE',
      'compile(): a program is enabled already; compile all programs before the first enable()',
    )
  }

  /** @param holdsProcesses the session holds some, which would go with it */
  async enable(program: Program, holdsProcesses: boolean): Promise<ProgramInfo> {
    if (typeof program?.id !== 'number') {
      throw new DTraceError('ERR_DTRACE_ARGUMENT', 'enable() takes what compile() gave')
    }
    if (this.#sessions.hasGaps && holdsProcesses) {
      throw new DTraceError(
        'ERR_DTRACE_STATE',
        'enable(): after a program that did not compile this takes a new session, and processes are held by this one: ' +
          'open another consumer, or compile what may fail before create() and grab()',
      )
    }
    if (!this.#idle.delete(program.id)) {
      throw new DTraceError(
        'ERR_DTRACE_STATE',
        'enable(): the program is enabled already, or is not one of this consumer',
      )
    }
    this.#enabled = true
    await this.#sessions.closeGaps()
    const enabled = await this.#sessions.current.request(
      'enable',
      [program.id],
      ({ reason }) => `the program can't be enabled: ${reason}`,
    )
    this.#sessions.recipe.enabled(program.id)
    return programInfo(enabled, this.#texts.get(program.id) ?? '')
  }

  /** @throws `ERR_DTRACE_STATE` when there is none that could run, or one that is left over */
  requireAllEnabled(): void {
    if (!this.#enabled) {
      throw new DTraceError('ERR_DTRACE_STATE', 'go(): nothing is enabled yet; call enable(program) first')
    }
    if (this.#idle.size > 0) {
      // libdtrace 2.0.7 crashes in dtrace_go() otherwise.
      throw new DTraceError(
        'ERR_DTRACE_STATE',
        `go(): ${this.#idle.size} compiled program(s) are not enabled; enable() all, or open another consumer without them`,
      )
    }
  }
}

/** What a consumer has been asked to trace, so that another session can be made to do the same. */
import type { Opened, Opening } from './opening.js'
import type { Session } from './session.js'

interface Step {
  text: string
  args: readonly string[]
  flags: number
}

export class Recipe {
  readonly #programs: Step[] = []
  readonly #enabled: number[] = []

  /** In the order of the programs' numbers. */
  compiled(text: string, args: readonly string[], flags: number): void {
    this.#programs.push({ text, args, flags })
  }

  enabled(program: number): void {
    this.#enabled.push(program)
  }

  /** Compiles all programs again: they get the same numbers. */
  async compile(session: Session): Promise<void> {
    for (const { text, args, flags } of this.#programs)
      await session.request('compile', [text, args, flags], again)
  }

  /** Opens a session that traces the same. @throws what went wrong; the session is closed then */
  async replay(opening: Opening): Promise<Opened> {
    const opened = await opening.open()
    const { session } = opened
    try {
      await this.compile(session)
      for (const program of this.#enabled) await session.request('enable', [program], again)
      await session.request('go', [], again)
    } catch (error) {
      session.dispose()
      throw error
    }
    return opened
  }
}

function again({ reason }: { reason: string }): string {
  return `in a new session, the same could not be traced again: ${reason}`
}

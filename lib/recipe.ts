/** What a consumer has been asked to trace, so that another session can be made to do the same. */
import type { Opened, Opening } from './opening.js'

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

  /** Opens a session that traces the same. @throws what went wrong; the session is closed then */
  async replay(opening: Opening): Promise<Opened> {
    const opened = await opening.open()
    const { session } = opened
    try {
      for (const { text, args, flags } of this.#programs)
        await session.request('compile', [text, args, flags], again)
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
  return `after the process that traced had ended, tracing could not be started again: ${reason}`
}

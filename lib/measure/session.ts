/** The tracing session of a measurement: any number of runs, of one subject or several. */
import type { Aggregation } from '../aggregation/aggregation.js'
import { aggregationsIn } from '../aggregation/request.js'
import { Consumer } from '../consumer.js'
import { DTraceError } from '../errors.js'
import { pageSize } from '../platform/page-size.js'
import { FIRST, LAST, Mark, MEMORY, piecesFor } from './d-program.js'
import type { CheckedMeasureOptions } from './options.js'
import { Rows, readSections, type Sections } from './sections.js'
import type { Outcome, Subject } from './subject.js'

/** One run. */
export interface Run extends Outcome, Sections {
  /** Processes that were still running at its end: what they did is counted until then, but not what is known of a process when it exits. */
  unfinished: number
  /** Records and values that were lost, so that numbers are too small. */
  drops: number
  /** Errors in clauses. */
  faults: number
  /** What the user's own clauses aggregated. */
  aggregations: Aggregation<'number'>[]
}

/** A part that this system can't measure. */
export interface Missing {
  what: string
  reason: string
}

/** As many processes as a large build has fit; more are drops, and told. */
const DEFAULTS = { dynvarsize: '16m' }

/** The most pages of a process, in bytes. Nothing where the kernel's layout isn't the one that is known. */
function memory(rows: Rows, kind: Subject['kind']): { maxRss?: number } {
  const pages = Math.max(rows.value('@measure_rss_peak'), rows.value('@measure_rss_end'))
  return kind === 'command' && pages > 0 ? { maxRss: pages * pageSize() } : {}
}

export class MeasureSession implements AsyncDisposable {
  readonly #consumer: Consumer<'number'>
  readonly #options: CheckedMeasureOptions
  readonly #own: readonly string[]
  readonly missing: Missing[] = []
  #run = 0
  #drops = 0
  #faults = 0
  #died: DTraceError | undefined

  static async open(options: CheckedMeasureOptions): Promise<MeasureSession> {
    const { library, signal } = options
    const consumer = await Consumer.open({
      int64: 'number',
      // What it does is not this process' doing, then, which may be what is measured; and it closes in less time.
      host: 'process',
      options: { ...DEFAULTS, ...options.options },
      ...(library === undefined ? {} : { library }),
      ...(signal === undefined ? {} : { signal }),
    })
    const session = new MeasureSession(consumer, options)
    try {
      await session.#compile()
      return session
    } catch (error) {
      await consumer.close()
      signal?.throwIfAborted()
      throw error
    }
  }

  private constructor(consumer: Consumer<'number'>, options: CheckedMeasureOptions) {
    this.#consumer = consumer
    this.#options = options
    this.#own = aggregationsIn(options.program ?? '')
    consumer.on('drop', ({ count }) => {
      this.#drops += count
    })
    consumer.on('fault', ({ count }) => {
      this.#faults += count
    })
    consumer.on('error', (error) => {
      this.#died = error
    })
  }

  /** Attaches the probes. Until then, nothing is slowed down. */
  async go(): Promise<void> {
    await this.#consumer.go()
  }

  async run(subject: Subject): Promise<Run> {
    const prepared = await subject.prepare()
    const { kind } = subject
    this.#drops = 0
    this.#faults = 0
    let outcome: Outcome
    const before = subject.own?.()
    let after: ReturnType<NonNullable<Subject['own']>> | undefined
    try {
      this.#check()
      this.#consumer.mark(kind === 'command' ? Mark.awaitExec : Mark.processNow, prepared.pid, ++this.#run)
      outcome = await prepared.go()
      after = subject.own?.()
    } catch (error) {
      prepared.discard()
      this.#options.signal?.throwIfAborted()
      throw error
    } finally {
      if (this.#consumer.state === 'running' && this.#options.signal?.aborted !== true)
        this.#consumer.mark(Mark.end)
    }
    this.#options.signal?.throwIfAborted()
    this.#check()
    const found = await this.#consumer.aggregations({ trunc: true })
    const rows = new Rows(found)
    if (kind === 'command' && rows.value('@measure_base', 'began') === 0) {
      throw new DTraceError('ERR_DTRACE_TARGET', `${subject.label}: the program could not be executed`)
    }
    const names = new Set(this.missing.map(({ what }) => what))
    const sections = readSections(this.#options.sections, rows, names)
    if (before !== undefined) after?.since(before, sections)
    const base = (name: string): number => rows.value('@measure_base', name)
    return {
      ...outcome,
      ...memory(rows, kind),
      ...sections,
      unfinished: base('forks') + (kind === 'command' ? 1 : 0) - base('exits'),
      drops: this.#drops,
      faults: this.#faults,
      aggregations: found.filter(({ name }) => this.#own.includes(name)),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.close()
  }

  #check(): void {
    if (this.#died !== undefined) throw this.#died
  }

  async #compile(): Promise<void> {
    const { sections, program, args = [] } = this.#options
    const consumer = this.#consumer
    const programs = [await consumer.compile(FIRST)]
    for (const { source, optional } of [MEMORY, ...piecesFor(sections)]) {
      try {
        // Not every architecture has every call, such as open(2).
        programs.push(await consumer.compile(source, { allowNoMatches: true }))
      } catch (error) {
        if (optional === undefined || !(error instanceof DTraceError)) throw error
        this.missing.push({ what: optional, reason: error.reason ?? error.message })
      }
    }
    if (program !== undefined) programs.push(await consumer.compile(program, { args }))
    programs.push(await consumer.compile(LAST))
    for (const compiled of programs) await consumer.enable(compiled)
  }
}

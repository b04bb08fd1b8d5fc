/**
 * What all watchers have in common: a session that runs one D script, events, a `for await` reader, and their end. A watcher
 * adds what its records mean.
 */
import { EventEmitter } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Abortable, abortable, checkSignal, onAbort } from '../abort.js'
import { Consumer } from '../consumer.js'
import type { ConsumerStats, Drop, Fault } from '../consumer-events.js'
import { DTraceError } from '../errors.js'
import type { HostChoice } from '../host/choice.js'
import type { Options } from '../options.js'
import { type LibraryLocation, packageRoot } from '../platform/locate.js'
import { printableLines } from '../printable.js'
import type { DTraceRecord } from '../record/decoder.js'
import { emitApart } from './emit.js'
import { EventQueue } from './event-queue.js'
import { describeIssue } from './issue.js'

/** What every watcher's `start` takes. With `signal` it stops when that aborts; its loop rejects with the reason then. */
export interface WatcherOptions extends Abortable {
  /** The most events that wait for a slow `for await` reader; more are dropped, and counted. Default 100,000. */
  queueLimit?: number
  /** DTrace options of the session, as `Consumer.open` takes them. */
  options?: Options
  /** The libdtrace to use, instead of the one that is found. */
  library?: LibraryLocation
  /** Where the session runs, as `Consumer.open` takes it. With `'auto'` (default) several watchers in a process work side by side. */
  host?: HostChoice
}

export const signalSchema: z.ZodType<AbortSignal | undefined> = z
  .instanceof(AbortSignal, { error: 'is an AbortSignal' })
  .optional()

/** For the schemas of watchers' options. */
export const watcherShape = {
  signal: signalSchema,
  queueLimit: z.int().min(1).default(100_000),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  library: z.looseObject({ path: z.string() }).optional(),
  host: z.enum(['auto', 'in-process', 'process']).optional(),
}

/** What every watcher tells, besides what it is for. */
export interface WatcherEvents {
  drop: [Drop]
  fault: [Fault]
  error: [DTraceError]
  close: []
}

/**
 * @param who whose options they are, for messages
 * @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option
 */
export function checkOptions<Checked>(who: string, schema: z.ZodType<Checked>, options: unknown): Checked {
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const result = schema.safeParse(options, { error: (issue) => describeIssue(issue, known) })
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : ''
  throw new DTraceError('ERR_DTRACE_ARGUMENT', `${who}: ${where}${issue?.message ?? 'bad options'}`, {
    cause: result.error,
  })
}

/**
 * Where a watcher's D program is, for this platform.
 *
 * @throws DTraceError `ERR_DTRACE_UNSUPPORTED`
 */
export function scriptFile(name: string): string {
  const file = join(packageRoot, 'dscripts', process.platform, name)
  if (existsSync(file)) return file
  throw new DTraceError(
    'ERR_DTRACE_UNSUPPORTED',
    `there is no ${name} for ${process.platform} (${file}): this watcher doesn't exist there`,
  )
}

/** A session for a watcher: strings come as bytes, since file names need not be UTF-8. */
async function openSession({ options, library, host }: WatcherOptions): Promise<Consumer> {
  return await Consumer.open({
    strings: 'latin1',
    ...(options === undefined ? {} : { options }),
    ...(library === undefined ? {} : { library }),
    ...(host === undefined ? {} : { host }),
  })
}

/** Runs what follows the opening of a session; if that fails or is aborted, the session is closed. */
export async function startWatcher<Started extends Stoppable>(
  options: WatcherOptions,
  start: (consumer: Consumer) => Promise<Started>,
): Promise<Started> {
  const { signal } = options
  checkSignal(signal)
  const consumer = await openSession(options)
  const close = () => consumer.close()
  try {
    const watcher = await abortable(signal, () => start(consumer), close)
    watcher.stopAt(signal)
    return watcher
  } catch (error) {
    await close()
    throw error
  }
}

interface Stoppable {
  stopAt(signal: AbortSignal | undefined): void
}

/** How a watcher is made. */
export interface WatcherSettings {
  /** The name of the event that it is for, which `for await` reads. */
  event: string
  queueLimit: number
  /** When `start` was called, by performance.now(). */
  started: number
}

/**
 * A watcher. Iterating gives its events from then on. All that goes wrong without ending it is an event (`drop`, `fault`, …), and
 * a process warning where nobody listens.
 */
export abstract class Watcher<Event, Events extends WatcherEvents & Record<keyof Events, unknown[]>>
  extends EventEmitter<Events>
  implements AsyncIterable<Event>, AsyncDisposable
{
  protected readonly consumer: Consumer
  readonly #settings: WatcherSettings
  #queue: EventQueue<Event> | undefined
  #queueDrops = 0
  #readyTime = 0
  #ended: { error?: unknown } | undefined
  #stopping: Promise<void> | undefined
  #ignoreSignal: () => void = () => {}
  #abortReason: { error: unknown } | undefined

  protected constructor(consumer: Consumer, settings: WatcherSettings) {
    super()
    this.consumer = consumer
    this.#settings = settings
  }

  /** Milliseconds that starting took. */
  get readyTime(): number {
    return this.#readyTime
  }

  /** What the session counted. */
  stats(): ConsumerStats {
    return this.consumer.stats()
  }

  /** The events from now on. One reader at a time. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event> {
    if (this.#queue !== undefined) {
      throw new DTraceError(
        'ERR_DTRACE_STATE',
        `another loop is reading this watcher; listen to '${this.#settings.event}' for a second reader`,
      )
    }
    this.#queue = new EventQueue(this.#settings.queueLimit, () => {
      this.#queue = undefined
    })
    if (this.#ended !== undefined) this.#queue.end(this.#ended.error)
    return this.#queue
  }

  /** The watcher keeps the process alive; not after this. */
  unref(): this {
    this.consumer.unref()
    return this
  }

  ref(): this {
    this.consumer.ref()
    return this
  }

  /** Stops watching. What happened until now is still told. Any number of times. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** @internal The signal of its options: when it aborts, the watcher stops, and then its reader gets the reason. */
  stopAt(signal: AbortSignal | undefined): void {
    this.#ignoreSignal = onAbort(signal, () => {
      this.#abortReason ??= { error: signal?.reason }
      this.stop().catch((error: Error) => {
        // Nobody waits for this stop(): what could not be done is told all the same.
        if ((this as EventEmitter).listenerCount('error') > 0) this.announce('error', error)
        else process.emitWarning(error)
      })
    })
  }

  // --- For the watchers --------------------------------------------------------------------------------------------

  /** What its records mean. */
  protected abstract batch(records: Iterable<DTraceRecord>): void

  /** Something may have happened that nobody saw. */
  protected lost(_count: number): void {}

  /** Lets what is on its way arrive, when the watcher is asked to stop. To be extended. */
  protected async drain(): Promise<void> {
    if (this.consumer.state === 'running') await this.consumer.stop()
  }

  /** Does what is to be done with all that has arrived, while the probes are taken away. */
  protected async finish(): Promise<void> {}

  protected get stopping(): boolean {
    return this.#stopping !== undefined
  }

  /**
   * Starts to trace.
   *
   * @param script its name in `dscripts/<platform>`
   * @param others scripts that run with it, without arguments
   */
  protected async begin(
    script: string,
    args: readonly string[] = [],
    others: readonly string[] = [],
  ): Promise<void> {
    const { consumer } = this
    consumer.on('batch', (batch) => this.batch(batch))
    consumer.on('drop', (drop) => {
      this.lost(drop.count)
      this.tell('drop', drop, drop.message)
    })
    consumer.on('fault', (fault) => {
      this.lost(fault.count)
      this.tell('fault', fault, fault.message)
    })
    consumer.on('error', (error) => this.#died(error))
    const programs = [
      await consumer.compile({ file: scriptFile(script) }, { args: [...args], defaultArgs: true }),
    ]
    for (const other of others) programs.push(await consumer.compile({ file: scriptFile(other) }))
    for (const program of programs) await consumer.enable(program)
    await consumer.go()
  }

  /** Its `start` has come to an end. */
  protected started(): void {
    this.#readyTime = performance.now() - this.#settings.started
  }

  /** Tells an event to listeners and to the reader. */
  protected report(event: Event): void {
    const { event: name, queueLimit } = this.#settings
    this.announce(name, event)
    if (this.#queue === undefined || this.#queue.push(event)) return
    const message = `${name}: an event was dropped, the reader is too slow (queueLimit ${queueLimit})`
    this.tell(
      'drop',
      { kind: 'reader', cpu: undefined, count: 1, total: ++this.#queueDrops, message },
      message,
    )
  }

  /** Emits an event. @returns whether anybody listens */
  protected announce(name: string, ...event: unknown[]): boolean {
    return emitApart(this as EventEmitter, name, ...event)
  }

  /** Emits an event about something that went wrong; a warning where nobody listens. */
  protected tell(name: string, event: unknown, message: string): void {
    if (this.announce(name, event)) return
    const code = `DTRACE_${this.#settings.event}_${name}`.toUpperCase()
    process.emitWarning(printableLines(message), { type: 'DTraceWarning', code })
  }

  async #stop(): Promise<void> {
    this.#ignoreSignal()
    const drained = await Promise.allSettled([this.drain()])
    // The probes are the whole machine's: they don't wait for what a watcher does.
    const rest = await Promise.allSettled([this.finish(), this.consumer.close()])
    this.#end(this.#abortReason?.error)
    this.announce('close')
    const failed = [...drained, ...rest].find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  #end(error?: unknown): void {
    this.#ended ??= { error }
    this.#queue?.end(error)
  }

  /** The session has died. To be extended. */
  protected died(_error: DTraceError): void {}

  #died(error: DTraceError): void {
    this.died(error)
    const told = this.#queue !== undefined
    this.#end(error)
    if (!told || (this as EventEmitter).listenerCount('error') > 0) this.announce('error', error)
  }
}

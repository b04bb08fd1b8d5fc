/**
 * One line that traces: opens a consumer, runs a program, gives its records, and closes.
 */
import { EventEmitter } from 'node:events'
import { Consumer } from './consumer.js'
import type { ConsumerEvents } from './consumer-events.js'
import { type CompileOptions, type OpenOptions, splitOptions } from './consumer-options.js'
import { DTraceError } from './errors.js'
import { printableLines } from './printable.js'
import type { EmitFields, TypedProgram } from './program.js'
import type { DTraceRecord, Int64 } from './record/decoder.js'
import { Run } from './run.js'

/** How to open the consumer and to compile the program; `signal` ends it all. */
export interface TraceOptions<Wide extends Int64 = 'bigint'> extends OpenOptions<Wide>, CompileOptions {}

/** What a trace tells besides its records. Where nobody listens, drops and faults are process warnings. */
export type TraceEvents = Pick<ConsumerEvents, 'drop' | 'fault' | 'exit'>

type Source = string | { file: string } | TypedProgram<unknown>

/** The records of a program; can be read once. Made by {@link trace}. */
export class Trace<Record>
  extends EventEmitter<TraceEvents>
  implements AsyncGenerator<Record, undefined, void>
{
  readonly #run: Run<Record>
  #consumer: Consumer<Int64> | undefined
  #isRead = false
  /** Kinds of drops of which a warning was given, with the total that it told and the last one. */
  readonly #warned = new Map<string, { told: number; total: number }>()

  /** Use {@link trace}. */
  constructor(source: Source, options: TraceOptions<Int64>) {
    super()
    this.#run = new Run<Record>({
      begin: async () => (await this.#begin(source, options)) as AsyncIterator<Record>,
      end: async () => await this.#end(),
      signal: options.signal,
    })
  }

  /** The next record; the first call opens, compiles and starts. @throws what those throw, and what ended the tracing */
  next(): Promise<IteratorResult<Record, undefined>> {
    return this.#run.next()
  }

  /** Ends it; resolves when all is gone. */
  return(): Promise<IteratorResult<Record, undefined>> {
    return this.#run.return()
  }

  throw(error: unknown): Promise<IteratorResult<Record, undefined>> {
    return this.#run.throw(error)
  }

  /** @throws `ERR_DTRACE_STATE` for a second loop: its records have gone to the first */
  [Symbol.asyncIterator](): this {
    if (this.#isRead)
      throw new DTraceError('ERR_DTRACE_STATE', 'a trace is read once: call trace() again for another')
    this.#isRead = true
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run.return()
  }

  async #begin(source: Source, options: TraceOptions<Int64>): Promise<AsyncIterator<DTraceRecord>> {
    const { open, compile } = splitOptions(options)
    const consumer = await Consumer.open(open)
    this.#consumer = consumer
    consumer.on('drop', (drop) => {
      if (this.emit('drop', drop)) return
      const { kind, total, message } = drop
      const warned = this.#warned.get(kind)
      this.#warned.set(kind, { told: warned?.told ?? total, total })
      if (warned === undefined) warn('DROP', message)
    })
    consumer.on('fault', (fault) => {
      if (!this.emit('fault', fault)) warn('FAULT', fault.message)
    })
    consumer.on('exit', (exit) => this.emit('exit', exit))
    // The loop gets it.
    consumer.on('error', () => {})
    await consumer.enable(await consumer.compile(source, compile))
    await consumer.go()
    return consumer[Symbol.asyncIterator]()
  }

  async #end(): Promise<void> {
    await this.#consumer?.close()
    for (const [kind, { told, total }] of this.#warned)
      if (total > told) warn('DROP', `${total} records dropped in all (${kind})`)
  }
}

function warn(what: string, message: string): void {
  process.emitWarning(printableLines(message), { type: 'DTraceWarning', code: `DTRACE_TRACE_${what}` })
}

/**
 * Traces: the first record that is asked for opens a consumer, compiles, and starts; leaving the loop, an error in it, `exit()` in
 * the program and the option `signal` stop and close. Nothing is opened before, and nothing is left afterwards.
 *
 * Drops and faults are events (`drop`, `fault`), and process warnings where nobody listens.
 *
 * @throws (in the loop) what `Consumer.open`, `compile`, `enable` and `go` throw, and the signal's reason
 * @example
 * for await (const { fields } of trace('syscall::openat:entry { printf("execname=%s", execname); }')) {
 *   console.log(fields.execname)
 *   if (fields.execname === 'make') break
 * }
 */
export function trace<Emits, const Wide extends Int64 = 'bigint'>(
  program: TypedProgram<Emits>,
  options?: TraceOptions<Wide>,
): Trace<DTraceRecord<EmitFields<Emits, Wide>>>
export function trace(source: string | { file: string }, options?: TraceOptions<Int64>): Trace<DTraceRecord>
export function trace(source: Source, options: TraceOptions<Int64> = {}): Trace<DTraceRecord<never>> {
  return new Trace(source, options)
}

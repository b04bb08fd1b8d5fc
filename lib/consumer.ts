/**
 * The consumer: its states, its records, its events.
 */
import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { type Abortable, abortable, checkSignal, onAbort } from './abort.js'
import type { Aggregation } from './aggregation/aggregation.js'
import { AggregationQueries } from './aggregation/queries.js'
import type { JoinedAggregation } from './aggregation/reader.js'
import type { AggregationOptions, JoinedAggregationOptions } from './aggregation/request.js'
import type { SnapshotsOptions } from './aggregation/snapshots.js'
import type { Program, ProgramInfo, ProgramSource } from './compilation.js'
import type { ConsumerEvents, ConsumerStats, Drop } from './consumer-events.js'
import {
  type CompileOptions,
  checkOpenOptions,
  HELPERS_LIBRARY,
  hostOptions,
  type OpenOptions,
} from './consumer-options.js'
import { type Operation, publish, traced } from './diagnostics.js'
import { DTraceError } from './errors.js'
import type { SessionMessage } from './host/messages.js'
import { Intake } from './intake.js'
import { isLeaving } from './leaving.js'
import { loadAddon } from './native.js'
import { type Opened, Opening } from './opening.js'
import type { OptionInput, OptionName, OptionOutput } from './option-table.js'
import {
  checkLibraryFolder,
  checkMoment,
  DEFAULT_OPTIONS,
  explainGo,
  isOfSession,
  isReadable,
  type OptionValue,
  OptionValues,
  optionOutput,
  optionText,
  refuseOption,
} from './options.js'
import type { Limitation } from './platform/dlibs.js'
import { locateLibrary } from './platform/locate.js'
import {
  checkFilter,
  listProbes,
  type ProbeDescription,
  type ProbeFilterLike,
  ProbeListing,
  type ProbeOptions,
} from './probes.js'
import { type CreateOptions, type GrabOptions, type TracedProcess, TracedProcesses } from './processes.js'
import type { EmitFields, TypedProgram } from './program.js'
import { Programs } from './programs.js'
import { Readers } from './readers.js'
import type { RecordBatch } from './record/batch.js'
import type { DTraceRecord, Int64, Probe } from './record/decoder.js'
import { Run } from './run.js'
import { errorOf, explainGone, type Session } from './session.js'
import { Sessions } from './sessions.js'
import { recordStream, type StreamOptions, webRecordStream } from './stream.js'

/** Where a consumer is in its life. */
export type ConsumerState = 'open' | 'compiled' | 'running' | 'stopped' | 'closed'

/** A DTrace consumer: opens libdtrace in this process, compiles D, and gives typed records. */
export class Consumer<Wide extends Int64 = 'bigint'> extends EventEmitter<ConsumerEvents> {
  /** libdtrace's version, e.g. `D 2.0.7`. */
  readonly version: string

  readonly #opening: Opening
  readonly #sessions: Sessions
  readonly #intake: Intake
  readonly #readers: Readers
  readonly #options: OptionValues
  readonly #programs: Programs
  readonly #aggregations: AggregationQueries<Wide>
  readonly #processes = new TracedProcesses((name, args, what) =>
    this.#session.request(name, args, ({ reason }) => `${what}: ${reason}`),
  )
  #state: ConsumerState = 'open'
  #closing: Promise<void> | undefined
  /** Takes the listener of the signal away that ends the consumer. */
  #ignoreSignal: () => void = () => {}
  #aborted: { reason: unknown } | undefined
  /** The child process ended before there was anything to trace. */
  #hostGoneBy: DTraceError | undefined

  /**
   * Loads libdtrace, opens it, sets the options, and initialises: 0.3 to 0.5 s, off the event loop.
   *
   * @throws `ERR_DTRACE_LIBRARY_NOT_FOUND`, `ERR_DTRACE_ADDON_NOT_FOUND`, `ERR_DTRACE_PERMISSION`, `ERR_DTRACE_TRACEFS`,
   * `ERR_DTRACE_OPTION`, `ERR_DTRACE_BUSY` (one consumer at a time in a process), `ERR_DTRACE_OPEN`, the signal's reason
   * @example
   * const consumer = await Consumer.open({ options: { switchrate: '1ms' } })
   */
  static async open<const Wide extends Int64 = 'bigint'>(
    options: OpenOptions<Wide> = {},
  ): Promise<Consumer<Wide>> {
    checkOpenOptions(options)
    checkSignal(options.signal)
    const consumer = await traced('open', { options }, () => Consumer.#open(options))
    const { signal } = options
    if (signal?.aborted) await consumer.#abort(signal.reason)
    signal?.throwIfAborted()
    consumer.#ignoreSignal = onAbort(signal, () => void consumer.#abort(signal?.reason))
    return consumer
  }

  static async #open<Wide extends Int64>(options: OpenOptions<Wide>): Promise<Consumer<Wide>> {
    const settings: Readonly<Record<string, OptionValue>> = { ...DEFAULT_OPTIONS, ...options.options }
    const values = new OptionValues(settings)
    const library = options.helper === undefined ? (options.library ?? locateLibrary()) : HELPERS_LIBRARY
    let deliver: (message: SessionMessage) => void = () => {}
    const opening = new Opening(
      library,
      hostOptions(options),
      OptionValues.ofSession(settings),
      options,
      (message) => deliver(message),
    )
    const consumer = new Consumer<Wide>(opening, await opening.open(), options, values)
    deliver = (message) => consumer.#receive(message)
    return consumer
  }

  /** Use {@link Consumer.open}. */
  private constructor(opening: Opening, opened: Opened, options: OpenOptions<Wide>, values: OptionValues) {
    super()
    this.#options = values
    this.#opening = opening
    this.#sessions = new Sessions(
      opening,
      opened,
      options.restart === true,
      // What it holds would go with the session.
      () => this.#state === 'open' && this.#closing === undefined && this.#processes.size === 0,
    )
    this.#programs = new Programs(this.#sessions, values, options.order === 'time')
    this.version = opened.version
    this.#intake = new Intake(options.int64 ?? 'bigint', options.strings ?? 'utf8')
    this.#readers = new Readers(options.queueLimit ?? 100_000, (count, why) =>
      this.#drop({ kind: 'reader', cpu: undefined, count, message: `${count} records dropped: ${why}` }),
    )
    this.#aggregations = new AggregationQueries(options.int64 ?? 'bigint', options.strings ?? 'utf8')
  }

  /** What of DTrace this system can't have. All of it is known when the first program has been compiled. */
  get limitations(): readonly Limitation[] {
    return this.#opening.limitations
  }

  get state(): ConsumerState {
    return this.#state
  }

  /** Where the session runs: in this process, or in a child process (or helper). */
  get host(): 'in-process' | 'process' {
    return this.#session.kind
  }

  /**
   * The process in which libdtrace runs: this one, or the child. It is `pid` in BEGIN and END; `$pid` is always this process. What a
   * child does to pass records on is seen by programs that look at every process: leave it out by this number.
   */
  get hostPid(): number {
    return this.#sessions.pid
  }

  /**
   * Sets a DTrace option. What it is for, and until when it has an effect: docs/options.md.
   *
   * @throws `ERR_DTRACE_OPTION` for a bad name or value, one that would end the process, and one that comes too late;
   * `ERR_DTRACE_STATE`
   */
  async setOption<Name extends OptionName>(name: Name, value: OptionInput<Name>): Promise<void> {
    const text = optionText(name, value)
    this.#requireState('setOption', 'open', 'compiled', 'running', 'stopped')
    const tracing = this.#state === 'running' || this.#state === 'stopped'
    checkMoment(name, {
      libraries: this.#sessions.librariesLoaded,
      enabled: this.#programs.areEnabled,
      tracing,
    })
    if (name === 'syslibdir') checkLibraryFolder(value)
    if (isOfSession(name)) {
      await this.#session.request(
        'setOption',
        [name, text],
        ({ reason }) => `option ${name}=${String(value)}: ${reason}`,
      )
      this.#opening.addSetting(name, text)
    }
    this.#options.set(name, value as OptionValue, text)
  }

  /**
   * An option's value: bytes, nanoseconds or a count as a number, a flag as a boolean, else its text; undefined where it is not set.
   * Of the compiler's options, which libdtrace does not give back, what was set.
   *
   * @throws `ERR_DTRACE_OPTION`, `ERR_DTRACE_STATE`
   */
  async getOption<Name extends OptionName>(name: Name): Promise<OptionOutput<Name>> {
    if (typeof name !== 'string') optionText(name, true)
    refuseOption(name)
    this.#requireState('getOption', 'open', 'compiled', 'running', 'stopped')
    if (!isReadable(name)) return this.#options.get(name) as OptionOutput<Name>
    const value = await this.#session.request(
      'getOption',
      [name],
      ({ reason }) => `option ${name}: ${reason}`,
    )
    return optionOutput(name, value) as OptionOutput<Name>
  }

  /**
   * Compiles a D program: a text, a file, or one that `program()` describes. Several may be compiled, all before the first
   * {@link enable}.
   *
   * @throws `ERR_DTRACE_COMPILE` with libdtrace's message, its tag, and the line; `ERR_DTRACE_OPTION` for a pragma that would end
   * the process, `ERR_DTRACE_STATE`, `ERR_DTRACE_ARGUMENT`
   */
  async compile(source: ProgramSource, options: CompileOptions = {}): Promise<Program> {
    return await this.#operate('compile', options.signal, () => this.#compile(source, options), source)
  }

  async #compile(source: ProgramSource, options: CompileOptions): Promise<Program> {
    this.#requireState('compile', 'open', 'compiled')
    const { program, text } = await this.#programs.compile(source, options)
    if (this.#state === 'open') this.#state = 'compiled'
    this.#aggregations.addProgram(text)
    return program
  }

  /** Enables a compiled program's probes; they fire from {@link go} on. @throws `ERR_DTRACE_ENABLE`, `ERR_DTRACE_STATE` */
  async enable(program: Program, { signal }: Abortable = {}): Promise<ProgramInfo> {
    return await this.#operate('enable', signal, () => this.#enable(program))
  }

  async #enable(program: Program): Promise<ProgramInfo> {
    this.#requireState('enable', 'compiled')
    return await this.#programs.enable(program, this.#processes.size > 0)
  }

  /**
   * Starts a program, and holds it at its first instruction until {@link go} or its `continue()`: its libraries are loaded, so
   * that a program can have probes on its functions, `pid$target:a.out:main:entry`. It ends with the consumer, however that
   * ends, unless it is released. Linux. See docs/processes.md.
   *
   * @param file sought in `PATH`, unless it has a slash
   * @throws `ERR_DTRACE_ARGUMENT` for what can't be run, with its `errno`, `ERR_DTRACE_PROCESS`, `ERR_DTRACE_STATE`,
   * `ERR_DTRACE_UNSUPPORTED`
   * @example
   * const target = await consumer.create('/usr/bin/sort', ['big.txt'], { stdout: 'ignore' })
   * await consumer.enable(await consumer.compile('pid$target:libc.so.6:malloc:entry { @[ustack()] = count() }'))
   * await consumer.go() // sort begins
   * console.log(await target.exit) // { pid: 4711, status: 0, signal: undefined }
   */
  create(file: string, args: readonly string[] = [], options: CreateOptions = {}): Promise<TracedProcess> {
    return this.#hold('create', () => this.#processes.create(file, args, options))
  }

  /**
   * Takes hold of a process that runs already; it runs on, and lives on when the consumer ends, however that ends. Linux.
   *
   * @throws `ERR_DTRACE_ARGUMENT` when there is no such process, or none that can be held, `ERR_DTRACE_PERMISSION`,
   * `ERR_DTRACE_PROCESS` when a debugger has it, `ERR_DTRACE_STATE`, `ERR_DTRACE_UNSUPPORTED`
   */
  grab(pid: number, options: GrabOptions = {}): Promise<TracedProcess> {
    return this.#hold('grab', () => this.#processes.grab(pid, options))
  }

  /** Starts tracing, and lets the processes run that the consumer holds. @throws `ERR_DTRACE_ENABLE`, `ERR_DTRACE_PERMISSION`, `ERR_DTRACE_STATE` */
  async go({ signal }: Abortable = {}): Promise<void> {
    await this.#operate('go', signal, () => this.#go())
  }

  async #go(): Promise<void> {
    this.#requireState('go', 'compiled')
    this.#programs.requireAllEnabled()
    // From now on, so that a record that comes before go() has been answered finds its place.
    this.#state = 'running'
    try {
      await this.#session.request('go', [], ({ reason }) => explainGo(reason, this.#opening.settings))
    } catch (error) {
      if (this.#state === 'running') this.#state = 'compiled'
      throw error
    }
    this.#opening.dispose()
    if (this.#state === 'running') this.#session.setBusy(true)
    await this.#processes.continueAll()
  }

  /** Stops tracing: END runs, and what is still in the buffers is delivered before this resolves. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    await this.#operate('stop', undefined, () => this.#stop())
  }

  async #stop(): Promise<void> {
    this.#requireState('stop', 'running')
    await this.#sessions.restarted()
    if ((this.#state as ConsumerState) === 'stopped') return
    await this.#session.request('stop', [], ({ reason }) => `tracing can't be stopped: ${reason}`)
    this.#end('stopped')
  }

  /**
   * Ends the session. Allowed in every state, any number of times. What is still in the buffers is delivered first; when it resolves, nothing
   * is traced any more. Taking the probes out of the kernel and freeing libdtrace's tables goes on behind: the next
   * consumer in this process waits for that. See docs/lifecycle.md.
   */
  close(): Promise<void> {
    this.#closing ??= traced('close', { consumer: this }, () => this.#close())
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Counts since the consumer was opened. */
  stats(): ConsumerStats {
    return { ...this.#intake.stats }
  }

  /**
   * Tells the running program four numbers: a clause on `syscall::prctl:entry` with the predicate
   * `pid == $pid && arg0 == 0x44545243` sees them as `arg1` to `arg4`. So a program's variables can be changed while it
   * runs. Linux.
   *
   * @throws `ERR_DTRACE_STATE` when not running, `ERR_DTRACE_UNSUPPORTED` elsewhere
   */
  mark(a: number | bigint, b: number | bigint = 0, c: number | bigint = 0, d: number | bigint = 0): void {
    this.#requireState('mark', 'running')
    // By this process, wherever the session runs: $pid is its number.
    if (!loadAddon().signalProbe(BigInt(a), BigInt(b), BigInt(c), BigInt(d))) {
      throw new DTraceError(
        'ERR_DTRACE_UNSUPPORTED',
        `mark() needs prctl(2), which ${process.platform} does not have`,
      )
    }
  }

  /** While tracing, the consumer keeps the process alive; not after this. */
  unref(): this {
    this.#session.setKeepAlive(false)
    return this
  }

  ref(): this {
    this.#session.setKeepAlive(true)
    return this
  }

  /**
   * The records, one by one. One reader at a time; a reader that is too slow loses records, which is reported as a
   * drop of kind `'reader'`. Records that come between go() and here are kept for it, unless 'batch' is listened to.
   *
   * @throws `ERR_DTRACE_STATE` while another loop reads
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<DTraceRecord> {
    return this.#readers.read()
  }

  /**
   * Compiles, enables, and starts a program, and gives its records; stops when the loop is left.
   *
   * @example
   * for await (const { fields } of consumer.run(opens)) console.log(fields.pid)
   */
  run<Emits>(
    program: TypedProgram<Emits>,
    options?: CompileOptions,
  ): AsyncGenerator<DTraceRecord<EmitFields<Emits, Wide>>>
  run(program: string | { file: string }, options?: CompileOptions): AsyncGenerator<DTraceRecord>
  run(
    program: string | { file: string } | TypedProgram<unknown>,
    options: CompileOptions = {},
  ): AsyncGenerator<DTraceRecord<never>> {
    const { signal } = options
    /** What another call has started is not this one's to stop. */
    let started = false
    return new Run({
      begin: async () => {
        await this.enable(await this.compile(program, options), options)
        await this.go(options)
        started = true
        return this[Symbol.asyncIterator]() as AsyncIterator<DTraceRecord<never>>
      },
      end: async () => {
        if (started && this.#state === 'running' && this.#closing === undefined) await this.stop()
      },
      signal,
    })
  }

  /**
   * The records, one by one, as the consumer itself gives them to a loop; with a signal, which ends the loop with its reason. Tracing
   * goes on, as after `break`.
   *
   * @throws `ERR_DTRACE_STATE` while another loop reads
   */
  records({ signal }: Abortable = {}): AsyncIterableIterator<DTraceRecord> {
    checkSignal(signal)
    const records = this[Symbol.asyncIterator]()
    if (signal === undefined) return records
    return new Run({
      begin: async () => records,
      end: async () => void (await records.return?.()),
      signal,
    }).start()
  }

  /**
   * The records as a stream of objects. It is a reader like a loop: one at a time, and what it is too slow for is a drop of kind
   * `'reader'`. When it ends or is destroyed, tracing stops.
   *
   * @throws `ERR_DTRACE_STATE` while another reader reads
   * @example
   * await pipeline(consumer.stream(), new Transform({ … }), createWriteStream('opens.jsonl'))
   */
  stream(options: StreamOptions = {}): Readable {
    return recordStream(this, options)
  }

  /** The same as a web stream; cancelling it stops the tracing. */
  webStream(): ReadableStream<DTraceRecord> {
    return webRecordStream(this)
  }

  /**
   * The probes that this machine has: all, or those that fit `provider:module:function:name` (with fewer parts, the last ones, as
   * in D), or a glob for each part. In every state but closed, also while tracing.
   *
   * @throws `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_STATE`: when the listing is awaited or iterated over
   * @example
   * const opens = await consumer.probes('syscall::open*:', { arguments: true })
   * for await (const probe of consumer.probes()) console.log(probe.name)
   */
  probes(filter?: ProbeFilterLike, options?: ProbeOptions<false>): ProbeListing<Probe>
  probes(filter: ProbeFilterLike | undefined, options: ProbeOptions<true>): ProbeListing<ProbeDescription>
  probes(filter?: ProbeFilterLike, options: ProbeOptions = {}): ProbeListing<Probe> {
    return new ProbeListing(() => this.#listProbes(filter, options))
  }

  async *#listProbes(
    filter: ProbeFilterLike | undefined,
    { arguments: details = false, signal }: ProbeOptions,
  ): AsyncGenerator<Probe, void, undefined> {
    checkSignal(signal)
    const checked = checkFilter(filter)
    this.#requireState('probes', 'open', 'compiled', 'running', 'stopped')
    if (details) {
      await this.#sessions.prepare()
    }
    yield* listProbes(this.#session, checked, details, signal)
  }

  /**
   * What the program's aggregations hold now, while it runs or after it has stopped.
   *
   * @throws `ERR_DTRACE_STATE`, `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_RANGE` with `int64: 'number'`, at a value past 2^53
   * @example
   * for (const { name, key, value } of await consumer.aggregations({ sort: 'value', reverse: true })) console.log(name, key, value)
   */
  async aggregations(options: AggregationOptions = {}): Promise<Aggregation<Wide>[]> {
    return await this.#aggregations.rows(options, () => this.#tracing('aggregations'))
  }

  /**
   * A snapshot every interval, until tracing ends; the last one is of its end.
   *
   * @throws `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_STATE`; the loop, as {@link aggregations}, and with the signal's reason
   * @example
   * for await (const rows of consumer.snapshots({ interval: '1s', clear: true })) console.log(formatAggregations(rows))
   */
  snapshots(options: SnapshotsOptions): AsyncIterableIterator<Aggregation<Wide>[]> {
    return this.#aggregations.snapshots(options, () => this.#tracing('snapshots'))
  }

  /**
   * Several aggregations side by side: one row for each key, as `printa()` of several has them.
   *
   * @throws as {@link aggregations}
   * @example
   * const rows = await consumer.joinedAggregations({ names: ['@calls', '@bytes'] })
   */
  async joinedAggregations(options: JoinedAggregationOptions): Promise<JoinedAggregation<Wide>[]> {
    return await this.#aggregations.joined(options, () => this.#tracing('joinedAggregations'))
  }

  async #hold(what: string, hold: () => Promise<TracedProcess>): Promise<TracedProcess> {
    this.#requireState(what, 'open', 'compiled', 'running')
    // The first program may have the session replaced, with all that it holds: so that is done before.
    if (this.#state === 'open') {
      await this.#sessions.prepare()
      this.#requireState(what, 'open', 'compiled', 'running')
    }
    return hold()
  }

  /** A call that subscribers of its channel see. One that is aborted leaves nothing but a closed consumer. */
  #operate<Value>(
    name: Operation,
    signal: AbortSignal | undefined,
    work: () => Promise<Value>,
    source?: unknown,
  ): Promise<Value> {
    const message = { consumer: this, ...(source === undefined ? {} : { source }) }
    return traced(name, message, () => abortable(signal, work, () => this.close()))
  }

  /** Its signal has aborted: readers are told when all is gone. */
  async #abort(reason: unknown): Promise<void> {
    this.#aborted ??= { reason }
    await this.close()
  }

  get #session(): Session {
    return this.#sessions.current
  }

  /** The session, for what can be asked of it while it traces and when it has stopped. */
  #tracing(what: string): Session {
    this.#requireState(what, 'running', 'stopped')
    return this.#session
  }

  async #close(): Promise<void> {
    this.#ignoreSignal()
    await this.#sessions.settle()
    if (this.#state === 'running') {
      // What is in the buffers was recorded for somebody.
      await this.#session.request('stop', [], ({ reason }) => reason).catch(() => {})
    }
    // What is being compiled may have the session replaced, and what is being enabled, too.
    await this.#sessions.compiled()
    if (this.#aborted === undefined) this.#end('closed')
    if (!isLeaving()) await this.#session.request('close', [], ({ reason }) => reason).catch(() => {})
    this.#session.dispose()
    this.#processes.close()
    this.#opening.dispose()
    if (this.#aborted !== undefined) this.#end('closed', this.#aborted.reason)
    try {
      this.emit('close')
    } catch (error) {
      // A listener's error is an uncaught exception, as in every other event. The consumer is closed.
      process.nextTick(() => {
        throw error
      })
    }
  }

  #requireState(what: string, ...allowed: ConsumerState[]): void {
    if (this.#closing === undefined && allowed.includes(this.#state)) return
    if (this.#hostGoneBy !== undefined && this.#closing === undefined) throw this.#hostGoneBy
    const state = this.#closing === undefined ? this.#state : 'closed'
    throw new DTraceError(
      'ERR_DTRACE_STATE',
      `${what}(): the consumer is ${state}, and this needs it to be ${allowed.join(' or ')}`,
    )
  }

  #end(state: ConsumerState, error?: unknown): void {
    if (this.#state !== 'closed') this.#state = state
    this.#session.setBusy(false)
    this.#readers.end(error)
    this.#aggregations.end(error)
  }

  #receive(message: SessionMessage): void {
    switch (message.type) {
      case 'source':
        this.#intake.addSource(message)
        break
      case 'batch':
        this.#addBatch(this.#intake.batch(message))
        break
      case 'drop':
        this.#drop(message)
        break
      case 'fault': {
        const fault = this.#intake.fault(message)
        publish('fault', this, { fault })
        this.emit('fault', fault)
        break
      }
      case 'option':
        this.emit('option', this.#intake.option(message))
        break
      case 'exit':
        this.#end('stopped')
        publish('exit', this, { status: message.status })
        this.emit('exit', { status: message.status })
        break
      case 'process':
        this.emit('process', this.#processes.ended(message))
        break
      case 'died':
        this.#die(
          errorOf(
            message.failure,
            `tracing has ended: ${message.failure.reason}; close() the consumer and open another`,
          ),
        )
        break
      case 'gone':
        this.#hostGone(message)
    }
  }

  #die(error: DTraceError): void {
    const told = this.#readers.reading
    this.#end('stopped', error)
    publish('error', this, { error })
    // A reader gets it from the loop; as an event without a listener it would end the process as well.
    if (!told || this.listenerCount('error') > 0) this.emit('error', error)
  }

  /** The child process has ended before its time. */
  #hostGone({ failure, lost }: Extract<SessionMessage, { type: 'gone' }>): void {
    if (this.#closing !== undefined && !this.#sessions.isRestarting) return
    this.#processes.close()
    const error = errorOf(failure, explainGone(failure))
    if (lost > 0)
      this.#drop({ kind: 'host', cpu: undefined, count: lost, message: `${lost} records were lost with it` })
    if (!this.#sessions.restarts || this.#state !== 'running') {
      // Before go() it is a command that fails, or will; as an event without a listener it would end the process as well.
      if (this.#state === 'running') this.#die(error)
      else {
        this.#end('stopped', error)
        this.#hostGoneBy = error
        if (this.listenerCount('error') > 0) this.emit('error', error)
      }
      return
    }
    if (this.listenerCount('error') > 0) this.emit('error', error)
    const since = performance.now()
    this.#intake.reset()
    this.#sessions.restart(error).then(
      (count) => {
        if (count === undefined) return
        this.#aggregations.beginAnew()
        this.#session.setBusy(true)
        this.emit('restart', { error, count, gap: performance.now() - since })
      },
      (failed: unknown) => this.#die(failed as DTraceError),
    )
  }

  #addBatch(batch: RecordBatch<DTraceRecord>): void {
    // Kept for a reader that may come, unless the records have another way.
    if (this.#readers.reading || this.listenerCount('batch') === 0) this.#readers.push(batch)
    this.emit('batch', batch)
  }

  #drop(loss: Omit<Drop, 'total'>): void {
    const drop = this.#intake.drop(loss)
    publish('drop', this, { drop })
    this.emit('drop', drop)
  }
}

/**
 * The rescan watcher: tells a media server, or any program with something to read again, that files below a directory have
 * changed. The D program (`dscripts/<platform>/rescan.d` or `rescan-vfs.d`) selects in the kernel, {@link Locator} settles the path, the
 * options' predicate chooses, the coalescer waits, and the dispatcher sends the signal.
 */
import {
  type Coalesced,
  Coalescer,
  compilePredicate,
  createDispatcher,
  type Dispatcher,
  type Predicate,
} from '../../act/index.js'
import type { Consumer } from '../../consumer.js'
import { DTraceError } from '../../errors.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { BlindSpots } from '../blind.js'
import { Continuation } from '../continuation.js'
import { toText } from '../paths/byte-path.js'
import { startWatcher, Watcher } from '../watcher.js'
import { changeToJSON, concernsDirectory, directoryEvent, makeChange, type RescanChange } from './change.js'
import type { RescanEvents } from './events.js'
import { type CheckedOptions, checkRescanOptions, type RescanOptions } from './options.js'
import { choosePlan, fallBack, type PlanChoice, planScript, type RescanPlan } from './plan.js'
import { type RawAuthor, type RawChange, RescanAssembler } from './records.js'
import { type Place, pathOf, type RootsChange, WatchedRoots } from './roots.js'
import { type RenamePlaces, Settler } from './settler.js'
import { within } from './within.js'

/** What a change is to somebody who waits for an action. */
type Reason = RescanChange | undefined

/** Pairs of arguments that the scripts take; other directories are marked when it runs. */
const MOST_ARGUMENTS = 8
/** How often the watched directories are looked at, in milliseconds. */
const LOOK = 3000
/** How often the mounts are, in looks: those that the kernel makes by itself (NFS, AFS, CIFS) come without a system call. */
const MOUNTS = 3
/** How long stopping waits for the file system, in milliseconds. */
const PATIENCE = 10_000
const DEFAULT_EVERY = '60s'
/** The most changes that are kept for a command's standard input. */
const MOST_KEPT = 10_000

/**
 * Watches directories, and acts on changes.
 *
 * Iterating gives the changes from then on. All that goes wrong without ending the watcher is an event (`drop`, `fault`,
 * `failure`, `blind`, `missing`), and a process warning where nobody listens.
 *
 * @example
 * await using watcher = await RescanWatcher.start({
 *   paths: ['/srv/media'], include: ['**\/*.{mp3,flac}'], target: { pidfile: '/run/gerbera.pid' },
 * })
 * for await (const { path, op, execname } of watcher) console.log(execname, op, path)
 */
export class RescanWatcher extends Watcher<RescanChange, RescanEvents> {
  readonly #options: CheckedOptions
  readonly #choice: PlanChoice
  readonly #roots: WatchedRoots
  readonly #settler: Settler
  readonly #predicate: Predicate
  readonly #dispatcher: Dispatcher | undefined
  readonly #coalescer: Coalescer<Reason> | undefined
  readonly #records = new Continuation(new RescanAssembler(), (changes) => this.#changes(changes))
  readonly #blind = new BlindSpots('if that is in a watched directory, it is not seen', (blind) =>
    this.tell('blind', blind, blind.message),
  )
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #looksWaiting = 0
  #polling = false
  #polls = 0
  #mountsDiffer = false

  /**
   * Starts a watcher; it is watching when this resolves.
   *
   * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense or a directory that isn't there, `ERR_DTRACE_TARGET`
   * when the target isn't there, and what `Consumer.open` throws
   */
  static async start(options: RescanOptions): Promise<RescanWatcher> {
    const started = performance.now()
    const checked = checkRescanOptions(options)
    const predicate = compilePredicate(checked)
    const dispatcher =
      checked.target === undefined
        ? undefined
        : createDispatcher(checked.target, {
            ...(checked.signal === undefined ? {} : { signal: checked.signal }),
            ...(checked.onOutput === undefined ? {} : { onOutput: checked.onOutput }),
          })
    const choice = await choosePlan(checked.plan)
    const roots = new WatchedRoots(checked.paths)
    await roots.scan()
    const [missing] = roots.missing
    if (missing !== undefined) {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `paths: there is no directory ${missing.name} that can be watched; create it first, or correct the path`,
      )
    }
    await dispatcher?.check()

    const { signal: _, abortSignal, ...rest } = checked
    const watcherOptions = abortSignal === undefined ? rest : { ...rest, signal: abortSignal }
    const startPlan = (plan: PlanChoice): Promise<RescanWatcher> =>
      startWatcher(watcherOptions, async (consumer) => {
        const watcher = new RescanWatcher(started, checked, plan, consumer, roots, predicate, dispatcher)
        await watcher.#start()
        return watcher
      })
    try {
      return await startPlan(choice)
    } catch (error) {
      const other = checked.plan === 'auto' && choice.plan === 'vfs' ? fallBack(error) : undefined
      if (other === undefined) throw error
      process.emitWarning(`${other.reason}; system calls are probed instead`, {
        type: 'DTraceWarning',
        code: 'DTRACE_CHANGE_PLAN',
      })
      return await startPlan(other)
    }
  }

  /** Use {@link RescanWatcher.start}. */
  private constructor(
    started: number,
    options: CheckedOptions,
    choice: PlanChoice,
    consumer: Consumer,
    roots: WatchedRoots,
    predicate: Predicate,
    dispatcher: Dispatcher | undefined,
  ) {
    super(consumer, { event: 'change', queueLimit: options.queueLimit, started })
    this.#options = options
    this.#choice = choice
    this.#roots = roots
    this.#settler = new Settler(
      roots,
      (change, place, rename) => this.#accept(change, place, rename),
      (count) => this.lost(count),
    )
    this.#predicate = predicate
    this.#dispatcher = dispatcher
    if (dispatcher !== undefined) {
      const { every, debounce, maxWait } = options
      this.#coalescer = new Coalescer<Reason>({
        pace:
          debounce === undefined
            ? { every: every ?? DEFAULT_EVERY }
            : { debounce, ...(maxWait === undefined ? {} : { maxWait }) },
        keep: dispatcher.wantsChanges ? MOST_KEPT : 0,
        action: (changes) => this.#act(dispatcher, changes),
        onFailure: (error, { count }, retryIn) => this.#failed(error, count, retryIn),
      })
    }
  }

  /** The probes that are used: of the kernel's VFS layer, or of system calls. */
  get plan(): RescanPlan {
    return this.#choice.plan
  }

  /** Why it is this plan. */
  get planReason(): string {
    return this.#choice.reason
  }

  /** Changes that wait for an action. */
  get pending(): number {
    return this.#coalescer?.pending ?? 0
  }

  /** Acts now if there were changes. @returns false when the target could not be told (`failure` says why) */
  async flush(): Promise<boolean> {
    return (await this.#coalescer?.flush()) ?? true
  }

  /**
   * Stops watching. What was changed until now is still told, and acted upon, while the probes are taken away. Any number of
   * times.
   *
   * A command that takes longer than `stopTimeout` is ended; that is a `failure`, and its changes stay in `pending`.
   *
   * @param options with `force` a command is ended at once, also when the watcher is stopping already
   */
  override stop({ force = false }: { force?: boolean } = {}): Promise<void> {
    if (force) this.#dispatcher?.abort()
    return super.stop()
  }

  async #start(): Promise<void> {
    const roots = [...this.#roots.roots]
    const args = roots.slice(0, MOST_ARGUMENTS).flatMap(({ dev, ino }) => [String(dev), String(ino)])
    await this.begin(planScript(this.plan), args)
    for (const { dev, ino } of roots.slice(MOST_ARGUMENTS)) this.#mark(dev, ino, true)
    // Mounts and directories may have changed meanwhile.
    const change = await this.#roots.scan()
    this.#markRoots(change)
    // Told when somebody can listen.
    setImmediate(() => !this.stopping && this.#tellRoots(change))
    this.#timer = setInterval(() => void this.#poll(), LOOK).unref()
    this.started()
  }

  /** Waits for all that was seen to have become changes. */
  protected override async drain(): Promise<void> {
    clearInterval(this.#timer)
    // A file system that has died can keep a look or a search waiting for ever.
    await within(PATIENCE, this.#looking)
    await super.drain()
    this.#records.flush()
    // What is not found by then may have been inside.
    if (!(await within(PATIENCE, this.#settler.settled()))) this.lost(this.#settler.searching)
  }

  /** The last action. */
  protected override async finish(): Promise<void> {
    this.#coalescer?.stop()
    const late = setTimeout(() => this.#dispatcher?.abort(), this.#options.stopTimeout)
    await this.#coalescer?.flush()
    clearTimeout(late)
  }

  protected override died(): void {
    this.#records.cancel()
    clearInterval(this.#timer)
  }

  // --- From records to changes -------------------------------------------------------------------------------------

  protected override batch(batch: Iterable<DTraceRecord>): void {
    this.#settler.nextBatch()
    this.#records.add(batch)
  }

  #changes(changes: readonly RawChange[]): void {
    for (const change of changes) this.#change(change)
  }

  #change(change: RawChange): void {
    switch (change.kind) {
      case 'walk':
      case 'rename':
      case 'path':
        this.#settler.settle(change)
        break
      case 'mount':
        this.#settler.mountsChanged()
        this.#look(change)
        break
      case 'blind':
        this.#blind.seen(change)
    }
  }

  #accept(author: RawAuthor & { op: string }, place: Place, rename?: RenamePlaces): void {
    // It, or its directory, may be another one now.
    if (place.below === '') this.#look()
    if (this.#options.ignoreTarget && this.#dispatcher?.owns(author)) return
    const { op, uid } = author
    const execname = toText(author.execname).text
    const now = rename === undefined ? place : rename.to
    const directory = concernsDirectory(op, now && pathOf(now))
    const sides = rename === undefined ? [place] : [rename.to, rename.from]
    const matches = sides.some(
      (side) =>
        side !== undefined && this.#predicate({ path: toText(side.below).text, directory, execname, uid }),
    )
    if (!matches) return
    const change = makeChange(author, place, rename)
    this.#coalescer?.add(change)
    this.report(change)
  }

  /** Something may have changed that nobody saw. */
  protected override lost(count: number): void {
    this.#coalescer?.add(undefined, count)
  }

  // --- The watched directories -------------------------------------------------------------------------------------

  async #poll(): Promise<void> {
    // A file system that doesn't answer must not be asked again and again: each question keeps a thread waiting.
    if (this.#polling) return
    this.#polling = true
    try {
      const due = ++this.#polls % MOUNTS === 0 || this.#mountsDiffer
      const differ = due && this.#roots.mountsChanged()
      // Where there was a system call, its record is on its way, and says who it was.
      const mounts = differ && this.#mountsDiffer
      this.#mountsDiffer = differ
      if (mounts) this.#settler.mountsChanged()
      if (mounts || (await this.#roots.changed())) this.#look()
    } catch (error) {
      process.emitWarning(error as Error)
    } finally {
      this.#polling = false
    }
  }

  /** Looks at the watched directories and mounts, one look after the other. @param mount who changed the mounts */
  #look(mount?: RawAuthor & { op: string }): void {
    // One that has not begun yet will see what this one would.
    if (mount === undefined && this.#looksWaiting > 0) return
    this.#looksWaiting++
    this.#looking = this.#looking
      .then(async () => {
        this.#looksWaiting--
        const change = await this.#roots.scan()
        if (this.consumer.state !== 'running') return
        this.#markRoots(change)
        this.#tellRoots(change, mount)
      })
      .catch((error: Error) => process.emitWarning(error))
  }

  #markRoots({ added, removed }: RootsChange): void {
    for (const { dev, ino } of added) this.#mark(dev, ino, true)
    for (const { dev, ino } of removed) this.#mark(dev, ino, false)
  }

  #tellRoots({ added, removed, missing, returned }: RootsChange, mount?: RawAuthor & { op: string }): void {
    for (const directory of missing) {
      this.tell('missing', directoryEvent(directory), `the watched directory ${directory.name} has gone`)
    }
    for (const directory of returned) {
      this.announce('returned', directoryEvent(directory))
    }
    // What is in them has come or gone with them.
    if (missing.length + returned.length > 0) this.lost(missing.length + returned.length)
    for (const root of [...added, ...removed]) {
      if (root.below === '' || missing.includes(root.directory)) continue
      const op = added.includes(root) ? 'mount' : 'umount'
      if (mount === undefined) this.lost(1)
      else this.#accept({ ...mount, op }, { directory: root.directory, below: root.below })
    }
  }

  #mark(dev: number, ino: bigint, yes: boolean): void {
    this.consumer.mark(1, dev, 0, this.#roots.hasDevice(dev) ? 1 : 0)
    this.consumer.mark(1, dev, ino, yes ? 1 : 0)
  }

  // --- Acting --------------------------------------------------------------------------------------------------------

  async #act(dispatcher: Dispatcher, { count, kept }: Coalesced<Reason>): Promise<void> {
    const lines = kept.filter((change) => change !== undefined).map(changeToJSON)
    const action = await dispatcher.act(lines)
    if (action.kind === 'exec') {
      const { command, pid, duration } = action
      this.announce('exec', { command, pid, duration, changes: count })
    } else {
      for (const { pid } of action.processes) {
        this.announce('signal', { pid, signal: action.signal, changes: count })
      }
    }
  }

  #failed(error: unknown, changes: number, retryIn: number | undefined): void {
    const failure =
      error instanceof DTraceError
        ? error
        : new DTraceError('ERR_DTRACE_TARGET', `the target could not be told: ${error}`, { cause: error })
    this.tell('failure', { error: failure, changes, retryIn }, failure.message)
  }
}

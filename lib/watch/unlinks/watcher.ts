/**
 * The unlinks watcher: who removed what. The D program (`dscripts/<platform>/unlinks.d`) tells what the kernel knows of each removal,
 * {@link FullPaths} says where it was, the options choose, and {@link Snapshots} keeps copies.
 */
import { compilePredicate, type Predicate } from '../../act/index.js'
import type { Consumer } from '../../consumer.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { type Blind, BlindSpots } from '../blind.js'
import { compileWho, OUTCOME_BITS, type WhoAndWhere } from '../choice.js'
import { Continuation } from '../continuation.js'
import { toText } from '../paths/byte-path.js'
import { FullPaths } from '../paths/full-path.js'
import { startWatcher, Watcher, type WatcherEvents } from '../watcher.js'
import { ZoneNames } from '../zones/names.js'
import { didNothing, makeRemoval, type Removal, statDevice, type UnlinkEvent } from './event.js'
import { type CheckedUnlinks, checkUnlinksOptions, type UnlinksOptions } from './options.js'
import { type RawRemoval, type RawUnlink, UnlinkAssembler } from './records.js'
import { type MissEvent, type SnapshotEvent, type SnapshotStats, Snapshots } from './snapshot.js'

export interface UnlinksEvents extends WatcherEvents {
  unlink: [UnlinkEvent]
  snapshot: [SnapshotEvent]
  miss: [MissEvent]
  blind: [Blind]
}

const SCRIPT = 'unlinks.d'
const PINS_SCRIPT = 'unlinks-pins.d'
/** After records were dropped, pinned files are looked at this much later, in milliseconds. */
const SWEEP = 1000

/** Watches removals. Iterating gives them from then on. */
export class UnlinksWatcher extends Watcher<UnlinkEvent, UnlinksEvents> {
  readonly #options: CheckedUnlinks
  readonly #choice: WhoAndWhere
  readonly #path: Predicate
  readonly #records = new Continuation(new UnlinkAssembler(), (records) => this.#take(records))
  readonly #paths = new FullPaths()
  readonly #zones = new ZoneNames()
  readonly #blind = new BlindSpots('what it removes so is not seen', (blind) =>
    this.tell('blind', blind, blind.message),
  )
  #snapshots: Snapshots | undefined
  #sweep: NodeJS.Timeout | undefined

  /** Use {@link watchUnlinks}. */
  static async start(options: UnlinksOptions = {}): Promise<UnlinksWatcher> {
    const started = performance.now()
    const checked = checkUnlinksOptions(options)
    // What can't be understood is refused before DTrace is opened.
    const { include, exclude } = checked
    const choice = compileWho(checked)
    const path = compilePredicate({ include, exclude })
    let watcher: UnlinksWatcher | undefined
    const heard = {
      snapshot: (event: SnapshotEvent) => watcher?.announce('snapshot', event),
      miss: (event: MissEvent) => watcher?.tell('miss', event, event.message),
    }
    const { snapshot } = checked
    const snapshots = snapshot === undefined ? undefined : await Snapshots.open(snapshot, heard)
    try {
      return await startWatcher(checked, async (consumer) => {
        watcher = new UnlinksWatcher(consumer, checked, { choice, path, snapshots, started })
        await watcher.#start()
        return watcher
      })
    } catch (error) {
      await snapshots?.close()
      throw error
    }
  }

  private constructor(
    consumer: Consumer,
    options: CheckedUnlinks,
    parts: {
      choice: WhoAndWhere
      path: Predicate
      snapshots: Snapshots | undefined
      started: number
    },
  ) {
    super(consumer, { event: 'unlink', queueLimit: options.queueLimit, started: parts.started })
    this.#options = options
    this.#choice = parts.choice
    this.#path = parts.path
    this.#snapshots = parts.snapshots
  }

  /** What was kept, missed and pinned; undefined without the option `snapshot`. */
  get snapshots(): SnapshotStats | undefined {
    return this.#snapshots?.stats
  }

  async #start(): Promise<void> {
    const { outcome, pids, snapshot } = this.#options
    const pin = snapshot?.pin === true
    const [only = 0] = pids.length === 1 ? pids : []
    await this.begin(SCRIPT, [OUTCOME_BITS[outcome], only, pin ? 1 : 0].map(String), pin ? [PINS_SCRIPT] : [])
    // After the probes: what comes to be meanwhile is told by them.
    if (pin) await this.#snapshots?.pinAll()
    this.started()
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    this.#records.add(records)
  }

  protected override lost(): void {
    // What was not dropped is on its way yet, and says more.
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined
      this.#snapshots?.sweep()
    }, SWEEP).unref()
  }

  protected override async drain(): Promise<void> {
    await super.drain()
    this.#records.flush()
  }

  protected override async finish(): Promise<void> {
    if (this.#sweep !== undefined) {
      clearTimeout(this.#sweep)
      this.#snapshots?.sweep()
    }
    await this.#snapshots?.close()
  }

  protected override died(): void {
    this.#records.cancel()
    clearTimeout(this.#sweep)
  }

  #take(records: readonly RawUnlink[]): void {
    const removals: Removal[] = []
    for (const record of records) {
      if (record.kind === 'mount') this.#paths.mountsChanged()
      else if (record.kind === 'blind') {
        if (this.#choice.who(toText(record.execname).text, record.uid)) this.#blind.seen(record)
      } else if (record.kind === 'pin') {
        const { pid, fd, ino, walk } = record
        const link = `/proc/${pid}/fd/${fd}`
        const meant = { ino, dev: statDevice(walk.dev) }
        this.#snapshots?.pin(this.#paths.walked(walk, pid, link).path, record.timestamp, link, meant)
      } else {
        const removal = this.#removal(record)
        if (removal !== undefined) removals.push(removal)
      }
    }
    // Before anybody is told: a listener may take its time, and the files may not be there any longer.
    if (removals.length > 0) this.#snapshots?.take(removals)
    for (const { event } of removals) this.report(event)
    for (const record of records) if (record.kind === 'removal') this.#pinRenamed(record)
  }

  /** Undefined where it isn't one, or not one that was asked for. */
  #removal(raw: RawRemoval): Removal | undefined {
    const { pids, uncertain } = this.#options
    if (raw.replaced === 'no' || (raw.replaced === 'unknown' && !uncertain)) return undefined
    if (pids.length > 0 && !pids.includes(raw.pid)) return undefined
    if (!this.#choice.who(toText(raw.execname).text, raw.uid)) return undefined
    const { zone_id, pid, init_pid, init_start } = raw
    const zone_name = this.#zones.name({
      zone_id,
      pid,
      nodename: toText(raw.nodename).text,
      init_pid,
      init_start,
    })
    if (this.#choice.zone?.(zone_name, zone_id) === false) return undefined
    const removal = makeRemoval(raw, this.#paths, zone_name)
    if (!this.#path({ path: removal.event.path.replace(/^\//, '') })) return undefined
    return didNothing(removal, this.#paths) ? undefined : removal
  }

  /** What was renamed may be wanted by its new name. */
  #pinRenamed(raw: RawRemoval): void {
    if (raw.op !== 'rename' || raw.errno !== 0 || this.#options.snapshot?.pin !== true) return
    this.#snapshots?.pin(makeRemoval(raw, this.#paths, '').path, raw.timestamp)
  }
}

/**
 * Watches who removes which files and directories; it is watching when this resolves.
 *
 * @example
 * await using unlinks = await watchUnlinks({ include: '/srv/**' })
 * for await (const { execname, pid, op, path } of unlinks) console.log(execname, pid, op, path)
 *
 * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense, and what `Consumer.open` throws
 */
export async function watchUnlinks(options: UnlinksOptions = {}): Promise<UnlinksWatcher> {
  return await UnlinksWatcher.start(options)
}

/**
 * The unlink watcher: who removed what. The D program (`dscripts/<platform>/unlinks.d`) tells what the kernel knows of each removal,
 * {@link FullPaths} says where it was, the options choose, and {@link Snapshots} keeps copies.
 */
import picomatch from 'picomatch'
import { compilePredicate, type Predicate } from '../../act/index.js'
import type { Consumer } from '../../consumer.js'
import { DTraceError } from '../../errors.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { toText } from '../paths/byte-path.js'
import { FullPaths } from '../paths/full-path.js'
import { startWatcher, Watcher, type WatcherEvents } from '../watcher.js'
import { ZoneNames } from '../zones/names.js'
import { didNothing, makeRemoval, type Removal, type UnlinkEvent } from './event.js'
import { type CheckedUnlinks, checkUnlinksOptions, type UnlinksOptions } from './options.js'
import { type RawRemoval, type RawUnlink, UnlinkAssembler } from './records.js'
import { type MissEvent, type SnapshotEvent, type SnapshotStats, Snapshots } from './snapshot.js'

export interface UnlinksEvents extends WatcherEvents {
  unlink: [UnlinkEvent]
  snapshot: [SnapshotEvent]
  miss: [MissEvent]
  blind: [UnlinksBlind]
}

/** A program removes files through io_uring, where their paths can't be seen. Told once for a program and operation. */
export interface UnlinksBlind {
  execname: string
  pid: number
  uid: number
  /** The operation, as io_uring_enter(2) has it without `IORING_OP_`. */
  operation: string
  message: string
}

const SCRIPT = 'unlinks.d'
const PINS_SCRIPT = 'unlinks-pins.d'
/** A record's continuation that has not come after this long was dropped, in milliseconds. */
const CONTINUATION = 200
/** After records were dropped, pinned files are looked at this much later, in milliseconds. */
const SWEEP = 1000
const IORING_OPS: Readonly<{ [opcode: number]: string }> = { 35: 'RENAMEAT', 36: 'UNLINKAT' }
const MOST_BLIND = 10_000

/** Watches removals. Iterating gives them from then on. */
export class UnlinkWatcher extends Watcher<UnlinkEvent, UnlinksEvents> {
  readonly #options: CheckedUnlinks
  readonly #who: Predicate
  readonly #path: Predicate
  readonly #zone: (name: string, id: number) => boolean
  readonly #assembler = new UnlinkAssembler()
  readonly #paths = new FullPaths()
  readonly #zones = new ZoneNames()
  readonly #blind = new Set<string>()
  #snapshots: Snapshots | undefined
  #continuation: NodeJS.Timeout | undefined
  #sweep: NodeJS.Timeout | undefined

  /** Use {@link watchUnlinks}. */
  static async start(options: UnlinksOptions = {}): Promise<UnlinkWatcher> {
    const started = performance.now()
    const checked = checkUnlinksOptions(options)
    // What can't be understood is refused before DTrace is opened.
    const { processes, users, include, exclude, zones } = checked
    const who = compilePredicate(defined({ processes, users }))
    const path = compilePredicate(defined({ include, exclude }))
    const zone = zoneMatcher(zones)
    let watcher: UnlinkWatcher | undefined
    const heard = {
      snapshot: (event: SnapshotEvent) => watcher?.announce('snapshot', event),
      miss: (event: MissEvent) => watcher?.tell('miss', event, event.message),
    }
    const { snapshot } = checked
    const snapshots = snapshot === undefined ? undefined : await Snapshots.open(snapshot, heard)
    try {
      return await startWatcher(checked, async (consumer) => {
        watcher = new UnlinkWatcher(consumer, checked, { who, path, zone, snapshots, started })
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
      who: Predicate
      path: Predicate
      zone: (name: string, id: number) => boolean
      snapshots: Snapshots | undefined
      started: number
    },
  ) {
    super(consumer, { event: 'unlink', queueLimit: options.queueLimit, started: parts.started })
    this.#options = options
    this.#who = parts.who
    this.#path = parts.path
    this.#zone = parts.zone
    this.#snapshots = parts.snapshots
  }

  /** What was kept, missed and pinned; undefined without the option `snapshot`. */
  get snapshots(): SnapshotStats | undefined {
    return this.#snapshots?.stats
  }

  async #start(): Promise<void> {
    const { failed, pids, snapshot } = this.#options
    const pin = snapshot?.pin === true
    const [only = 0] = pids.length === 1 ? pids : []
    await this.begin(SCRIPT, [failed ? 1 : 0, only, pin ? 1 : 0].map(String), pin ? [PINS_SCRIPT] : [])
    // After the probes: what comes to be meanwhile is told by them.
    if (pin) await this.#snapshots?.pinAll()
    this.started()
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    this.#take(this.#assembler.add(records))
    if (this.#assembler.waiting && this.#continuation === undefined) {
      this.#continuation = setTimeout(() => {
        this.#continuation = undefined
        this.#take(this.#assembler.flush())
      }, CONTINUATION).unref()
    }
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
    clearTimeout(this.#continuation)
    this.#take(this.#assembler.flush())
  }

  protected override async finish(): Promise<void> {
    if (this.#sweep !== undefined) {
      clearTimeout(this.#sweep)
      this.#snapshots?.sweep()
    }
    await this.#snapshots?.close()
  }

  protected override died(): void {
    clearTimeout(this.#continuation)
    clearTimeout(this.#sweep)
  }

  #take(records: readonly RawUnlink[]): void {
    const removals: Removal[] = []
    for (const record of records) {
      if (record.kind === 'mount') this.#paths.mountsChanged()
      else if (record.kind === 'blind') this.#tellBlind(record)
      else if (record.kind === 'pin') {
        const { pid, fd, ino, walk } = record
        const link = `/proc/${pid}/fd/${fd}`
        this.#snapshots?.pin(this.#paths.walked(walk, pid, link).path, record.timestamp, link, ino)
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
    if (!this.#who({ path: '', execname: toText(raw.execname).text, uid: raw.uid })) return undefined
    const { zone_id, pid, init_pid, init_start } = raw
    const zone_name = this.#zones.name({
      zone_id,
      pid,
      nodename: toText(raw.nodename).text,
      init_pid,
      init_start,
    })
    if (!this.#zone(zone_name, zone_id)) return undefined
    const removal = makeRemoval(raw, this.#paths, zone_name)
    if (!this.#path({ path: removal.event.path.replace(/^\//, '') })) return undefined
    return didNothing(removal, this.#paths) ? undefined : removal
  }

  /** What was renamed may be wanted by its new name. */
  #pinRenamed(raw: RawRemoval): void {
    if (raw.op !== 'rename' || raw.errno !== 0 || this.#options.snapshot?.pin !== true) return
    this.#snapshots?.pin(makeRemoval(raw, this.#paths, '').path, raw.timestamp)
  }

  #tellBlind({ execname, pid, uid, opcode }: Extract<RawUnlink, { kind: 'blind' }>): void {
    const name = toText(execname).text
    const key = `${name}:${opcode}`
    if (this.#blind.has(key) || this.#blind.size >= MOST_BLIND) return
    if (!this.#who({ path: '', execname: name, uid })) return
    this.#blind.add(key)
    const operation = IORING_OPS[opcode] ?? String(opcode)
    const message = `${name} (pid ${pid}) uses io_uring for ${operation}: what it removes so is not seen`
    this.tell('blind', { execname: name, pid, uid, operation, message }, message)
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
export async function watchUnlinks(options: UnlinksOptions = {}): Promise<UnlinkWatcher> {
  return await UnlinkWatcher.start(options)
}

/** Only what is given: a predicate takes undefined for a mistake. */
function defined<T extends object>(options: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof defined<T>
  >
}

function zoneMatcher(zones: UnlinksOptions['zones']): (name: string, id: number) => boolean {
  const texts = (zones === undefined ? [] : [zones].flat()).map(String)
  const empty = texts.find((zone) => zone.replace(/^!/, '').trim() === '')
  if (empty !== undefined) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `zones: ${JSON.stringify(empty)} is empty; give a zone's name or zone_id`,
    )
  }
  const match = (wanted: readonly string[]) => {
    const byName = wanted.length === 0 ? () => false : picomatch([...wanted], { dot: true })
    return (name: string, id: number): boolean => wanted.includes(String(id)) || byName(name)
  }
  const wanted = texts.filter((zone) => !zone.startsWith('!'))
  const yes = wanted.length === 0 ? () => true : match(wanted)
  const no = match(texts.filter((zone) => zone.startsWith('!')).map((zone) => zone.slice(1)))
  return (name, id) => yes(name, id) && !no(name, id)
}

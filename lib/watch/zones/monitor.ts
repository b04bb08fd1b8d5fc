/**
 * The zone monitor: tells when a zone boots and shuts down, at the moment when it does. A zone is a Linux container (a PID namespace with
 * its first process), an illumos zone or a FreeBSD jail.
 */
import type { Consumer } from '../../consumer.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { startWatcher, Watcher } from '../watcher.js'
import type { ZoneEvent, ZoneMonitorEvents } from './event.js'
import { keyOf, ZoneLedger } from './ledger.js'
import { type CheckedZoneOptions, checkZoneOptions, type ZoneMonitorOptions } from './options.js'
import { hasExecuted, isUp, type PresentZone, presentZones } from './present.js'
import { type ZoneChange, zoneRecord } from './records.js'

const LINUX = process.platform === 'linux'
const SCRIPT = process.platform === 'freebsd' ? 'jails.d' : 'zones.d'
/** The number of the script's mark, see its head. */
const MARK = 3
/** How long a mark may take before another one is made, in milliseconds. */
const MARK_PATIENCE = 1000
/** From one look whether the zones are as they were told to the next, in milliseconds. */
const LOOK = 10_000
/** While records are dropped all the time, this long from one look at /proc to the next, in milliseconds. */
const PAUSE = 1000

/**
 * Watches zones.
 *
 * Zones that are up already are told first, as `present`; then every `boot` and every `shutdown`, in the order in which they happened.
 *
 * @example
 * await using monitor = await ZoneMonitor.start()
 * for await (const { event, zone_name, runtime } of monitor) console.log(zone_name, event, runtime)
 */
export class ZoneMonitor extends Watcher<ZoneEvent, ZoneMonitorEvents> {
  readonly #ledger: ZoneLedger
  /** What has come before those that were up already are known; later undefined. */
  #early: ZoneChange[] | undefined = []
  #present: PresentZone[] = []
  /** Who waits for a mark: for this one, or any later one. */
  readonly #marks = new Map<number, () => void>()
  #mark = 0
  #settling = false
  /** Something was dropped after the last look at /proc began. */
  #gaps = false
  #mending: Promise<void> | undefined
  #looking: NodeJS.Timeout | undefined

  /**
   * Starts a monitor; it is watching when this resolves. What is up already is told a moment later, so that there is time to listen.
   *
   * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense, `ERR_DTRACE_UNSUPPORTED` on a system that has no zones, and what
   * `Consumer.open` throws
   */
  static async start(options: ZoneMonitorOptions = {}): Promise<ZoneMonitor> {
    const started = performance.now()
    const checked = checkZoneOptions(options)
    return await startWatcher(checked.watcher, async (consumer) => {
      const monitor = new ZoneMonitor(consumer, checked, started)
      await monitor.#start()
      return monitor
    })
  }

  /** Use {@link ZoneMonitor.start}. */
  private constructor(consumer: Consumer, { queueLimit, wanted }: CheckedZoneOptions, started: number) {
    super(consumer, { event: 'zone', queueLimit, started })
    this.#ledger = new ZoneLedger((event) => {
      if (wanted(event)) this.report(event)
    })
  }

  /** The zones that are up, as they were told by `present` or `boot`; filters don't apply. */
  get zones(): ZoneEvent[] {
    return this.#ledger.up()
  }

  async #start(): Promise<void> {
    const before = LINUX ? await presentZones() : []
    await this.begin(SCRIPT)
    const after = LINUX ? await presentZones({ earlier: before }) : []
    await this.#arrived()
    this.#present = this.#seam(before, after)
    setImmediate(() => this.#open())
    if (LINUX) this.#looking = setInterval(() => this.#look(), LOOK).unref()
    this.started()
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    const changes: ZoneChange[] = []
    for (const raw of records) {
      const record = zoneRecord(raw)
      if (record.op === 'mark') this.#seen(record.mark)
      else changes.push(record)
    }
    if (this.#early === undefined) this.#add(changes)
    else this.#early.push(...changes)
  }

  protected override lost(): void {
    this.#gaps = true
    this.#release()
    if (this.#early === undefined) this.#mend()
  }

  protected override died(): void {
    clearInterval(this.#looking)
    this.#release()
  }

  /** A mark may be among what was lost: nobody waits for it any longer. */
  #release(): void {
    this.#seen(Number.POSITIVE_INFINITY)
  }

  #seen(mark: number): void {
    for (const [awaited, resolve] of this.#marks) {
      if (awaited > mark) continue
      this.#marks.delete(awaited)
      resolve()
    }
  }

  /** All that was recorded has come. */
  protected override async drain(): Promise<void> {
    clearInterval(this.#looking)
    await super.drain()
    this.#release()
    this.#open()
    await this.#mending
    this.#ledger.add([], this.#ledger.waiting)
    if (this.#gaps) await this.#compare()
  }

  /** Tells what was up already, and what has happened since. */
  #open(): void {
    const early = this.#early
    if (early === undefined) return
    this.#early = undefined
    this.#ledger.present(this.#present)
    this.#add(early)
    if (this.#gaps) this.#mend()
  }

  /**
   * A kernel may pass over a probe without a word: Linux 7 does where a task is preempted in the probe's program and the next one comes to
   * the same probe. So zones that were made and have not ended, as far as is known, are looked at now and then.
   */
  #look(): void {
    const wrong = (key: string): boolean => !isUp(key) || (!this.#ledger.knows(key) && hasExecuted(key))
    if (!this.#ledger.unfinished().some(wrong)) return
    this.#gaps = true
    this.#mend()
  }

  /** Looks what became of the zones when records were dropped, one look at a time. */
  #mend(): void {
    if (!LINUX || this.stopping || this.consumer.state !== 'running' || this.#mending !== undefined) return
    this.#mending = this.#compare().finally(() => {
      this.#mending = undefined
      if (this.#gaps) setTimeout(() => this.#mend(), PAUSE).unref()
    })
  }

  /**
   * Compares what was told with /proc. What happens while it looks is in records, and those are waited for: what they tell is better
   * than what can be inferred.
   */
  async #compare(): Promise<void> {
    if (!LINUX) return
    this.#gaps = false
    await this.#settled()
    const timestamp = Date.now()
    const gone = this.#ledger.unfinished().filter((key) => !isUp(key))
    const present = await presentZones({ known: (key) => this.#ledger.knows(key) }).catch(() => undefined)
    // Without /proc nothing is known; that records were dropped has been told.
    if (present === undefined) return
    await this.#settled()
    this.#ledger.gone(gone, timestamp)
    const unseen = present.filter(({ key, executed }) => executed && isUp(key))
    this.#ledger.present(unseen.map((zone) => ({ ...zone, event: { ...zone.event, inferred: true } })))
  }

  async #settled(): Promise<void> {
    const waiting = [...this.#ledger.waiting]
    await this.#arrived()
    this.#ledger.add([], waiting)
  }

  #add(changes: readonly ZoneChange[]): void {
    this.#ledger.add(changes)
    if (this.#ledger.waiting.length > 0 && !this.#settling) void this.#settle()
  }

  async #settle(): Promise<void> {
    this.#settling = true
    await this.#settled()
    this.#settling = false
    this.#add([])
  }

  /**
   * Waits until all that was recorded so far has arrived. A mark says this of its own CPU. When it has come, libdtrace has been at all
   * CPUs' buffers, but perhaps at some before the last record was in there; it is in those that it looks at next, and so are a second
   * mark's.
   */
  async #arrived(): Promise<void> {
    if (!LINUX) return
    for (let i = 0; i < 2; i++) await this.#marked()
  }

  /**
   * Makes a mark and waits for it. It is made again when it doesn't come, since the kernel passes over a system call's probe where it is
   * at another BPF program, or within bpf(2), on that CPU (kernel: bpf_prog_active, kernel/trace/bpf_trace.c).
   */
  async #marked(): Promise<void> {
    if (this.consumer.state !== 'running') return
    const seen = new Promise<void>((resolve) => this.#marks.set(this.#mark + 1, resolve))
    const make = (): void => {
      if (this.consumer.state === 'running') this.consumer.mark(MARK, ++this.#mark)
    }
    make()
    const again = setInterval(make, MARK_PATIENCE)
    await seen
    clearInterval(again)
  }

  /**
   * Which zones were up when tracing began: without one that is missing, and without one that is told twice. Those that had executed
   * something when they were listed before; and when they were listed after, if no record says that they did it since.
   */
  #seam(before: readonly PresentZone[], after: readonly PresentZone[]): PresentZone[] {
    const keys = (op: ZoneChange['op']): Set<string> =>
      new Set(this.#early?.filter((change) => change.op === op).map(keyOf))
    const executed = keys('exec')
    const over = keys('exit')
    const remaining = new Set(after.map(({ key }) => key))
    const first = before.filter(({ key, executed }) => executed && (remaining.has(key) || over.has(key)))
    const known = new Set(first.map(({ key }) => key))
    return [
      ...first,
      ...after.filter((zone) => zone.executed && !known.has(zone.key) && !executed.has(zone.key)),
    ]
  }
}

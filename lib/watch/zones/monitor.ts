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
import { type PresentZone, presentZones } from './present.js'
import { type ZoneChange, zoneRecord } from './records.js'

const LINUX = process.platform === 'linux'
const SCRIPT = process.platform === 'freebsd' ? 'jails.d' : 'zones.d'
/** The number of the script's mark, see its head. */
const MARK = 3

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
  readonly #marks = new Map<number, () => void>()
  #mark = 0
  #settling = false

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
    const after = LINUX ? await presentZones() : []
    await this.#arrived()
    this.#present = this.#seam(before, after)
    setImmediate(() => this.#open())
    this.started()
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    const changes: ZoneChange[] = []
    for (const raw of records) {
      const record = zoneRecord(raw)
      if (record.op === 'mark') {
        this.#marks.get(record.mark)?.()
        this.#marks.delete(record.mark)
      } else changes.push(record)
    }
    if (this.#early === undefined) this.#add(changes)
    else this.#early.push(...changes)
  }

  /** A mark may be among what was lost: nobody waits for it any longer. */
  protected override lost(): void {
    for (const seen of this.#marks.values()) seen()
    this.#marks.clear()
  }

  protected override died(): void {
    this.lost()
  }

  /** All that was recorded has come. */
  protected override async drain(): Promise<void> {
    await super.drain()
    this.lost()
    this.#open()
    this.#ledger.add([], this.#ledger.waiting)
  }

  /** Tells what was up already, and what has happened since. */
  #open(): void {
    const early = this.#early
    if (early === undefined) return
    this.#early = undefined
    this.#ledger.present(this.#present)
    this.#add(early)
  }

  #add(changes: readonly ZoneChange[]): void {
    this.#ledger.add(changes)
    if (this.#ledger.waiting.length > 0 && !this.#settling) void this.#settle()
  }

  async #settle(): Promise<void> {
    this.#settling = true
    const waiting = [...this.#ledger.waiting]
    await this.#arrived()
    this.#settling = false
    this.#ledger.add([], waiting)
    this.#add([])
  }

  /**
   * Waits until all that was recorded so far has arrived. A mark says this of its own CPU. When it has come, libdtrace has been at all
   * CPUs' buffers, but perhaps at some before the last record was in there; it is in those that it looks at next, and so are a second
   * mark's.
   */
  async #arrived(): Promise<void> {
    if (!LINUX) return
    for (let i = 0; i < 2; i++) {
      if (this.consumer.state !== 'running') return
      const mark = ++this.#mark
      const seen = new Promise<void>((resolve) => this.#marks.set(mark, resolve))
      this.consumer.mark(MARK, mark)
      await seen
    }
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

/**
 * The watcher of opens: who opens which file, or fails to. The D program (`dscripts/<platform>/opens.d`) hands out what the kernel
 * knows, {@link FullPaths} makes paths of it, and the options choose.
 */
import { cpus } from 'node:os'
import type { Consumer } from '../../consumer.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { type Blind, BlindSpots } from '../blind.js'
import { OUTCOME_BITS } from '../choice.js'
import { Continuation } from '../continuation.js'
import { toText } from '../paths/byte-path.js'
import { FullPaths } from '../paths/full-path.js'
import { lexical } from '../paths/resolve-path.js'
import { startWatcher, Watcher, type WatcherEvents } from '../watcher.js'
import { ZoneNames } from '../zones/names.js'
import { makeOpenEvent, type OpenEvent, openPath } from './event.js'
import { type CheckedOpensOptions, checkOpensOptions, type OpensOptions } from './options.js'
import { OpenAssembler, type RawOpen, type RawOpenRecord } from './records.js'

export interface OpensEvents extends WatcherEvents {
  open: [OpenEvent]
  blind: [Blind]
}

const SCRIPT = 'opens.d'
/** Processes that the script takes as arguments; others are marked when it runs. */
const MOST_ARGUMENTS = 8
/** The mark that adds a process. */
const TRACE_PID = 1

/**
 * Watches opens. Iterating gives them from then on, in the order of their ends as far as one batch of records goes.
 *
 * @example
 * await using opens = await watchOpens({ outcome: 'failed', include: '/etc/**' })
 * for await (const { execname, pid, path, error } of opens) console.log(execname, pid, path, error)
 */
export class OpensWatcher extends Watcher<OpenEvent, OpensEvents> {
  readonly #options: CheckedOpensOptions
  readonly #records = new Continuation(new OpenAssembler(), (records) => this.#take(records))
  readonly #paths = new FullPaths()
  readonly #zones = new ZoneNames()
  readonly #blind = new BlindSpots('what it opens so is not seen', (blind) =>
    this.tell('blind', blind, blind.message),
  )

  /** Use {@link watchOpens}. */
  static async start(options: OpensOptions = {}): Promise<OpensWatcher> {
    const started = performance.now()
    const checked = checkOpensOptions(options)
    checked.options = { bufsize: defaultBufsize(), ...checked.options }
    return await startWatcher(checked, async (consumer) => {
      const watcher = new OpensWatcher(consumer, checked, started)
      await watcher.#start()
      return watcher
    })
  }

  private constructor(consumer: Consumer, options: CheckedOpensOptions, started: number) {
    super(consumer, { event: 'open', queueLimit: options.queueLimit, started })
    this.#options = options
  }

  async #start(): Promise<void> {
    const { outcome, pids } = this.#options
    await this.begin(SCRIPT, [OUTCOME_BITS[outcome], ...pids.slice(0, MOST_ARGUMENTS)].map(String))
    for (const pid of pids.slice(MOST_ARGUMENTS)) this.consumer.mark(TRACE_PID, pid, 1)
    this.started()
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    this.#records.add(records)
  }

  protected override async drain(): Promise<void> {
    await super.drain()
    this.#records.flush()
  }

  protected override died(): void {
    this.#records.cancel()
  }

  #take(records: readonly RawOpenRecord[]): void {
    const mounted = new Map<number, number>()
    for (const record of records) {
      if (record.kind === 'open') this.#open(record)
      else if (record.kind === 'blind') {
        if (this.#options.chooses.who(toText(record.execname).text, record.uid)) this.#blind.seen(record)
      } else {
        this.#paths.mountsChanged()
        mounted.set(record.mntns, record.pid)
      }
    }
    for (const [mntns, pid] of mounted) this.#paths.remember(mntns, pid)
  }

  #open(open: RawOpen): void {
    const { fields, text } = open
    const { who, zone, path } = this.#options.chooses
    // What libdtrace opens in a child process of ours is not news either.
    if (fields.pid === this.consumer.hostPid) return
    if (!who(toText(fields.execname).text, fields.uid)) return
    const { zone_id, pid, init_pid, init_start } = fields
    const nodename = toText(fields.zone_name).text
    const zone_name = this.#zones.name({ zone_id, pid, nodename, init_pid, init_start })
    if (zone !== undefined && !zone(zone_name, zone_id)) return
    const where = openPath(open, this.#paths)
    if (path !== undefined) {
      const names = [toText(where.path).text]
      if (text.startsWith('/')) names.push(toText(lexical(text)).text)
      if (!path(names.map((name) => name.replace(/^\//, '')))) return
    }
    this.report(makeOpenEvent(open, where, zone_name))
  }
}

/**
 * Watches which files are opened, by whom, and what fails; it is watching when this resolves.
 *
 * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense, `ERR_DTRACE_TARGET` for a process that isn't there, and what
 * `Consumer.open` throws
 */
export async function watchOpens(options: OpensOptions = {}): Promise<OpensWatcher> {
  return await OpensWatcher.start(options)
}

/**
 * A record has some 3 kB, and one processor was seen to make 45,000 a second of them. 32 MB each hold what comes in 0.2 s; half as much
 * lost some on a machine with four times more to do than it can. On large machines it is less, so that it isn't gigabytes.
 */
function defaultBufsize(): string {
  return `${Math.max(4, Math.min(32, Math.floor(256 / cpus().length)))}m`
}

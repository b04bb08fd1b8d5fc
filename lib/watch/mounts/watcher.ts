/**
 * The watcher of mounts: who mounts, unmounts, moves and changes what. The D program (`dscripts/<platform>/mounts.d`) hands out what the
 * kernel knows of each call, {@link MountMeanings} puts those together that are one mount, and the options choose.
 */
import type { Consumer } from '../../consumer.js'
import type { DTraceRecord } from '../../record/decoder.js'
import { toText } from '../paths/byte-path.js'
import { startWatcher, Watcher, type WatcherEvents } from '../watcher.js'
import { ZoneNames } from '../zones/names.js'
import { type MountEvent, makeMountEvent } from './event.js'
import { MountMeanings } from './meaning.js'
import { type CheckedMountsOptions, checkMountsOptions, type MountsOptions } from './options.js'
import { MountPaths } from './paths.js'
import { MountAssembler, type MountCall } from './records.js'

export interface MountsEvents extends WatcherEvents {
  mount: [MountEvent]
}

/**
 * Watches mounts. Iterating gives them from then on, in the order of their ends as far as one batch of records goes.
 *
 * @example
 * await using mounts = await watchMounts({ zones: '!myhost' })
 * for await (const { op, source, target, error, zone_name } of mounts) console.log(zone_name, op, source, target, error)
 */
export class MountsWatcher extends Watcher<MountEvent, MountsEvents> {
  readonly #options: CheckedMountsOptions
  readonly #assembler = new MountAssembler()
  readonly #paths = new MountPaths()
  readonly #meanings = new MountMeanings(this.#paths)
  readonly #zones = new ZoneNames()

  /** Use {@link watchMounts}. */
  static async start(options: MountsOptions = {}): Promise<MountsWatcher> {
    const started = performance.now()
    const checked = checkMountsOptions(options)
    return await startWatcher(checked, async (consumer) => {
      const watcher = new MountsWatcher(consumer, checked, started)
      await watcher.begin('mounts.d')
      watcher.started()
      return watcher
    })
  }

  private constructor(consumer: Consumer, options: CheckedMountsOptions, started: number) {
    super(consumer, { event: 'mount', queueLimit: options.queueLimit, started })
    this.#options = options
  }

  protected override batch(records: Iterable<DTraceRecord>): void {
    for (const call of this.#assembler.add(records)) this.#tell(call)
  }

  #tell(call: MountCall): void {
    // Steps must be known even where they are not told.
    const meaning = this.#meanings.of(call)
    if (!meaning.step && call.errno === 0) this.#paths.changed(call.mntns)
    if (meaning.step && !this.#options.calls) return
    const { zone_id, pid, init_pid, init_start, cgroup } = call
    const nodename = toText(call.nodename).text
    const zone_name = this.#zones.name({
      zone_id,
      pid,
      nodename,
      init_pid,
      init_start,
      ...(cgroup === '' ? {} : { cgroup }),
    })
    const event = makeMountEvent(call, meaning, zone_name)
    if (this.#options.chooses(event)) this.report(event)
  }
}

/**
 * Starts a watcher of mounts; it is watching when this resolves.
 *
 * @throws `ERR_DTRACE_ARGUMENT` for an option that makes no sense, and what `Consumer.open` throws
 */
export async function watchMounts(options: MountsOptions = {}): Promise<MountsWatcher> {
  return await MountsWatcher.start(options)
}

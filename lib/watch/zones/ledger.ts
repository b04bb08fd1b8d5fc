/**
 * What is known of each zone, and what happens to it. Records of several CPUs may come in another order than they were made in: one that
 * can't be understood yet waits, with all later ones, until what was made before it has arrived.
 */
import { constants } from 'node:os'
import { executesFirst } from '../../platform/containers.js'
import type { ZoneEvent } from './event.js'
import { identify } from './names.js'
import type { PresentZone } from './present.js'
import type { CreateRecord, LifeRecord, ZoneChange, ZoneRecord } from './records.js'

/** A zone, from the making of its first process to that process' end. */
interface Zone {
  creator?: CreateRecord
  /** How it was told; absent until then. */
  up?: ZoneEvent
  /** Of its boot; of one that was up already, of its first process' making. */
  since?: bigint
  over?: true
}

/** Zones that are over are remembered, since a first process with threads may be seen to end twice. */
const MOST_OVER = 1000

const CORE_DUMPED = 0x80

export class ZoneLedger {
  readonly #zones = new Map<string, Zone>()
  readonly #over: string[] = []
  #waiting: ZoneChange[] = []
  readonly #report: (event: ZoneEvent) => void

  constructor(report: (event: ZoneEvent) => void) {
    this.#report = report
  }

  /** The zones that are up, as they were told. */
  up(): ZoneEvent[] {
    return [...this.#zones.values()].flatMap(({ up, over }) => (up === undefined || over ? [] : [up]))
  }

  /** The records that wait for others. */
  get waiting(): readonly ZoneChange[] {
    return this.#waiting
  }

  /** The keys of the zones that have not ended, as far as is known: those that are up, and those that were made. */
  unfinished(): string[] {
    return [...this.#zones].flatMap(([key, { over }]) => (over ? [] : [key]))
  }

  /** Whether there is nothing to tell of a zone that is up. */
  knows(key: string): boolean {
    const zone = this.#zones.get(key)
    return zone?.up !== undefined || zone?.over === true
  }

  /** Zones that were up before any record was made, or whose boot is not among the records. */
  present(zones: readonly PresentZone[]): void {
    for (const { key, event, since } of zones) {
      if (this.knows(key)) continue
      this.#zones.set(key, { ...this.#zones.get(key), up: event, since })
      this.#report(event)
    }
  }

  /**
   * Zones whose end is not among the records.
   *
   * @param timestamp when they were found to have ended, in milliseconds since 1970
   */
  gone(keys: readonly string[], timestamp: number): void {
    for (const key of keys) {
      const { up, over } = this.#zones.get(key) ?? {}
      if (over) continue
      this.#end(key)
      if (up === undefined) continue
      // How it ended nobody knows, nor when.
      const { uptime: _, ...known } = up
      this.#report({ ...known, event: 'shutdown', timestamp, inferred: true })
    }
  }

  /** @param settled those of the records that wait for which nothing earlier can come any more */
  add(records: readonly ZoneChange[], settled: readonly ZoneChange[] = []): void {
    const sure = new Set(settled)
    const changes = [...this.#waiting, ...records]
    // Stable: records of one moment stay as they came, which is in order for those of one CPU.
    changes.sort((a, b) => (a.monotonic < b.monotonic ? -1 : a.monotonic > b.monotonic ? 1 : 0))
    const blocked = changes.findIndex((change) => !this.#apply(change, sure.has(change)))
    this.#waiting = blocked === -1 ? [] : changes.slice(blocked)
  }

  /** @returns false when it has to wait */
  #apply(change: ZoneChange, sure: boolean): boolean {
    const key = keyOf(change)
    const zone = this.#zones.get(key) ?? {}
    if (zone.over) return true
    switch (change.op) {
      case 'create':
        this.#zones.set(key, { ...zone, creator: change })
        return true
      case 'exec':
        return this.#execute(change, key, zone, sure)
      case 'exit':
        return this.#exit(change, key, zone, sure)
      default:
        this.#told(change, key, zone)
        return true
    }
  }

  #execute(change: LifeRecord, key: string, zone: Zone, sure: boolean): boolean {
    if (zone.up !== undefined) return true
    const event = describe('boot', change, zone)
    if (change.nr !== 1 && executesFirst(event.runtime)) return true
    // Perhaps the end of an earlier one is still on its way.
    if (!sure && this.#isUp(event.zone_name)) return false
    this.#zones.set(key, { ...zone, up: event, since: change.monotonic })
    this.#report(event)
    return true
  }

  #exit(change: LifeRecord, key: string, zone: Zone, sure: boolean): boolean {
    // Its boot may come yet: then it did not fail.
    if (zone.up === undefined && !sure) return false
    const kind = zone.up !== undefined || change.executed ? 'shutdown' : 'failed'
    const known = zone.up ?? describe(kind === 'failed' ? kind : 'present', change, zone)
    // It must have booted before the first record, or that record was lost: each shutdown has something that it ends.
    if (zone.up === undefined && kind === 'shutdown') this.#report(known)
    this.#end(key)
    const { uptime: _, inferred: __, ...fields } = known
    this.#report({
      ...fields,
      event: kind,
      timestamp: milliseconds(change.timestamp),
      execname: change.execname,
      ...ending(change.status),
      ...(change.oom ? { oom: true as const } : {}),
      ...(zone.since === undefined ? {} : { uptime: milliseconds(change.monotonic - zone.since) }),
    })
    return true
  }

  /** A system that has zones itself says what happened. */
  #told({ op, monotonic, timestamp, ...known }: ZoneRecord, key: string, { since }: Zone): void {
    const event: ZoneEvent = { event: op, timestamp: milliseconds(timestamp), ...known }
    if (op === 'boot') this.#zones.set(key, { up: event, since: monotonic })
    else this.#zones.delete(key)
    const uptime = op === 'shutdown' && since !== undefined ? { uptime: milliseconds(monotonic - since) } : {}
    this.#report({ ...event, ...uptime })
  }

  #isUp(zone_name: string): boolean {
    for (const { up } of this.#zones.values()) if (up?.zone_name === zone_name) return true
    return false
  }

  #end(key: string): void {
    this.#zones.delete(key)
    this.#zones.set(key, { over: true })
    this.#over.push(key)
    if (this.#over.length > MOST_OVER) this.#zones.delete(this.#over.shift() as string)
  }
}

/** What names a zone for good: on Linux its number, and its first process with the time at which that was made. */
export function zoneKey(zone_id: number, init_pid: number, init_start: number): string {
  return `${zone_id} ${init_pid} ${init_start}`
}

/** What {@link zoneKey} was given. */
export function initOf(key: string): { zone_id: number; init_pid: number; init_start: number } {
  const [zone_id = 0, init_pid = 0, init_start = 0] = key.split(' ').map(Number)
  return { zone_id, init_pid, init_start }
}

export function keyOf(change: ZoneChange): string {
  return 'init_pid' in change
    ? zoneKey(change.zone_id, change.init_pid, change.init_start)
    : String(change.zone_id)
}

function describe(event: ZoneEvent['event'], change: LifeRecord, { creator }: Zone): ZoneEvent {
  const { timestamp, zone_id, level, parent_zone_id, init_pid, hostname, uid, execname, command, cgroups } =
    change
  const identity = identify({
    cgroups,
    own: change.own,
    nodename: hostname,
    init_pid,
    // What has executed nothing still has its maker's name.
    creator: creator ?? (event === 'failed' ? { execname, command: '' } : undefined),
  })
  return {
    event,
    timestamp: milliseconds(timestamp),
    zone_id,
    ...identity,
    hostname,
    cgroup: cgroups[0] ?? '/',
    init_pid,
    level,
    parent_zone_id,
    uid,
    execname,
    ...(command === '' ? {} : { command }),
    ...(creator === undefined ? {} : { creator: creator.command }),
  }
}

/** A wait status, wait(2): the signal is in its lowest seven bits. */
function ending(status: number): Pick<ZoneEvent, 'exit_status' | 'signal'> {
  const signal = status & (CORE_DUMPED - 1)
  if (signal === 0) return { exit_status: (status >> 8) & 0xff }
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
  return { signal: name ?? `SIG${signal}` }
}

function milliseconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1000n) / 1000
}

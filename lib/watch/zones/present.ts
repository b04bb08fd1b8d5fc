/** The Linux zones that are up already, from /proc, once: proc(5), pid_namespaces(7). */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { DTraceError } from '../../errors.js'
import { executesFirst } from '../../platform/containers.js'
import { commandOf, namespaceOf, readProcess, statOf } from '../../platform/process.js'
import type { ZoneEvent } from './event.js'
import { initOf, zoneKey } from './ledger.js'
import { cgroupsOf, creatorBy, HOST_ZONE, identify, ownCgroups } from './names.js'

/** A zone whose first process exists. */
export interface PresentZone {
  key: string
  event: ZoneEvent
  /** Something was executed in it: it has booted. */
  executed: boolean
  /** When its first process was made, in nanoseconds of CLOCK_MONOTONIC, the clock of process.hrtime. */
  since: bigint
}

interface Process {
  pid: number
  ppid: number
  uid: number
  /** Its numbers, the host's first and its own namespace's last. */
  numbers: number[]
}

const TICKS_PER_SECOND = 100
/** How long asking for a hostname may take, in milliseconds. */
const PATIENCE = 5000
/** At most so many processes ask for hostnames at a time. */
const AT_A_TIME = 8

/**
 * The zones that are up, in the order in which they were made.
 *
 * @param known which of them need not be described
 * @param earlier what was found before: hostnames are taken from there
 */
export async function presentZones({
  known = () => false,
  earlier = [],
}: {
  known?: (key: string) => boolean
  earlier?: readonly PresentZone[]
} = {}): Promise<PresentZone[]> {
  const processes = new Map<number, Process>()
  for (const name of entries()) {
    const found = /^\d+$/.test(name) ? processOf(Number(name)) : undefined
    if (found !== undefined) processes.set(found.pid, found)
  }
  const inits = [...processes.values()].filter(({ numbers }) => numbers.length > 1 && numbers.at(-1) === 1)
  const before = new Map(earlier.map(({ key, event }) => [key, event.hostname]))
  const zones: PresentZone[] = []
  const next = async (): Promise<void> => {
    for (let init = inits.shift(); init !== undefined; init = inits.shift()) {
      const zone = await zoneOf(init, { processes, known, before })
      if (zone !== undefined) zones.push(zone)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, next))
  return zones.sort((a, b) => (a.since < b.since ? -1 : 1))
}

/** Whether a zone's first process is still the same one. */
export function isUp(key: string): boolean {
  const { zone_id, init_pid, init_start } = initOf(key)
  return statOf(init_pid)?.start === init_start && (namespaceOf(init_pid, 'pid') ?? zone_id) === zone_id
}

/** Whether the zone's first process has executed something. */
export function hasExecuted(key: string): boolean {
  return statOf(initOf(key).init_pid)?.executed === true
}

function entries(): string[] {
  try {
    return readdirSync('/proc')
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_UNSUPPORTED',
      '/proc is not there, which says what zones are up already: mount it (mount -t proc proc /proc)',
      { cause },
    )
  }
}

interface Around {
  processes: ReadonlyMap<number, Process>
  known: (key: string) => boolean
  /** Hostnames of zones. */
  before: ReadonlyMap<string, string | undefined>
}

async function zoneOf(
  { pid, ppid, uid, numbers }: Process,
  { processes, known, before }: Around,
): Promise<PresentZone | undefined> {
  const stat = statOf(pid)
  const zone_id = namespaceOf(pid, 'pid')
  if (stat === undefined || zone_id === undefined) return undefined
  const key = zoneKey(zone_id, pid, stat.start)
  if (known(key)) return undefined
  const { cgroups, own } = ownCgroups(pid, ppid)
  // Of a container that was only created, a hostname may be given later.
  const nodename = (stat.executed ? before.get(key) : undefined) ?? (await nodenameOf(pid))
  const identity = identify({
    cgroups,
    own,
    nodename: nodename ?? String(zone_id),
    init_pid: pid,
    creator: creatorBy(ppid),
  })
  const creator = commandOf(ppid)
  const age = bootTime() - stat.start / TICKS_PER_SECOND
  const command = commandOf(pid)
  const executed =
    stat.executed || (!executesFirst(identity.runtime) && othersExecuted(zone_id, numbers.length, processes))
  return {
    key,
    executed,
    since: process.hrtime.bigint() - BigInt(Math.round(age * 1e9)),
    event: {
      event: 'present',
      timestamp: Date.now(),
      zone_id,
      ...identity,
      ...(nodename === undefined ? {} : { hostname: nodename }),
      cgroup: cgroupsOf(pid)[0] ?? '/',
      init_pid: pid,
      level: numbers.length - 1,
      parent_zone_id: parentZone({ ppid, numbers }, processes),
      uid,
      execname: stat.comm,
      ...(command === '' ? {} : { command }),
      ...(creator === '' ? {} : { creator }),
      uptime: Math.round(age * 1000),
    },
  }
}

/** A first process that executes nothing leaves that to others: bubblewrap's does. */
function othersExecuted(zone_id: number, depth: number, processes: ReadonlyMap<number, Process>): boolean {
  for (const { pid, numbers } of processes.values()) {
    if (numbers.length !== depth || numbers.at(-1) === 1) continue
    if (statOf(pid)?.executed === true && namespaceOf(pid, 'pid') === zone_id) return true
  }
  return false
}

/** The namespace of the nearest ancestor that is one level up; the kernel tells it to none but ioctl(2), NS_GET_PARENT. */
function parentZone(
  { ppid, numbers }: Pick<Process, 'ppid' | 'numbers'>,
  processes: ReadonlyMap<number, Process>,
): number {
  if (numbers.length === 2) return HOST_ZONE
  for (let at = processes.get(ppid); at !== undefined; at = processes.get(at.ppid)) {
    if (at.numbers.length === numbers.length - 1) return namespaceOf(at.pid, 'pid') ?? HOST_ZONE
  }
  return HOST_ZONE
}

function processOf(pid: number): Process | undefined {
  const status = readProcess(pid, 'status')
  const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number)
  const ppid = /^PPid:\t(\d+)$/m.exec(status)?.[1]
  const uid = /^Uid:\t(\d+)/m.exec(status)?.[1]
  if (numbers === undefined || ppid === undefined || uid === undefined) return undefined
  return { pid, ppid: Number(ppid), uid: Number(uid), numbers }
}

/** The nodename of a process' UTS namespace, which only a process in that can ask for: nsenter(1) is of util-linux. */
async function nodenameOf(pid: number): Promise<string | undefined> {
  if (namespaceOf(pid, 'uts') === namespaceOf(process.pid, 'uts')) return hostname()
  try {
    const args = ['--target', String(pid), '--uts', '--', 'uname', '-n']
    return (await promisify(execFile)('nsenter', args, { timeout: PATIENCE })).stdout.trim()
  } catch {
    // It has ended, or there is no nsenter.
    return undefined
  }
}

/** Seconds since the system's boot. */
function bootTime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ', 1)[0])
}

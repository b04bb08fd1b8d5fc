/** The Linux zones that are up already, from /proc, once: proc(5), pid_namespaces(7). */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { DTraceError } from '../../errors.js'
import { executesFirst } from '../../platform/containers.js'
import type { ZoneEvent } from './event.js'
import { zoneKey } from './ledger.js'
import { cgroupsOf, HOST_ZONE, identify } from './names.js'

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

/** In field 9 of /proc/PID/stat: it has not executed anything since it was made. Kernel: include/linux/sched.h. */
const PF_FORKNOEXEC = 0x40
const TICKS_PER_SECOND = 100
/** How long asking for a hostname may take, in milliseconds. */
const PATIENCE = 5000

export async function presentZones(): Promise<PresentZone[]> {
  const processes = new Map<number, Process>()
  for (const name of entries()) {
    const found = /^\d+$/.test(name) ? processOf(Number(name)) : undefined
    if (found !== undefined) processes.set(found.pid, found)
  }
  const inits = [...processes.values()].filter(({ numbers }) => numbers.length > 1 && numbers.at(-1) === 1)
  const zones = await Promise.all(inits.map((init) => zoneOf(init, processes)))
  return zones.filter((zone) => zone !== undefined).sort((a, b) => (a.since < b.since ? -1 : 1))
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

async function zoneOf(
  init: Process,
  processes: ReadonlyMap<number, Process>,
): Promise<PresentZone | undefined> {
  const { pid, ppid, uid, numbers } = init
  const stat = statOf(pid)
  const zone_id = namespaceOf(pid, 'pid')
  if (stat === undefined || zone_id === undefined) return undefined
  const cgroups = cgroupsOf(pid)
  const nodename = await nodenameOf(pid)
  const parent = statOf(ppid)
  // The one that made it, if that still waits for it.
  const creator = parent === undefined ? undefined : { execname: parent.comm, command: commandOf(ppid) }
  const identity = identify({ cgroups, nodename: nodename ?? String(zone_id), init_pid: pid })
  const age = bootTime() - stat.start / TICKS_PER_SECOND
  const command = commandOf(pid)
  const executed =
    stat.executed || (!executesFirst(identity.runtime) && othersExecuted(zone_id, numbers.length, processes))
  return {
    key: zoneKey(zone_id, pid, stat.start),
    executed,
    since: process.hrtime.bigint() - BigInt(Math.round(age * 1e9)),
    event: {
      event: 'present',
      timestamp: Date.now(),
      zone_id,
      ...identity,
      ...(nodename === undefined ? {} : { hostname: nodename }),
      cgroup: cgroups[0] ?? '/',
      init_pid: pid,
      level: numbers.length - 1,
      parent_zone_id: parentZone(init, processes),
      uid,
      execname: stat.comm,
      ...(command === '' ? {} : { command }),
      ...(creator === undefined ? {} : { creator: creator.command }),
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
function parentZone({ ppid, numbers }: Process, processes: ReadonlyMap<number, Process>): number {
  if (numbers.length === 2) return HOST_ZONE
  for (let at = processes.get(ppid); at !== undefined; at = processes.get(at.ppid)) {
    if (at.numbers.length === numbers.length - 1) return namespaceOf(at.pid, 'pid') ?? HOST_ZONE
  }
  return HOST_ZONE
}

function processOf(pid: number): Process | undefined {
  const status = read(`/proc/${pid}/status`)
  const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number)
  const ppid = /^PPid:\t(\d+)$/m.exec(status)?.[1]
  const uid = /^Uid:\t(\d+)/m.exec(status)?.[1]
  if (numbers === undefined || ppid === undefined || uid === undefined) return undefined
  return { pid, ppid: Number(ppid), uid: Number(uid), numbers }
}

interface Stat {
  comm: string
  executed: boolean
  /** Clock ticks after the system's boot. */
  start: number
}

function statOf(pid: number): Stat | undefined {
  const stat = read(`/proc/${pid}/stat`)
  const close = stat.lastIndexOf(')')
  if (close === -1) return undefined
  // Field 3 is the first one here.
  const fields = stat.slice(close + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return {
    comm: stat.slice(stat.indexOf('(') + 1, close),
    executed: (Number(fields[6]) & PF_FORKNOEXEC) === 0,
    start: Number(fields[19]),
  }
}

/** Inode number of a process' namespace. */
function namespaceOf(pid: number, kind: 'pid' | 'uts'): number | undefined {
  try {
    const number = /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1]
    return number === undefined ? undefined : Number(number)
  } catch {
    // It has ended.
    return undefined
  }
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

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replace(/\0$/, '').replaceAll('\0', ' ')
}

/** Seconds since the system's boot. */
function bootTime(): number {
  return Number(read('/proc/uptime').split(' ', 1)[0])
}

/** '' when the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

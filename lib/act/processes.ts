import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { DTraceError } from '../errors.js'

/** One process as /proc shows it. `pid` and `startTime` together name it for as long as the system runs. */
export interface ProcessInfo {
  pid: number
  ppid: number
  pgid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks after boot. A pid that is used again has a later one. */
  startTime: string
  /** The kernel's name for it, at most 15 bytes. */
  comm: string
}

/** The questions that targets ask about processes. Tests put in their own answers. */
export interface Processes {
  /** undefined when there is no such process, or when it's only waiting for its parent to notice its end. */
  get(pid: number): ProcessInfo | undefined
  pids(): number[]
  /** Names under which a user may know a process: comm, its executable's file name, its argv[0]'s. */
  names(process: ProcessInfo): string[]
  /** Contents of /proc/<pid>/cgroup, or ''. */
  cgroup(pid: number): string
}

/** {@link Processes} of Linux' /proc (proc_pid_stat(5)). */
export const procfs: Processes = {
  get(pid) {
    const stat = read(`/proc/${pid}/stat`)
    if (stat === undefined) return undefined
    // comm may itself have spaces and parentheses: the fields go on after the last one.
    const open = stat.indexOf('(')
    const close = stat.lastIndexOf(')')
    const [state, ppid, pgid, ...rest] = stat.slice(close + 2).split(' ')
    // Field 3 is the first one here, so field 22 is number 19, and 16 after the three that were taken off.
    const startTime = rest[16]
    if (state === undefined || state === 'Z' || state === 'X' || startTime === undefined) return undefined
    return { pid, ppid: Number(ppid), pgid: Number(pgid), startTime, comm: stat.slice(open + 1, close) }
  },

  pids() {
    let entries: string[]
    try {
      entries = readdirSync('/proc')
    } catch (cause) {
      throw noProc(cause)
    }
    const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number)
    if (!pids.includes(process.pid)) throw noProc()
    return pids
  },

  names({ pid, comm }) {
    const names = [comm]
    try {
      names.push(basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')))
    } catch {
      // A kernel thread, another user's process, or gone: its other names will do.
    }
    const argv0 = read(`/proc/${pid}/cmdline`)?.split('\0', 1)[0]
    // Daemons like nginx and sshd write a title over their arguments: "nginx: master process /usr/sbin/nginx".
    if (argv0) names.push(basename(argv0), argv0.replace(/[: ].*$/s, ''))
    return names
  },

  cgroup: (pid) => read(`/proc/${pid}/cgroup`) ?? '',
}

/** The pid's own process and those it descends from: what a search by name must never find. */
export function lineage(processes: Processes, pid: number): Set<number> {
  const line = new Set<number>()
  for (let at: number | undefined = pid; at !== undefined && at > 0 && !line.has(at); ) {
    line.add(at)
    at = processes.get(at)?.ppid
  }
  return line
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // ENOENT and ESRCH: it has ended. EACCES: a /proc mounted with hidepid, where it might as well have.
    return undefined
  }
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function noProc(cause?: unknown): DTraceError {
  return new DTraceError(
    'ERR_DTRACE_UNSUPPORTED',
    '/proc does not show this process: mount it (mount -t proc proc /proc), without it no target can be identified',
    { cause },
  )
}

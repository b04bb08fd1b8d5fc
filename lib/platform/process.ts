/** What Linux' /proc says of a process: proc(5). Each is about a moment: the process may have ended since. */
import { readFileSync, readlinkSync } from 'node:fs'

export interface ProcessStat {
  /** The kernel's name of it. */
  comm: string
  ppid: number
  /** It has executed something since it was made. */
  executed: boolean
  /** Clock ticks after the system's boot. */
  start: number
}

/** In field 9 of /proc/PID/stat: it has not executed anything since it was made. Kernel: include/linux/sched.h. */
const PF_FORKNOEXEC = 0x40

/** @returns undefined if it has ended; one whose first thread alone has ended goes on */
export function statOf(pid: number): ProcessStat | undefined {
  const stat = readProcess(pid, 'stat')
  const close = stat.lastIndexOf(')')
  if (close === -1) return undefined
  // Field 3 is the first one here.
  const fields = stat.slice(close + 2).split(' ')
  const threads = Number(fields[17])
  if (fields[0] === 'X' || (fields[0] === 'Z' && threads <= 1)) return undefined
  return {
    comm: stat.slice(stat.indexOf('(') + 1, close),
    ppid: Number(fields[1]),
    executed: (Number(fields[6]) & PF_FORKNOEXEC) === 0,
    start: Number(fields[19]),
  }
}

/** Inode number of a process' namespace. */
export function namespaceOf(pid: number, kind: 'pid' | 'uts'): number | undefined {
  try {
    const number = /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1]
    return number === undefined ? undefined : Number(number)
  } catch {
    // It has ended.
    return undefined
  }
}

/** Its arguments, with blanks between them. */
export function commandOf(pid: number): string {
  return readProcess(pid, 'cmdline').replace(/\0$/, '').replaceAll('\0', ' ')
}

/** '' when the process has ended. */
export function readProcess(pid: number, file: 'stat' | 'status' | 'cmdline' | 'cgroup'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

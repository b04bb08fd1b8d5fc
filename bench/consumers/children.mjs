/** What child processes have used, from /proc: their own account, whoever started them. */
import { readdirSync, readFileSync } from 'node:fs'

/** Microseconds of CPU of all threads of a process: the first number of each schedstat, in nanoseconds. @param {number} pid */
export function cpuOf(pid) {
  const tasks = `/proc/${pid}/task`
  const used = readdirSync(tasks).map((task) =>
    Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return used.reduce((sum, time) => sum + time, 0) / 1e3
}

/** The most memory that a process ever had, in kilobytes: VmHWM, proc_pid_status(5). @param {number | 'self'} pid */
export function peakOf(pid) {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

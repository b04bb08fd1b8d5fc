import { constants } from 'node:os'
import { DTraceError } from '../errors.js'
import { type Processes, type ProcessInfo, procfs } from './processes.js'

/** A signal with its name, or only a number where it has none (real-time signals). */
export interface Signal {
  name: string
  number: number
}

const LAST_SIGNAL = 64

/**
 * Understands `'SIGHUP'`, `'HUP'`, `'hup'`, `1` and `'1'`.
 *
 * @throws DTraceError `ERR_DTRACE_ARGUMENT`
 */
export function parseSignal(signal: string | number): Signal {
  const text = String(signal).trim().toUpperCase()
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    if (number >= 1 && number <= LAST_SIGNAL) return { name: nameOf(number), number }
  } else {
    const name = text.startsWith('SIG') ? text : `SIG${text}`
    const number = (constants.signals as Record<string, number>)[name]
    if (number !== undefined) return { name, number }
  }
  throw new DTraceError(
    'ERR_DTRACE_ARGUMENT',
    `signal: ${JSON.stringify(signal)} is no signal here; give a name such as SIGHUP or a number (kill -l lists them)`,
  )
}

function nameOf(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number)
  return known?.[0] ?? String(number)
}

/** What {@link sendSignal} needs of the system; tests put in their own. */
export interface SignalHost {
  processes: Processes
  kill(pid: number, signal: number): void
}

export const systemHost: SignalHost = {
  processes: procfs,
  kill: (pid, signal) => {
    process.kill(pid, signal)
  },
}

/**
 * Sends a signal to a process that is still the one that was meant.
 *
 * The start time is compared immediately before the call. What remains is the time between two system calls; closing
 * that too takes pidfd_send_signal(2), which Node doesn't offer.
 *
 * @throws DTraceError `ERR_DTRACE_TARGET` when it has ended, when its pid is another process's now, or when this
 *   process may not signal it
 */
export function sendSignal(target: ProcessInfo, signal: Signal, host: SignalHost = systemHost): void {
  const now = host.processes.get(target.pid)
  const who = `process ${target.pid} (${target.comm})`
  if (now === undefined) throw new DTraceError('ERR_DTRACE_TARGET', `${who} has ended`)
  if (now.startTime !== target.startTime) {
    throw new DTraceError(
      'ERR_DTRACE_TARGET',
      `${who} has ended and its pid belongs to another process now (${now.comm}), which was not signalled`,
    )
  }
  try {
    host.kill(target.pid, signal.number)
  } catch (cause) {
    const { code, errno } = cause as NodeJS.ErrnoException
    const detail = errno === undefined ? { cause } : { cause, errno: Math.abs(errno) }
    if (code === 'ESRCH') throw new DTraceError('ERR_DTRACE_TARGET', `${who} has ended`, detail)
    if (code === 'EPERM') {
      throw new DTraceError(
        'ERR_DTRACE_TARGET',
        `not allowed to send ${signal.name} to ${who}: run as root, with CAP_KILL, or as the user it runs as`,
        detail,
      )
    }
    throw new DTraceError('ERR_DTRACE_TARGET', `sending ${signal.name} to ${who} failed: ${code}`, detail)
  }
}

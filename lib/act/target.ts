import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { DTraceError } from '../errors.js'
import type { Duration } from './duration.js'
import { lineage, type Processes, type ProcessInfo } from './processes.js'

/** A command to run instead of a signal: no shell, the arguments are passed on as they are. */
export interface CommandTarget {
  exec: readonly [command: string, ...args: string[]]
  /** A run that takes longer is ended and counts as failed. Default `'1h'`; 0 is no limit. */
  timeout?: Duration
  cwd?: string
}

/** A process by some name, that gets a signal. */
export type ProcessTarget = { pid: number } | { pidfile: string } | { process: string } | { unit: string }

/** Whom to tell that something has changed. */
export type Target = ProcessTarget | CommandTarget

export function isCommand(target: Target): target is CommandTarget {
  return 'exec' in target
}

/**
 * Checks the form of a target, not yet whether it exists.
 *
 * @throws DTraceError `ERR_DTRACE_ARGUMENT`
 */
export function checkTarget(target: Target): Target {
  const kinds = ['pid', 'pidfile', 'process', 'unit', 'exec'].filter(
    (kind) => (target as Record<string, unknown>)?.[kind] !== undefined,
  )
  const [kind] = kinds
  if (kinds.length !== 1) {
    const said = kinds.length === 0 ? 'none' : kinds.join(' and ')
    throw badTarget(`give exactly one of pid, pidfile, process, unit and exec; there is ${said}`)
  }
  const value = (target as Record<string, unknown>)[kind as string]
  if (kind === 'pid') {
    // Zero and negative pids mean whole process groups to kill(2), -1 everybody.
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 2 ** 31 - 1) {
      throw badTarget(`pid ${JSON.stringify(value)} is no process id`)
    }
    if (value === process.pid) throw badTarget('pid is that of this very process')
  } else if (kind === 'exec') {
    const usable = Array.isArray(value) && value.length > 0 && value.every((arg) => typeof arg === 'string')
    if (!usable || value[0] === '' || value.some((arg) => arg.includes('\0'))) {
      throw badTarget('exec is an array of strings, the command first and then its arguments')
    }
  } else if (typeof value !== 'string' || value.trim() === '' || value.includes('\0')) {
    throw badTarget(`${kind} is an empty string or none at all`)
  } else if (kind === 'process' && value.includes('/')) {
    throw badTarget(`process is a program's name, not a path: ${JSON.stringify(value)}`)
  } else if (kind === 'unit' && value.startsWith('-')) {
    throw badTarget(`unit ${JSON.stringify(value)} is no unit's name`)
  }
  return target
}

/** In a few words for messages: `pidfile /run/mpd.pid`. */
export function describeTarget(target: Target): string {
  if ('pid' in target) return `process ${target.pid}`
  if ('pidfile' in target) return `pidfile ${target.pidfile}`
  if ('process' in target) return `process ${target.process}`
  if ('unit' in target) return `unit ${unitName(target.unit)}`
  return `command ${target.exec.join(' ')}`
}

/**
 * The processes that a target means at this moment. For a name these are all the outermost ones that have it: nginx's
 * master but not its workers. This process and its ancestors never count.
 *
 * @throws DTraceError `ERR_DTRACE_TARGET` when there is none
 */
export async function resolveTarget(target: ProcessTarget, processes: Processes): Promise<ProcessInfo[]> {
  if ('pid' in target) return [existing(target.pid, processes, `process ${target.pid}`)]
  if ('pidfile' in target) return [await byPidfile(target.pidfile, processes)]
  if ('unit' in target) return [await byUnit(unitName(target.unit), processes)]
  return byName(target.process, processes)
}

function existing(pid: number, processes: Processes, what: string, advice = ''): ProcessInfo {
  const found = processes.get(pid)
  if (found === undefined) throw noTarget(`${what}: no process with pid ${pid} is running${advice}`)
  return found
}

/** A pidfile is a number and a newline; whatever a daemon writes beyond its first line is its own affair. */
const PIDFILE_READ = 64

async function byPidfile(path: string, processes: Processes): Promise<ProcessInfo> {
  const text = await readStart(path)
  const advice = 'see that the daemon runs and is configured to write this pidfile'
  if (text.trim() === '') throw noTarget(`the pidfile ${path} is empty; ${advice}`)
  const number = /^\s*(\d{1,10})\s*(?:\n|$)/.exec(text)?.[1]
  const pid = Number(number)
  if (number === undefined || pid < 1 || pid > 2 ** 31 - 1) {
    const start = JSON.stringify(text.split('\n', 1)[0]?.slice(0, 40))
    throw noTarget(`${path} begins with ${start}, not with a pid: is it a pidfile?`)
  }
  if (pid === process.pid)
    throw noTarget(`the pidfile ${path} names this very process, not the one to signal`)
  return existing(pid, processes, `the pidfile ${path} is stale`, `; ${advice}`)
}

async function readStart(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>> | undefined
  try {
    // Not blocking: a named pipe without a writer reads as empty instead of holding a thread for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PIDFILE_READ), 0, PIDFILE_READ, null)
    return buffer.toString('latin1', 0, bytesRead)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why =
      code === 'ENOENT'
        ? 'does not exist; start the daemon first, and see that it is configured to write this pidfile'
        : code === 'EACCES'
          ? 'may not be read by this user; run as root'
          : `can't be read: ${code}`
    throw new DTraceError('ERR_DTRACE_TARGET', `the pidfile ${path} ${why}`, { cause })
  } finally {
    await file?.close()
  }
}

/** The kernel's name for a process has 15 bytes; longer names are compared with the executable's and argv[0]'s. */
function byName(name: string, processes: Processes): ProcessInfo[] {
  const own = lineage(processes, process.pid)
  const found = new Map<number, ProcessInfo>()
  for (const pid of processes.pids()) {
    if (own.has(pid)) continue
    const info = processes.get(pid)
    if (info !== undefined && processes.names(info).includes(name)) found.set(pid, info)
  }
  if (found.size === 0) {
    throw noTarget(
      `no process named ${name} is running; start it first, or look for its name with: pgrep -l .`,
    )
  }
  return [...found.values()].filter((info) => !found.has(info.ppid))
}

function unitName(unit: string): string {
  return /\.[a-z]+$/.test(unit) ? unit : `${unit}.service`
}

async function byUnit(unit: string, processes: Processes): Promise<ProcessInfo> {
  const output = await systemctl(['show', '--property=MainPID,LoadState,ActiveState', '--', unit])
  const property = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(output)?.[1] ?? ''
  if (property('LoadState') === 'not-found') {
    throw noTarget(`systemd knows no unit ${unit}; list them with: systemctl list-units --type=service`)
  }
  const pid = Number(property('MainPID'))
  if (!(pid > 0)) {
    const state = property('ActiveState') || 'unknown'
    throw noTarget(
      `unit ${unit} has no main process (it is ${state}); start it with: systemctl start ${unit}`,
    )
  }
  return existing(pid, processes, `unit ${unit}`)
}

function systemctl(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('systemctl', args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const why =
        (error as NodeJS.ErrnoException).code === 'ENOENT'
          ? 'there is no systemctl here'
          : error.killed
            ? 'systemctl did not answer within 10 s'
            : stderr.trim() || error.message
      const advice = 'name the target by pidfile or process instead'
      reject(noTarget(`systemd can't be asked (${why}); ${advice}`, error))
    })
  })
}

function badTarget(message: string): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `target: ${message}`)
}

function noTarget(message: string, cause?: unknown): DTraceError {
  return new DTraceError('ERR_DTRACE_TARGET', message, { cause })
}

/**
 * A command to be measured: started, but held back until tracing is on.
 *
 * A shell waits for a line on descriptor 3, closes it, and executes the command in its place: same process, so what is measured begins
 * at that exec. If this process dies before, the shell reads the end of the file, and ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import { onAbort } from '../abort.js'
import { DTraceError } from '../errors.js'
import { loadAddon } from '../native.js'
import type { CheckedMeasureOptions } from './options.js'
import type { Outcome, Prepared, Subject } from './subject.js'

const SHELL = '/bin/sh'
const HOLD = 'read -r _ <&3 || exit 125; exec 3<&-; exec "$@"'
/** Milliseconds that a command has to end by itself when it is aborted. */
const PATIENCE = 2000

/** A program with its arguments; or one line for /bin/sh. */
export type Command = readonly string[] | string

/** @throws DTraceError `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_TARGET` where there is no such program */
export function commandSubject(command: Command, options: CheckedMeasureOptions): Subject {
  const words = typeof command === 'string' ? [SHELL, '-c', command] : command
  const fits = (word: unknown) => typeof word === 'string' && !word.includes('\0')
  if (!Array.isArray(words) || words.length === 0 || !words.every(fits) || words[0] === '') {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      "measure: a command is a program with its arguments, e.g. ['sort', 'big.txt'], or a line for /bin/sh",
    )
  }
  const [program = '', ...args] = words as string[]
  const path = find(program, options)
  return {
    label: typeof command === 'string' ? command : words.join(' '),
    kind: 'command',
    prepare: async () => await prepare([path, ...args], options),
  }
}

function find(program: string, { env = process.env, cwd = '.' }: CheckedMeasureOptions): string {
  const places = program.includes('/')
    ? [resolve(cwd, program)]
    : (env.PATH ?? '/usr/bin:/bin').split(delimiter).map((folder) => resolve(cwd, join(folder, program)))
  const found = places.find((place) => {
    try {
      accessSync(place, constants.X_OK)
      return statSync(place).isFile()
    } catch {
      return false
    }
  })
  if (found !== undefined) return found
  throw new DTraceError(
    'ERR_DTRACE_TARGET',
    `there is no program ${program} that can be executed${program.includes('/') ? '' : ' in PATH'}`,
  )
}

async function prepare(words: readonly string[], options: CheckedMeasureOptions): Promise<Prepared> {
  const { cwd, env, stdio, signal } = options
  const child = spawn(SHELL, ['-c', HOLD, SHELL, ...words], {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    stdio: [...stdio, 'pipe'],
  })
  const ended = outcomeOf(child)
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid as number))
    child.once('error', (cause) =>
      reject(
        new DTraceError('ERR_DTRACE_TARGET', `${words[0]} can't be started: ${cause.message}`, { cause }),
      ),
    )
  })
  const line = child.stdio[3] as Socket
  // It has gone; how it did is told by its end.
  line.on('error', () => {})
  return {
    pid,
    async go() {
      // What starting the shell took is not the command's.
      const spent = cpuTime(pid)
      const before = loadAddon().childrenUsage()
      const ignore = onAbort(signal, () => void end(child))
      const began = performance.now()
      line.end('\n')
      const { exitCode, killedBy } = await ended
      const wall = performance.now() - began
      ignore()
      const after = loadAddon().childrenUsage()
      const user = (after.user - before.user) / 1000
      const system = (after.system - before.system) / 1000
      const rest = user + system > 0 ? Math.max(0, 1 - spent / (user + system)) : 1
      return { wall, user: user * rest, system: system * rest, exitCode, signal: killedBy } satisfies Outcome
    },
    discard() {
      line.destroy()
      child.kill('SIGKILL')
    },
  }
}

function outcomeOf(
  child: ChildProcess,
): Promise<{ exitCode: number | null; killedBy: NodeJS.Signals | null }> {
  return new Promise((resolve) => child.once('exit', (exitCode, killedBy) => resolve({ exitCode, killedBy })))
}

/** Milliseconds on the CPU of a process that waits: the first number of /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst). */
function cpuTime(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6 || 0
  } catch {
    return 0
  }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  await outcomeOf(child)
  clearTimeout(late)
}

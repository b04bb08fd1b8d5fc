/**
 * Another process that a session runs in: a child, or a helper. What it says comes packet by packet; what it is told are bytes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { DTraceError } from '../errors.js'
import { loadAddon, type NativeChannel, type NativeReceive } from '../native.js'
import { locateHost } from './locate.js'

/**
 * How to reach a helper that has more privileges than this process: a command that starts one (`sudo` with a rule for it, or a
 * program with file capabilities), or the socket of a service that does. See docs/hosts.md.
 */
export type Helper = { command: readonly [string, ...string[]] } | { socket: string }

export interface Peer {
  /** Nothing is written after the end. */
  write(bytes: Uint8Array): void
  /** It gets nothing more, and ends. Nothing is waited for. */
  end(): void
  /** Ends it at once, and says why. What had come is delivered before that, but for a peer whose message is being delivered. */
  kill(why: string): void
  ref(): void
  unref(): void
}

export const NO_HOST = 'what it sent is no message: it is no dtrace-consumer-host'
const NO_MEMORY = 'there is no memory for what it says'
/** How much of what it said last is kept for its obituary. */
const LAST_WORDS = 2000

/**
 * @param receive as the addon's sessions call it
 * @param over called once, when it has ended and no more will come of it: why, and how many records were in a batch of which
 * only a part came
 * @throws `ERR_DTRACE_ADDON_NOT_FOUND`, `ERR_DTRACE_HOST_EXITED`
 */
export function connectPeer(
  helper: Helper | undefined,
  receive: NativeReceive,
  over: (why: string, lost: number) => void,
): Peer {
  const { NativeChannel, closeSocket } = loadAddon()
  let isOver = false
  /** Nothing more will be read. */
  let isRead = false
  /** As far as can be known. */
  let hasEnded = false
  /** The first reason: it was killed for it, or says so itself. */
  let why = ''

  const conclude = (): void => {
    if (isOver || !isRead || !hasEnded) return
    isOver = true
    input.destroy()
    over(why, output.unfinishedRecords())
  }
  const ended = (reason: string): void => {
    why ||= reason
    hasEnded = true
    conclude()
  }
  const other =
    helper !== undefined && 'socket' in helper
      ? helperAt(helper.socket)
      : startProcess(helper?.command ?? [locateHost(), '--unrestricted'], ended)
  const kill = (reason: string): void => {
    why ||= reason
    const dies = other.kill()
    output.drain()
    output.close()
    isRead = true
    // Nobody will tell the end of one that can't be killed: it has more privileges, or is no child. The end of its input ends it.
    hasEnded ||= !dies
    conclude()
  }
  let output: NativeChannel
  try {
    output = new NativeChannel(other.socket, receive, (trouble) => {
      isRead = true
      if (trouble !== undefined) kill(trouble === 'memory' ? NO_MEMORY : NO_HOST)
      else if (other.silence !== undefined) ended(other.silence)
      else conclude()
    })
  } catch (error) {
    other.kill()
    closeSocket(other.socket)
    throw hostExited('what it says can’t be read', error)
  }
  const input = new Socket({ fd: other.socket, readable: false, writable: true })
  // Its end is told by the end of what it says.
  input.on('error', () => {})
  const all = [other, input, output]
  // What has ended would wait for what never comes.
  const setRef = (what: 'ref' | 'unref') => () => {
    if (!isOver) for (const one of all) one[what]()
  }
  return {
    write: (bytes) => void (input.writableEnded || input.destroyed || input.write(bytes)),
    end: () => void input.end(),
    kill,
    ref: setRef('ref'),
    unref: setRef('unref'),
  }
}

/** Who is at the other end of a socket. */
interface Other {
  /** A descriptor, for whom it is given to. */
  socket: number
  /** @returns whether its end will be told */
  kill: () => boolean
  ref: () => void
  unref: () => void
  /** Why the socket has ended, where nothing else will say so. */
  silence: string | undefined
}

/**
 * @param ended told why, once, when it has ended and all that it wrote to standard error has been read; or when it can't be started
 * @throws `ERR_DTRACE_HOST_EXITED`
 */
function startProcess(command: readonly [string, ...string[]], ended: (why: string) => void): Other {
  const [file, ...args] = command
  const { closeSocket, socketPair } = loadAddon()
  const failure = `${file} can't be started`
  let pair: [number, number]
  try {
    pair = socketPair()
  } catch (error) {
    throw hostExited(failure, error)
  }
  const [socket, theirs] = pair
  let child: ChildProcess
  try {
    // What programs print with system() goes where it would go in this process.
    child = spawn(file, args, { stdio: [theirs, theirs, 'pipe', 1] })
  } catch (error) {
    closeSocket(socket)
    throw hostExited(failure, error)
  } finally {
    closeSocket(theirs)
  }
  // One that can't be killed, having more privileges, says so here as well.
  child.on('error', (error) => {
    if (child.pid === undefined) ended(`${failure}: ${error.message}`)
  })
  if (!isMainThread) letBeReaped(child)
  // It has none where there were no descriptors to start it with.
  const errors = child.stderr as Socket | null | undefined
  let words = ''
  errors?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS)
    process.stderr.write(text)
  })
  errors?.on('error', () => {})
  child.once('close', (code, signal) => {
    if (child.pid === undefined) return
    const said = words.trim() === '' ? '' : `; it said: ${words.trim()}`
    ended(`${file} ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}${said}`)
  })
  const all = [child, errors]
  return {
    socket,
    silence: undefined,
    kill: () => child.kill('SIGKILL'),
    ref() {
      for (const one of all) one?.ref()
    },
    unref() {
      for (const one of all) one?.unref()
    },
  }
}

/** When a worker ends, nobody else would take notice of the end of its children. */
function letBeReaped(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined) return
  const { watchChild } = loadAddon()
  watchChild(pid, true)
  child.once('exit', () => watchChild(pid, false))
}

/** @throws `ERR_DTRACE_HOST_EXITED` */
function helperAt(path: string): Other {
  const nothing = (): void => {}
  let socket: number
  try {
    socket = loadAddon().connectTo(path)
  } catch (error) {
    throw hostExited(`the helper at ${path} can't be reached`, error)
  }
  const silence = `the helper at ${path} has closed the connection; its log says why`
  return { socket, silence, kill: () => false, ref: nothing, unref: nothing }
}

function hostExited(what: string, cause: unknown): DTraceError {
  const reason = `${what}: ${(cause as Error).message}`
  return new DTraceError('ERR_DTRACE_HOST_EXITED', reason, { cause, reason })
}

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
  /** Ends it at once, and says why. */
  kill(why: string): void
  ref(): void
  unref(): void
}

export const NO_HOST = 'what it sent is no message: it is no dtrace-consumer-host'
/** How much of what it said last is kept for its obituary. */
const LAST_WORDS = 2000

/**
 * @param receive as the addon's sessions call it; not after `kill()`
 * @param over called once, when it has ended and all that it said has been read: why, and how many records were in a batch of which
 * only a part came
 * @throws `ERR_DTRACE_ADDON_NOT_FOUND`, `ERR_DTRACE_HOST_EXITED`
 */
export function connectPeer(
  helper: Helper | undefined,
  receive: NativeReceive,
  over: (why: string, lost: number) => void,
): Peer {
  const { NativeChannel, closeSocket } = loadAddon()
  const other =
    helper !== undefined && 'socket' in helper
      ? helperAt(helper.socket)
      : startProcess(helper?.command ?? [locateHost(), '--unrestricted'])
  let isOver = false
  let verdict: string | undefined
  /** Once all that it said has been read. */
  let lost: number | undefined
  /** Once it has ended. */
  let why = other.silence

  const conclude = (): void => {
    if (isOver || lost === undefined || why === undefined) return
    isOver = true
    input.destroy()
    over(verdict ?? why, lost)
  }
  const kill = (reason: string): void => {
    verdict ??= reason
    other.kill()
    if (other.silence === undefined) return
    // A connection does not end by itself.
    output.close()
    lost ??= 0
    conclude()
  }
  let output: NativeChannel
  try {
    output = new NativeChannel(other.socket, receive, (records, foreign) => {
      if (foreign) kill(NO_HOST)
      lost ??= records
      conclude()
    })
  } catch (error) {
    closeSocket(other.socket)
    throw hostExited('what it says can’t be read', error)
  }
  const input = new Socket({ fd: other.socket, readable: false, writable: true })
  // Its end is told by the end of what it says.
  input.on('error', () => {})
  other.onEnd((said) => {
    why = said
    conclude()
  })
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
  kill: () => void
  ref: () => void
  unref: () => void
  /** Calls back once, when it has ended. Never where only the socket shows it. */
  onEnd: (told: (why: string) => void) => void
  /** Why the socket has ended, where nothing else says so. */
  silence: string | undefined
}

/** @throws `ERR_DTRACE_HOST_EXITED` */
function startProcess(command: readonly [string, ...string[]]): Other {
  const [file, ...args] = command
  const { closeSocket, socketPair } = loadAddon()
  let child: ChildProcess
  let socket: number
  try {
    const [ours, theirs] = socketPair()
    socket = ours
    try {
      // What programs print with system() goes where it would go in this process.
      child = spawn(file, args, { stdio: [theirs, theirs, 'pipe', 1] })
    } catch (error) {
      closeSocket(ours)
      throw error
    } finally {
      closeSocket(theirs)
    }
  } catch (error) {
    throw hostExited(`${file} can't be started`, error)
  }
  if (!isMainThread) letBeReaped(child)
  const errors = child.stderr as Socket
  let words = ''
  errors.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS)
    process.stderr.write(text)
  })
  errors.on('error', () => {})
  return {
    socket,
    silence: undefined,
    kill: () => child.kill('SIGKILL'),
    ref() {
      child.ref()
      errors.ref()
    },
    unref() {
      child.unref()
      errors.unref()
    },
    onEnd(told) {
      const said = (): string => (words.trim() === '' ? '' : `; it said: ${words.trim()}`)
      child.once('error', (error) => {
        // One that can't be killed is not one that has ended.
        if (child.pid === undefined) told(`${file} can't be started: ${error.message}`)
      })
      // When all it wrote to standard error has been read, too.
      child.once('close', (code, signal) => {
        if (child.pid !== undefined)
          told(`${file} ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}${said()}`)
      })
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

/** It ends with the connection. @throws `ERR_DTRACE_HOST_EXITED` */
function helperAt(path: string): Other {
  const nothing = (): void => {}
  let socket: number
  try {
    socket = loadAddon().connectTo(path)
  } catch (error) {
    throw hostExited(`the helper at ${path} can't be reached`, error)
  }
  const silence = `the helper at ${path} has closed the connection; its log says why`
  return { socket, silence, kill: nothing, ref: nothing, unref: nothing, onEnd: nothing }
}

function hostExited(what: string, cause: unknown): DTraceError {
  const reason = `${what}: ${(cause as Error).message}`
  return new DTraceError('ERR_DTRACE_HOST_EXITED', reason, { cause, reason })
}

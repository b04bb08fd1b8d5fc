/**
 * A session in a process of its own: what goes wrong inside libdtrace there ends that process, and this one is told. Or in a
 * helper that has the privileges which this process lacks.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { isMainThread } from 'node:worker_threads'
import { loadAddon } from '../native.js'
import { encodeCommand, PacketKind } from './commands.js'
import type { Receive, SessionHost } from './host.js'
import { locateHost } from './locate.js'
import type { NativeFailure, NativeMessage } from './messages.js'
import { frameCommand, PacketReader, PROTOCOL } from './packets.js'

/**
 * How to reach a helper that has more privileges than this process: a command that starts one (`sudo` with a rule for it, or a
 * program with file capabilities), or the socket of a service that does. See docs/hosts.md.
 */
export type Helper = { command: readonly [string, ...string[]] } | { socket: string }

export interface ChildHostOptions {
  helper: Helper | undefined
  /** Milliseconds without an answer after which it is taken to hang. */
  hangTimeout: number
}

/** No command has this number. */
const PING = 0xffffffff
/**
 * Batches are reported as taken by so many at once, so that the host is not woken for each. Of those that may wait
 * (`kMostBatches` of `native/in_flight.h`), these are a few.
 */
const BATCHES_REPORTED = 8
const TOOK_BATCHES = encodeCommand('taken', 0, [PacketKind.batch, BATCHES_REPORTED])
const TOOK_FAULT = encodeCommand('taken', 0, [PacketKind.fault, 1])
/** How much of what it said last is kept for its obituary. */
const LAST_WORDS = 2000

/** The other end: two streams, and what can be done about the process behind them. */
interface Channel {
  input: Writable & { ref?: () => void; unref?: () => void }
  output: Readable & { ref?: () => void; unref?: () => void }
  kill: () => void
  ref: () => void
  unref: () => void
  /** Calls back once, when nothing more will come. */
  onEnd: (told: (why: string) => void) => void
}

/** @throws `ERR_DTRACE_ADDON_NOT_FOUND` */
export function childHost(receive: Receive, { helper, hangTimeout }: ChildHostOptions): SessionHost {
  const channel =
    helper !== undefined && 'socket' in helper
      ? socketChannel(helper.socket)
      : processChannel(helper?.command ?? [locateHost(), '--unrestricted'])
  let disposed = false
  let gone = false
  /** Why it was killed. */
  let verdict: string | undefined

  const send = (command: Uint8Array): void => {
    if (!channel.input.writableEnded) channel.input.write(frameCommand(command))
  }
  let batches = 0
  const tookBatch = (): void => {
    batches = (batches + 1) % BATCHES_REPORTED
    if (batches === 0) send(TOOK_BATCHES)
  }
  const watch = watchForHang(
    hangTimeout,
    () => send(encodeCommand('ping', PING, [])),
    (why) => end(why),
  )
  const end = (why: string): void => {
    verdict ??= why
    channel.kill()
  }

  let greeted = false
  const reader = new PacketReader((json, data) => {
    if (disposed) return
    if (!greeted) {
      greeted = true
      const problem = problemOf(json)
      if (problem !== undefined) end(problem)
      return
    }
    const message = json === undefined ? undefined : (JSON.parse(json) as NativeMessage)
    if (message?.type === 'reply' && message.id === PING) {
      watch.answered(message.value as number)
      return
    }
    if (message?.type === 'ended') return
    if (message === undefined) tookBatch()
    else if (message.type === 'fault') send(TOOK_FAULT)
    try {
      receive(message, data, 0, data?.byteLength ?? 0)
    } catch (error) {
      // A listener has thrown. That is an uncaught exception, as with any EventEmitter; the session goes on.
      process.nextTick(() => {
        throw error
      })
    }
  })
  channel.output.on('data', (chunk: Buffer) => {
    if (verdict === undefined && !reader.push(chunk)) end(NO_HOST)
  })
  // Its end is told by the end of the process or the connection.
  channel.output.on('error', () => {})
  channel.input.on('error', () => {})
  channel.onEnd((why) => {
    gone = true
    watch.end()
    if (disposed) return
    const failure: NativeFailure = { code: 'ERR_DTRACE_HOST_EXITED', reason: verdict ?? why, errno: 0 }
    receive({ type: 'gone', failure, lost: reader.unfinishedRecords }, undefined, 0, 0)
  })

  return {
    kind: 'process',
    send(command) {
      if (gone) throw new Error('the host is gone')
      send(command)
    },
    dispose() {
      disposed = true
      watch.end()
      // The end of its input is the end of its work, and of it. Nothing is waited for.
      channel.input.end()
      channel.unref()
    },
    // A stream that has ended would wait for a connection that never comes.
    ref: () => gone || channel.ref(),
    unref: () => gone || channel.unref(),
  }
}

const NO_HOST = 'what it sent is no message: it is no dtrace-consumer-host'

/** What is wrong with a greeting. */
function problemOf(greeting: string | undefined): string | undefined {
  const protocol = /^\{"type":"hello","protocol":(\d+)\}$/.exec(greeting ?? '')?.[1]
  if (protocol === undefined) return NO_HOST
  if (Number(protocol) === PROTOCOL) return undefined
  return `it speaks protocol ${protocol}, and this package ${PROTOCOL}: make the helper anew (dtrace-watch setup --helper)`
}

function processChannel(command: readonly [string, ...string[]]): Channel {
  const [file, ...args] = command
  // What programs print with system() goes where it would go in this process.
  const child: ChildProcess = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe', 1] })
  if (!isMainThread) letBeReaped(child)
  const [input, output, errors] = child.stdio as unknown as [Socket, Socket, Socket]
  let words = ''
  errors.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS)
    process.stderr.write(text)
  })
  errors.on('error', () => {})
  const all = [child, input, output, errors]
  const setRef = (what: 'ref' | 'unref') => () => {
    for (const one of all) one[what]?.()
  }
  return {
    input,
    output,
    kill: () => child.kill('SIGKILL'),
    ref: setRef('ref'),
    unref: setRef('unref'),
    onEnd(told) {
      const said = (): string => (words.trim() === '' ? '' : `; it said: ${words.trim()}`)
      child.once('error', (error) => {
        // One that can't be killed is not one that has ended.
        if (child.pid === undefined) told(`${file} can't be started: ${error.message}`)
      })
      // When all it wrote has been read, too.
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

function socketChannel(path: string): Channel {
  const socket = connect(path)
  return {
    input: socket,
    output: socket,
    kill: () => socket.destroy(),
    ref: () => socket.ref(),
    unref: () => socket.unref(),
    onEnd(told) {
      let why = `the helper at ${path} has closed the connection; its log says why`
      socket.once('error', (error) => {
        why = `the helper at ${path} can't be reached: ${error.message}`
      })
      socket.once('close', () => told(why))
    },
  }
}

/**
 * Asks every now and then, and finds that the other end hangs when no answer has come for too long, or one that says that
 * libdtrace does not return. While this process itself was held up, nothing is judged.
 */
function watchForHang(
  timeout: number,
  ask: () => void,
  found: (why: string) => void,
): { answered: (working: number) => void; end: () => void } {
  const interval = timeout / 3
  let last = performance.now()
  let turn = last
  const timer = setInterval(() => {
    const now = performance.now()
    const late = now - turn > interval * 1.5
    turn = now
    if (late) last = now
    else if (now - last > timeout) {
      clearInterval(timer)
      found(`it has not answered for ${Math.round(timeout)} ms, and was killed`)
      return
    }
    ask()
  }, interval)
  timer.unref()
  return {
    answered(working) {
      last = performance.now()
      if (working > timeout) {
        clearInterval(timer)
        found(`libdtrace has been inside dtrace_work() for ${working} ms, and was killed`)
      }
    },
    end: () => clearInterval(timer),
  }
}

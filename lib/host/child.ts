/**
 * A session in a process of its own: what goes wrong inside libdtrace there ends that process, and this one is told. Or in a
 * helper that has the privileges which this process lacks.
 */
import type { NativeReceive } from '../native.js'
import { encodeCommand, PacketKind } from './commands.js'
import type { Receive, SessionHost } from './host.js'
import type { NativeFailure, NativeMessage } from './messages.js'
import { frameCommand, PROTOCOL } from './packets.js'
import { connectPeer, type Helper, NO_HOST } from './peer.js'

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

/** @throws `ERR_DTRACE_ADDON_NOT_FOUND`, `ERR_DTRACE_HOST_EXITED` */
export function childHost(receive: Receive, { helper, hangTimeout }: ChildHostOptions): SessionHost {
  let disposed = false
  let gone = false
  let greeted = false
  let batches = 0

  const arrived: NativeReceive = (json, data, offset, length) => {
    if (disposed) return
    if (!greeted) {
      greeted = true
      const problem = problemOf(json)
      if (problem !== undefined) peer.kill(problem)
      return
    }
    const message = json === undefined ? undefined : (JSON.parse(json) as NativeMessage)
    if (message?.type === 'reply' && message.id === PING) {
      watch.answered(message.value as number)
      return
    }
    if (message?.type === 'ended') return
    if (message?.type === 'fault') send(TOOK_FAULT)
    if (message === undefined) {
      batches = (batches + 1) % BATCHES_REPORTED
      if (batches === 0) send(TOOK_BATCHES)
    }
    try {
      receive(message, data, offset, length)
    } catch (error) {
      // A listener has thrown. That is an uncaught exception, as with any EventEmitter; the session goes on.
      process.nextTick(() => {
        throw error
      })
    }
  }
  const peer = connectPeer(helper, arrived, (reason, lost) => {
    gone = true
    watch.end()
    if (disposed) return
    const failure: NativeFailure = { code: 'ERR_DTRACE_HOST_EXITED', reason, errno: 0 }
    receive({ type: 'gone', failure, lost }, undefined, 0, 0)
  })
  const send = (command: Uint8Array): void => peer.write(frameCommand(command))
  const watch = watchForHang(
    hangTimeout,
    () => send(encodeCommand('ping', PING, [])),
    (why) => peer.kill(why),
  )

  return {
    kind: 'process',
    send(command) {
      if (gone) throw new Error('the host is gone')
      send(command)
    },
    dispose() {
      disposed = true
      watch.end()
      peer.end()
      peer.unref()
    },
    ref: () => peer.ref(),
    unref: () => peer.unref(),
  }
}

/** What is wrong with a greeting. */
function problemOf(greeting: string | undefined): string | undefined {
  const protocol = /^\{"type":"hello","protocol":(\d+)\}$/.exec(greeting ?? '')?.[1]
  if (protocol === undefined) return NO_HOST
  if (Number(protocol) === PROTOCOL) return undefined
  return `it speaks protocol ${protocol}, and this package ${PROTOCOL}: make the helper anew (dtrace-watch setup --helper)`
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

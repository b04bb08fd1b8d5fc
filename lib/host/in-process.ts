/** A session in this process: the least overhead, and one at a time. */
import { isMainThread } from 'node:worker_threads'
import { atExit } from '../at-exit.js'
import { DTraceError } from '../errors.js'
import { loadAddon, type NativeConsumer } from '../native.js'
import type { Receive, SessionHost } from './host.js'
import type { NativeMessage } from './messages.js'

/** Whoever replaces timers for a test replaces them for everybody who looks them up later. */
const { setImmediate } = globalThis

/** The last session of this thread that is over for its consumer; libdtrace may still have something of it to free. */
let ending: { native: NativeConsumer; end: Promise<void> } | undefined

/** When what was disposed of in this thread is gone: only then may the next session start. */
export async function inProcessFree(): Promise<void> {
  if (ending === undefined) return
  // Whoever waits for it keeps the process alive.
  ending.native.ref()
  await ending.end
}

/** @throws `ERR_DTRACE_BUSY`, `ERR_DTRACE_ADDON_NOT_FOUND` */
export function inProcessHost(receive: Receive): SessionHost {
  const { NativeConsumer } = loadAddon()
  let native: NativeConsumer
  let ended: () => void = () => {}
  const end = new Promise<void>((resolve) => {
    ended = resolve
  })
  try {
    native = new NativeConsumer(
      (json, data, offset, length) => {
        const message = json === undefined ? undefined : (JSON.parse(json) as NativeMessage)
        if (message?.type === 'ended') {
          forgetExit()
          ended()
        } else receive(message, data, offset, length)
      },
      () => setImmediate(() => native.turn()),
    )
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DTRACE_BUSY') throw error
    throw new DTraceError(
      'ERR_DTRACE_BUSY',
      "another consumer is open in this process, and libdtrace allows one at a time: close() it first, or open this one with host: 'process' (or 'auto')",
    )
  }
  // Node runs an addon's own hooks when the event loop ends by itself, but not at process.exit() or an uncaught exception;
  // probes would be left behind. A worker's end is not the process's: there the hook does it.
  const forgetExit = isMainThread ? atExit(() => native.dispose(true)) : () => {}
  let disposed = false
  return {
    kind: 'in-process',
    send: (command) => native.send(command),
    dispose(processEnds) {
      disposed = true
      native.dispose(processEnds)
      if (processEnds) forgetExit()
      else ending = { native, end }
    },
    // From then on it is for those who wait for its end.
    ref: () => disposed || native.ref(),
    unref: () => disposed || native.unref(),
  }
}

/** A session in this process: the least overhead, and one at a time. */
import { DTraceError } from '../errors.js'
import { loadAddon, type NativeConsumer } from '../native.js'
import type { Receive, SessionHost } from './host.js'
import type { NativeMessage } from './messages.js'

/** @throws `ERR_DTRACE_BUSY`, `ERR_DTRACE_ADDON_NOT_FOUND` */
export function inProcessHost(receive: Receive): SessionHost {
  const { NativeConsumer } = loadAddon()
  let native: NativeConsumer
  try {
    native = new NativeConsumer((json, data, offset, length) =>
      receive(json === undefined ? undefined : (JSON.parse(json) as NativeMessage), data, offset, length),
    )
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_DTRACE_BUSY') throw error
    throw new DTraceError(
      'ERR_DTRACE_BUSY',
      "another consumer is open in this process, and libdtrace allows one at a time: close() it first, or open this one with host: 'process' (or 'auto')",
    )
  }
  return {
    kind: 'in-process',
    send: (command) => native.send(command),
    dispose: (processEnds) => native.dispose(processEnds),
    ref: () => native.ref(),
    unref: () => native.unref(),
  }
}

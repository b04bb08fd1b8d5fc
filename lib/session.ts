/**
 * One native session: commands as promises, messages handed on in order. Knows the wire, not the API.
 */
import { isMainThread } from 'node:worker_threads'
import { DTraceError, type DTraceErrorCode } from './errors.js'
import { loadAddon, type NativeConsumer, type NativeFailure, type NativeMessage } from './native.js'

/** Everything but the replies. */
export type SessionMessage =
  | Exclude<NativeMessage, ArrayBuffer | { type: 'reply' }>
  | { type: 'batch'; data: ArrayBuffer }

type Command = 'open' | 'setOption' | 'getOption' | 'compile' | 'enable' | 'go' | 'stop' | 'close'
type Arguments<Name extends Command> =
  Parameters<NativeConsumer[Name]> extends [number, ...infer Rest] ? Rest : never

/** Turns a failed command into an error that says what to do; the session adds libdtrace's words to it. */
export type Explain = (failure: NativeFailure) => string

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: DTraceError) => void
  explain: Explain
}

export class Session {
  readonly #native: NativeConsumer
  readonly #pending = new Map<number, Pending>()
  #next = 0
  #busy = false
  #keepAlive = true
  // Node runs an addon's own hooks when the event loop ends by itself, but not at process.exit() or an uncaught exception;
  // probes would be left behind. A worker's end is not the process's: there the hook does it.
  readonly #leave = (): void => {
    if (isMainThread) this.#native.dispose(true)
  }

  /** @throws `ERR_DTRACE_BUSY`, `ERR_DTRACE_ADDON_NOT_FOUND` */
  constructor(receive: (message: SessionMessage) => void) {
    const addon = loadAddon()
    try {
      this.#native = new addon.NativeConsumer((message) => {
        if (message instanceof ArrayBuffer) receive({ type: 'batch', data: message })
        else if (message.type === 'reply') this.#settle(message)
        else receive(message)
      })
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_DTRACE_BUSY') throw error
      throw new DTraceError(
        'ERR_DTRACE_BUSY',
        'another consumer is open in this process, and libdtrace allows one at a time: close() it first, or use another process',
      )
    }
    process.on('exit', this.#leave)
  }

  /** Sends a command to the DTrace thread. */
  request<Value, Name extends Command>(name: Name, args: Arguments<Name>, explain: Explain): Promise<Value> {
    const id = this.#next++
    const promise = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, explain })
    })
    this.#updateRef()
    const command = this.#native[name] as (id: number, ...rest: unknown[]) => void
    try {
      command.call(this.#native, id, ...args)
    } catch (error) {
      this.#pending
        .get(id)
        ?.reject(new DTraceError('ERR_DTRACE_STATE', 'the consumer is closed', { cause: error }))
      this.#pending.delete(id)
      this.#updateRef()
    }
    return promise as Promise<Value>
  }

  /** Ends the thread. After a close, or a failed open. */
  dispose(): void {
    process.off('exit', this.#leave)
    this.#native.dispose()
    // The thread answers no more.
    for (const { reject } of this.#pending.values())
      reject(new DTraceError('ERR_DTRACE_STATE', 'the consumer is closed'))
    this.#pending.clear()
    this.#updateRef()
  }

  /** While tracing, the session keeps the event loop alive, unless it was told not to. */
  setBusy(busy: boolean): void {
    this.#busy = busy
    this.#updateRef()
  }

  setKeepAlive(keepAlive: boolean): void {
    this.#keepAlive = keepAlive
    this.#updateRef()
  }

  #updateRef(): void {
    if (this.#pending.size > 0 || (this.#busy && this.#keepAlive)) this.#native.ref()
    else this.#native.unref()
  }

  #settle({ id, failure, value }: Extract<NativeMessage, { type: 'reply' }>): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#updateRef()
    if (failure === undefined) pending.resolve(value)
    else pending.reject(errorOf(failure, pending.explain(failure)))
  }
}

/** libdtrace's words end the message, after what they mean here. */
export function errorOf(failure: NativeFailure, meaning: string): DTraceError {
  const code: DTraceErrorCode = failure.code
  const detail = failure.errno === 0 ? {} : { errno: failure.errno }
  return new DTraceError(code, meaning, { ...detail, reason: failure.reason })
}

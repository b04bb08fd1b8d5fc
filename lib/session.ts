/**
 * One session: commands as promises, messages handed on in order. Knows how they travel, not what they are for.
 */
import { DTraceError } from './errors.js'
import {
  type CommandArguments,
  type CommandName,
  type CommandResults,
  encodeCommand,
} from './host/commands.js'
import type { Receive, SessionHost } from './host/host.js'
import type { NativeFailure, NativeReply, SessionMessage } from './host/messages.js'
import { isLeaving } from './leaving.js'

/** Turns a failed command into an error that says what to do; the session adds libdtrace's words to it. */
export type Explain = (failure: NativeFailure) => string | DTraceError

/** What a command gives, with the bytes that came beside it. */
export interface Answer<Value> {
  value: Value
  data: ArrayBuffer | undefined
}

interface Pending {
  resolve: (answer: Answer<unknown>) => void
  reject: (error: DTraceError) => void
  explain: Explain
}

export class Session {
  readonly #host: SessionHost
  readonly #pending = new Map<number, Pending>()
  #next = 0
  #busy = false
  #disposed = false
  #keepAlive = true
  #gone: DTraceError | undefined

  /** @throws what `start` throws */
  constructor(start: (receive: Receive) => SessionHost, receive: (message: SessionMessage) => void) {
    this.#host = start((message, data, offset, length) => {
      if (message === undefined) {
        if (data !== undefined) receive({ type: 'batch', data, offset, length })
      } else if (message.type === 'reply') this.#settle(message, data)
      else {
        if (message.type === 'gone') {
          this.#gone = errorOf(message.failure, explainGone(message.failure))
          this.#rejectAll(this.#gone)
        }
        receive(message)
      }
    })
  }

  /** Where it runs. */
  get kind(): SessionHost['kind'] {
    return this.#host.kind
  }

  /** Sends a command to the DTrace thread. */
  async request<Name extends CommandName>(
    name: Name,
    args: CommandArguments[Name],
    explain: Explain,
  ): Promise<CommandResults[Name]> {
    return (await this.requestWithData(name, args, explain)).value
  }

  /** The same, for commands that answer with bytes, too. */
  requestWithData<Name extends CommandName>(
    name: Name,
    args: CommandArguments[Name],
    explain: Explain,
  ): Promise<Answer<CommandResults[Name]>> {
    // Whoever asks later, such as one who is still reading a listing: the host has nobody to answer any more.
    if (this.#disposed) return Promise.reject(new DTraceError('ERR_DTRACE_STATE', 'the consumer is closed'))
    const id = this.#next++
    const promise = new Promise<Answer<unknown>>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, explain })
    })
    this.#updateRef()
    try {
      this.#host.send(encodeCommand(name, id, args))
    } catch (error) {
      this.#pending
        .get(id)
        ?.reject(
          this.#gone ?? new DTraceError('ERR_DTRACE_STATE', 'the consumer is closed', { cause: error }),
        )
      this.#pending.delete(id)
      this.#updateRef()
    }
    return promise as Promise<Answer<CommandResults[Name]>>
  }

  /** Ends it, without waiting: what it still has to free is freed behind. After a close, or a failed open. */
  dispose(): void {
    this.#disposed = true
    this.#host.dispose(isLeaving())
    // The thread answers no more.
    this.#rejectAll(new DTraceError('ERR_DTRACE_STATE', 'the consumer is closed'))
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

  #rejectAll(error: DTraceError): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    this.#updateRef()
  }

  #updateRef(): void {
    if (this.#pending.size > 0 || (this.#busy && this.#keepAlive)) this.#host.ref()
    else this.#host.unref()
  }

  #settle({ id, failure, value }: NativeReply, data: ArrayBuffer | undefined): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#updateRef()
    if (failure === undefined) pending.resolve({ value, data })
    else pending.reject(errorOf(failure, pending.explain(failure)))
  }
}

/** Of a session whose process has ended. */
export function explainGone({ reason }: NativeFailure): string {
  return `the process that traced has ended: ${reason}; close() the consumer and open another`
}

/** libdtrace's words end the message, after what they mean here. */
export function errorOf(failure: NativeFailure, meaning: string | DTraceError): DTraceError {
  if (typeof meaning !== 'string') return meaning
  const detail = failure.errno === 0 ? {} : { errno: failure.errno }
  return new DTraceError(failure.code, meaning, { ...detail, reason: failure.reason })
}

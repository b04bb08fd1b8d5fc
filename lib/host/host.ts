/**
 * Where a session runs. A host takes commands and brings messages, both as they travel; it knows nothing of what they mean.
 */
import type { NativeEnd, NativeMessage } from './messages.js'

/**
 * Takes each message in order. Without a message, `data` has a batch of records, `length` bytes at `offset`; else it is what
 * comes beside the message.
 */
export type Receive = (
  message: Exclude<NativeMessage, NativeEnd> | undefined,
  data: ArrayBuffer | undefined,
  offset: number,
  length: number,
) => void

export interface SessionHost {
  readonly kind: 'in-process' | 'process'
  /** @throws when the session has ended */
  send(command: Uint8Array): void
  /**
   * Ends the session, without waiting. With `true` at the end of the process, in any state: waits until the probes are taken away, and
   * leaves the memory to the kernel.
   */
  dispose(processEnds: boolean): void
  /** Keeps the event loop alive, or lets it end. */
  ref(): void
  unref(): void
}

/**
 * AbortSignals. What libdtrace is doing can't be left in the middle: a call that is aborted rejects with the signal's reason when
 * all that it began has been taken away.
 */
import { addAbortListener } from 'node:events'
import { DTraceError } from './errors.js'

/** What everything takes that can be aborted. */
export interface Abortable {
  /** Aborts it: it rejects with the signal's reason, and leaves nothing behind. */
  signal?: AbortSignal
}

/**
 * @param name of the option, for the message
 * @throws DTraceError `ERR_DTRACE_ARGUMENT` for what is no signal; the signal's reason when it is aborted already
 */
export function checkSignal(signal: unknown, name = 'signal'): void {
  if (signal === undefined) return
  if (!(signal instanceof AbortSignal))
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `${name} is an AbortSignal, not ${typeof signal}`)
  signal.throwIfAborted()
}

/** Calls the listener when the signal aborts. @returns what takes the listener away */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  const listening = addAbortListener(signal, listener)
  return () => listening[Symbol.dispose]()
}

/**
 * Does a piece of work that has no way out in the middle.
 *
 * @param undo takes away what the work began; is begun when the signal aborts, and waited for
 * @throws the signal's reason, after that
 */
export async function abortable<Value>(
  signal: AbortSignal | undefined,
  work: () => Promise<Value>,
  undo: () => Promise<void>,
): Promise<Value> {
  checkSignal(signal)
  let undone: Promise<void> | undefined
  const ignore = onAbort(signal, () => {
    undone = undo()
  })
  try {
    const value = await work()
    if (undone === undefined) return value
  } catch (error) {
    if (undone === undefined) throw error
  } finally {
    ignore()
  }
  await undone
  throw signal?.reason
}

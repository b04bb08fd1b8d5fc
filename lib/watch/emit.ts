import type { EventEmitter } from 'node:events'

/**
 * Emits an event. What a listener throws becomes an uncaught exception, as with any emitter that is driven from outside; but
 * it does so a moment later, so that where the process lives on it has cost nobody else an event: not the rest of a batch,
 * and not an action that was carried out already.
 *
 * @returns whether anybody listens
 */
export function emitApart(emitter: EventEmitter, name: string, ...args: unknown[]): boolean {
  try {
    return emitter.emit(name, ...args)
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
    return true
  }
}

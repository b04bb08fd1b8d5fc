/**
 * What a consumer does, for `node:diagnostics_channel`: a service's monitoring sees every consumer in the process without having
 * one in its hands. Without subscribers nothing is published; records are not, in any case.
 */
import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { Consumer } from './consumer.js'
import type { Drop, Fault } from './consumer-events.js'
import type { Int64 } from './record/decoder.js'

/** Operations that have a tracing channel: `tracing:dtrace-consumer:go:start` and so on. */
export type Operation = 'open' | 'compile' | 'enable' | 'go' | 'stop' | 'close'

/** What subscribers of a tracing channel get; the same object at start, end, asyncStart, asyncEnd and error. */
export interface OperationMessage {
  /** Undefined while it is being opened. */
  consumer?: Consumer<Int64>
  /** `open`: its options. */
  options?: unknown
  /** `compile`: what is compiled. */
  source?: unknown
  /** What the call gave, at its end. */
  result?: unknown
  /** Why it failed. */
  error?: unknown
}

/** What subscribers of the other channels get, beside `consumer`. */
export interface EventMessages {
  drop: { drop: Drop }
  fault: { fault: Fault }
  exit: { status: number }
  /** Tracing itself has died. */
  error: { error: Error }
}

type OperationChannel = TracingChannel<unknown, OperationMessage>

const operations: { readonly [Name in Operation]: OperationChannel } = {
  open: tracingChannel('dtrace-consumer:open'),
  compile: tracingChannel('dtrace-consumer:compile'),
  enable: tracingChannel('dtrace-consumer:enable'),
  go: tracingChannel('dtrace-consumer:go'),
  stop: tracingChannel('dtrace-consumer:stop'),
  close: tracingChannel('dtrace-consumer:close'),
}

const events: { readonly [Name in keyof EventMessages]: Channel } = {
  drop: channel('dtrace-consumer:drop'),
  fault: channel('dtrace-consumer:fault'),
  exit: channel('dtrace-consumer:exit'),
  error: channel('dtrace-consumer:error'),
}

/** Does a piece of work that subscribers of its channel see. */
export function traced<Value>(
  name: Operation,
  message: OperationMessage,
  work: () => Promise<Value>,
): Promise<Value> {
  const { start, end, asyncStart, asyncEnd, error } = operations[name]
  const watched = [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers)
  return watched ? operations[name].tracePromise(work, message) : work()
}

export function publish<Name extends keyof EventMessages>(
  name: Name,
  consumer: Consumer<Int64>,
  message: EventMessages[Name],
): void {
  if (events[name].hasSubscribers) events[name].publish({ consumer, ...message })
}

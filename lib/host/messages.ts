/**
 * What a session says. `native/protocol.cc` writes it, as JSON; a batch of records comes bare.
 */
import type { DTraceErrorCode } from '../errors.js'

/** What a probe is called. */
export interface NativeProbe {
  id: number
  provider: string
  module: string
  function: string
  name: string
}

/** Why a command failed: a code, libdtrace's words, and its error number. */
export interface NativeFailure {
  code: DTraceErrorCode
  reason: string
  errno: number
}

/** One recorded value of a statement, see `native/statement.h`. */
export interface NativeField {
  kind: number
  /** `DTRACEACT_…` */
  action: number
  /** Bytes in the kernel's record. */
  size: number
  /** Where it is in the record on the wire. */
  offset: number
  argument: number
  /** The format of the `printf` that begins with this value. */
  format?: string
}

/** The layout of a statement's records. */
export interface NativeLayout {
  /** Bytes of one record on the wire. */
  size: number
  fields: NativeField[]
  /** Where a record has its text, and its flow and depth; only when they were asked for. */
  text?: number
  flow?: number
}

/** An aggregation variable, as a snapshot has it. */
export interface NativeAggregationVariable {
  id: number
  /** With its `@`. */
  name: string
  /** `count`, `sum`, … */
  action: string
  /** A decimal number of 64 bits, as the next one is. */
  signature: string
  normal: string
  epoch: number
  /** Bytes of a value. */
  size: number
  printed: boolean
}

/** A snapshot of aggregations: what its rows are; the rows are the batch beside it. */
export interface NativeAggregations {
  variables: NativeAggregationVariable[]
  /** By the source number of a record. The last fields are the values of these variables, the others are the key. */
  layouts: { layout: NativeLayout; variables: number[] }[]
}

/** A command has ended. */
export interface NativeReply {
  type: 'reply'
  id: number
  failure?: NativeFailure
  /** What the command gives, see {@link CommandResults} of `commands.ts`. */
  value?: unknown
}

/** Everything that is no answer to a command, in the order in which it happened. */
export type SessionMessage =
  /** `length` bytes at `offset` of `data`, in which other batches may be, too. */
  | { type: 'batch'; data: ArrayBuffer; offset: number; length: number }
  | {
      type: 'source'
      source: number
      statement: number
      program?: number
      probe: NativeProbe
      layout?: NativeLayout
    }
  | { type: 'drop'; kind: string; cpu: number; count: number; total: number; message: string }
  | {
      type: 'fault'
      count: number
      probe: NativeProbe
      cpu: number
      fault: number
      name: string
      /** A decimal number, which may be past 2^53. */
      address: string
      message: string
    }
  | { type: 'option'; probe: NativeProbe; name: string; value: number; previous: number }
  | { type: 'exit'; status: number }
  /** A process that was started or held is no more. */
  | { type: 'process'; pid: number; status?: number; signal?: number }
  | { type: 'died'; failure: NativeFailure }
  /** The host of the session is no more; `lost`: records that are known to have gone with it. */
  | { type: 'gone'; failure: NativeFailure; lost: number }

/** Everything that the session had is freed: its last message. */
export interface NativeEnd {
  type: 'ended'
}

export type NativeMessage = NativeReply | NativeEnd | Exclude<SessionMessage, { type: 'batch' }>

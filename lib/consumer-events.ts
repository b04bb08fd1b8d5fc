/**
 * What a consumer tells besides its records.
 */
import type { DTraceError } from './errors.js'
import type { ProcessEnd } from './processes.js'
import type { RecordBatch } from './record/batch.js'
import type { DTraceRecord, Probe } from './record/decoder.js'

/** Records that are lost. */
export interface Drop {
  /**
   * `'principal'`, `'aggregation'`, `'dynamic'`, `'speculation'`, … as in DTrace; `'reader'`: a `for await` reader was too slow;
   * `'host'`: the child process ended while it was sending them; `'missed'`: the kernel did not run a probe's program, since it had
   * interrupted another one on the same CPU. Whether it would have recorded anything is not known.
   */
  kind: string
  /** The CPU in whose buffer there was no room; undefined where it is not one CPU's. */
  cpu: number | undefined
  /** Records dropped since the last such event. */
  count: number
  /** Records of this kind dropped since go(). */
  total: number
  message: string
}

/** An error in a clause: the firing recorded nothing, tracing goes on. */
export interface Fault {
  /** This error, and those since the last event that came too fast to be told one by one. */
  count: number
  probe: Probe
  cpu: number
  /** `DTRACEFLT_…` */
  fault: number
  /** Its name, e.g. `invalid address`. */
  name: string
  /** The address, where the fault is about one. */
  address: bigint
  message: string
}

/** An option that the program has set by itself, with `setopt()`. */
export interface OptionChange {
  probe: Probe
  name: string
  /** Bytes, nanoseconds or a count; a flag as 1 or 0; undefined where it is not set. */
  value: number | undefined
  previous: number | undefined
}

/** Counts since the consumer was opened. */
export interface ConsumerStats {
  records: number
  batches: number
  /** Bytes of batches, on the wire between the threads. */
  bytes: number
  /** Records dropped, of all kinds. */
  drops: number
  /** Errors in clauses. */
  errors: number
  /** Milliseconds spent decoding. */
  decodeTime: number
}

/** Tracing goes on in another child process, after one has ended before its time. */
export interface Restart {
  /** Why that one ended: `ERR_DTRACE_HOST_EXITED`. */
  error: DTraceError
  /** Restarts so far, this one included. */
  count: number
  /** Milliseconds in which nothing was traced. */
  gap: number
}

export interface ConsumerEvents {
  batch: [RecordBatch<DTraceRecord>]
  drop: [Drop]
  fault: [Fault]
  option: [OptionChange]
  exit: [{ status: number }]
  restart: [Restart]
  process: [ProcessEnd]
  error: [DTraceError]
  close: []
}

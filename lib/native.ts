/**
 * The addon, and the declaration of everything that it exports. `native/to_js.cc` makes the messages.
 */
import { createRequire } from 'node:module'
import { DTraceError, type DTraceErrorCode } from './errors.js'
import { packageRoot } from './platform/locate.js'

/** What a probe is called, as the addon sends it. */
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
}

/** What the program matched. */
export interface Enabled {
  /** Probes matched, over all clauses. */
  matches: number
  aggregations: number
  /** Actions that record something. */
  recordGenerators: number
  speculations: number
}

/** What comes from the DTrace thread; a batch of records comes bare. */
export type NativeMessage =
  | ArrayBuffer
  | { type: 'reply'; id: number; failure?: NativeFailure; value?: string | number | Enabled }
  | { type: 'source'; source: number; statement: number; probe: NativeProbe; layout?: NativeLayout }
  | { type: 'drop'; kind: string; cpu: number; count: number; total: number; message: string }
  | {
      type: 'fault'
      count: number
      probe: NativeProbe
      cpu: number
      fault: number
      name: string
      address: bigint
      message: string
    }
  | { type: 'exit'; status: number }
  | { type: 'died'; failure: NativeFailure }

/**
 * A session and its thread. Every command answers with a `reply` message that carries the command's number; the other
 * messages come in the order in which things happened.
 */
export interface NativeConsumer {
  /** Loads the library, opens it, sets the options (`[name, value, name, value, …]`), and initialises. */
  open(id: number, path: string, preload: string[], options: (string | null)[]): void
  setOption(id: number, name: string, value: string | null): void
  getOption(id: number, name: string): void
  /** Answers with the number of the program. `flags`: `DTRACE_C_…`. */
  compile(id: number, source: string, args: string[], flags: number): void
  enable(id: number, program: number): void
  go(id: number): void
  stop(id: number): void
  close(id: number): void
  /**
   * Ends the thread: after a close, or a failed open. At the end of the process, with `true`, in any state: only the probes are
   * taken away then, and the memory is left to the kernel.
   */
  dispose(processEnds?: boolean): void
  /** Keeps the event loop alive, or lets it end. */
  ref(): void
  unref(): void
}

/** What the addon exports. */
export interface NativeAddon {
  /** @throws an error with code `ERR_DTRACE_BUSY` while another session is live in this process */
  NativeConsumer: new (
    receive: (message: NativeMessage) => void,
  ) => NativeConsumer
  /** What libdtrace is called on this platform. */
  libraryName: string
  /** See `native/signal_probe.h`. */
  signalProbe(a: bigint, b: bigint, c: bigint, d: bigint): boolean
}

let addon: NativeAddon | undefined

/**
 * Loads the addon: the one built in the checkout, else the one prebuilt for this platform.
 *
 * @throws `ERR_DTRACE_ADDON_NOT_FOUND`
 */
export function loadAddon(): NativeAddon {
  if (addon === undefined) {
    try {
      const load = createRequire(import.meta.url)('node-gyp-build') as (folder: string) => NativeAddon
      addon = load(packageRoot)
    } catch (cause) {
      throw new DTraceError(
        'ERR_DTRACE_ADDON_NOT_FOUND',
        `the native addon is missing or does not load on ${process.platform}-${process.arch}: in a checkout run ` +
          '`scripts/setup`; as a dependency run `npm rebuild dtrace-consumer` (it needs a C++ compiler and dtrace.h)',
        { cause, reason: cause instanceof Error ? cause.message : String(cause) },
      )
    }
  }
  return addon
}

/**
 * The addon, and the declaration of everything that it exports.
 */
import { createRequire } from 'node:module'
import { DTraceError } from './errors.js'
import { packageRoot } from './platform/locate.js'

/** A session in this process, and its thread. */
export interface NativeConsumer {
  /** A command as `lib/host/commands.ts` writes it. @throws an error with code `ERR_DTRACE_STATE` after {@link dispose} */
  send(command: Uint8Array): void
  /** To be called when `afterTurn` was, and everything else of the event loop has had its turn: what waits for that goes on. */
  turn(): void
  /**
   * Ends the thread, which goes on behind until all is freed; the last message says so. At the end of the process, with `true`, in any
   * state: waits until the probes are taken away, and leaves the memory to the kernel.
   */
  dispose(processEnds?: boolean): void
  /** Keeps the event loop alive, or lets it end. */
  ref(): void
  unref(): void
}

/**
 * Called for each message, in order: JSON as `lib/host/messages.ts` declares it, bytes beside it, or both. Bytes alone are a batch of
 * records: `length` of them at `offset`, in memory in which other batches are, too.
 */
export type NativeReceive = (
  json: string | undefined,
  data: ArrayBuffer | undefined,
  offset: number,
  length: number,
) => void

/** Reads what a session in another process says. */
export interface NativeChannel {
  /** Delivers at once what has come. Not while something is delivered. */
  drain(): void
  /** Nothing more is read. Any number of times. */
  close(): void
  /** The records of a batch of which a part has come: at the end, they are lost. */
  unfinishedRecords(): number
  /** Keeps the event loop alive, or lets it end. */
  ref(): void
  unref(): void
}

/** What the addon exports. */
export interface NativeAddon {
  /**
   * `afterTurn` is called once in a turn of the event loop in which many messages come, of which those that have no room in 2 ms
   * wait: see {@link NativeConsumer.turn}.
   *
   * @throws an error with code `ERR_DTRACE_BUSY` while another session is live in this process
   */
  NativeConsumer: new (
    receive: NativeReceive,
    afterTurn: () => void,
  ) => NativeConsumer
  /**
   * Reads from a copy of the descriptor, a socket. `ended` is called once, when no more will come, but not after
   * {@link NativeChannel.close}. `trouble`: what came last is no message, or there is no memory for it.
   *
   * @throws what the system says
   */
  NativeChannel: new (
    descriptor: number,
    receive: NativeReceive,
    ended: (trouble: 'foreign' | 'memory' | undefined) => void,
  ) => NativeChannel
  /** Two sockets that are connected with each other, as descriptors. @throws what the system says */
  socketPair(): [number, number]
  /** Of those that this process has and no object. */
  closeSocket(descriptor: number): void
  /** A socket that is connected with whoever listens at this path, as a descriptor. @throws what the system says */
  connectTo(path: string): number
  /** What libdtrace is called on this platform. */
  libraryName: string
  /** A child that this thread has started, or whose end it has been told of: see `native/reaper.h`. */
  watchChild(pid: number, isThere: boolean): void
  /** See `native/signal_probe.h`. */
  signalProbe(a: bigint, b: bigint, c: bigint, d: bigint): boolean
  /** See `native/kernel_symbol.h`. */
  hasKernelSymbol(name: string): Promise<boolean>
  /** Microseconds of this process' children that have ended. See `native/children_usage.h`. */
  childrenUsage(): { user: number; system: number }
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

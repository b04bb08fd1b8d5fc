import { DTraceError, type DTraceErrorCode } from '../errors.js'

/** What `dtrace-watch` ends with; documented in its help. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  unavailable: 3,
  forced: 130,
} as const

export const EXIT_CODE_HELP = `
Exit status:
  0    done, or stopped by Ctrl-C or SIGTERM
  1    failed while running: the session died, or the last of what happened could not be told or delivered
  2    an option, argument or D program that can't be used
  3    DTrace is not available: no libdtrace, no permission, no tracefs (dtrace-watch doctor says what to do)
  130  a second Ctrl-C: stopped at once, what is not delivered yet is lost
`

const UNAVAILABLE: ReadonlySet<DTraceErrorCode> = new Set<DTraceErrorCode>([
  'ERR_DTRACE_LIBRARY_NOT_FOUND',
  'ERR_DTRACE_ADDON_NOT_FOUND',
  'ERR_DTRACE_LIBRARY_VERSION',
  'ERR_DTRACE_PERMISSION',
  'ERR_DTRACE_TRACEFS',
  'ERR_DTRACE_UNSUPPORTED',
  'ERR_DTRACE_SETUP',
])

const USAGE: ReadonlySet<DTraceErrorCode> = new Set<DTraceErrorCode>([
  'ERR_DTRACE_ARGUMENT',
  'ERR_DTRACE_OPTION',
  'ERR_DTRACE_TARGET',
  'ERR_DTRACE_COMPILE',
])

/** The exit code for an error that ended a subcommand. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof DTraceError)) return exitCodes.failure
  if (UNAVAILABLE.has(error.code)) return exitCodes.unavailable
  return USAGE.has(error.code) ? exitCodes.usage : exitCodes.failure
}

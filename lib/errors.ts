/**
 * Every code that a {@link DTraceError} can carry. `docs/errors.md` says for each what causes it and what to do.
 */
export type DTraceErrorCode =
  | 'ERR_DTRACE_LIBRARY_NOT_FOUND'
  | 'ERR_DTRACE_ADDON_NOT_FOUND'
  | 'ERR_DTRACE_LIBRARY_VERSION'
  | 'ERR_DTRACE_PERMISSION'
  | 'ERR_DTRACE_TRACEFS'
  | 'ERR_DTRACE_OPEN'
  | 'ERR_DTRACE_COMPILE'
  | 'ERR_DTRACE_ENABLE'
  | 'ERR_DTRACE_OPTION'
  | 'ERR_DTRACE_ARGUMENT'
  | 'ERR_DTRACE_STATE'
  | 'ERR_DTRACE_BUSY'
  | 'ERR_DTRACE_RANGE'
  | 'ERR_DTRACE_RECORD'
  | 'ERR_DTRACE_SESSION'
  | 'ERR_DTRACE_HOST_EXITED'
  | 'ERR_DTRACE_UNSUPPORTED'
  | 'ERR_DTRACE_TARGET'
  | 'ERR_DTRACE_PROCESS'
  | 'ERR_DTRACE_SETUP'

export interface DTraceErrorDetail {
  /** `errno` as libdtrace or the kernel gave it. */
  errno?: number
  /** libdtrace's own words, unchanged. */
  reason?: string
  /** Where a program does not compile. */
  line?: number
  file?: string
  tag?: string
  cause?: unknown
}

/** The one error class of this package. Its message says what is wrong and what to do next. */
export class DTraceError extends Error {
  override readonly name = 'DTraceError'
  readonly code: DTraceErrorCode
  readonly errno: number | undefined
  /** libdtrace's own message where there is one. */
  readonly reason: string | undefined
  /** The line of a D program that does not compile, from 1; undefined where libdtrace does not tell. */
  readonly line: number | undefined
  /** The file that this line is in: the program's own, or one that it includes. */
  readonly file: string | undefined
  /** libdtrace's tag of the error: `D_SYNTAX`, `D_PDESC_ZERO`, … (dt_errtags.h). */
  readonly tag: string | undefined

  constructor(code: DTraceErrorCode, message: string, detail: DTraceErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.errno = detail.errno
    this.reason = detail.reason
    this.line = detail.line
    this.file = detail.file
    this.tag = detail.tag
  }
}

import ms from 'ms'
import { DTraceError } from '../errors.js'

/** A length of time: milliseconds as a number, or a string with a unit that `ms` knows: `'60s'`, `'1.5 min'`, `'250ms'`. */
export type Duration = number | string

/** setTimeout turns anything longer into 1 ms, which would make a slow watcher a frantic one. */
const LONGEST = 2 ** 31 - 1

/**
 * Milliseconds of a {@link Duration}.
 *
 * @param what name of the option, for the message
 * @throws DTraceError `ERR_DTRACE_ARGUMENT`
 */
export function parseDuration(value: Duration, what: string, least = 1): number {
  const parsed = typeof value === 'string' && value.trim() !== '' ? ms(value.trim() as ms.StringValue) : value
  if (typeof parsed !== 'number' || !Number.isFinite(parsed)) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `${what}: ${JSON.stringify(value)} is not a length of time; write for instance '60s', '2m', '500ms', or a number of milliseconds`,
    )
  }
  if (parsed < least || parsed > LONGEST) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `${what}: ${JSON.stringify(value)} is out of range; it must be between ${least} ms and ${ms(LONGEST)}`,
    )
  }
  return parsed
}

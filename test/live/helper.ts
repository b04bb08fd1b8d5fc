/** What live tests share. */
import { describe, inject } from 'vitest'
import type {} from './setup.js'

/**
 * `describe` for tests that need DTrace: where it can't be used they are skipped, and the reason is printed once for the
 * whole suite. Under `npm test` and in CI (`CI` or `DTRACE_CONSUMER_REQUIRE_LIVE` set) a skip is a failure instead: a suite
 * that quietly tests nothing is worse than a red one.
 *
 * @example
 * const describe = requireDTrace()
 * describe('a consumer', () => { … })
 */
export function requireDTrace(): typeof describe | typeof describe.skip {
  const reason = inject('dtraceUnavailable')
  if (reason === '') return describe
  if (process.env.CI || process.env.DTRACE_CONSUMER_REQUIRE_LIVE)
    throw new Error(`live tests can't run: ${reason}`)
  return describe.skip
}

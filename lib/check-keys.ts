/** Options that nobody knows are a mistake of spelling, and would be passed over in silence otherwise. */
import { DTraceError } from './errors.js'

/**
 * @param what takes the options
 * @throws `ERR_DTRACE_ARGUMENT`
 */
export function checkKeys(what: string, given: unknown, known: Readonly<Record<string, true>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `${what} takes an object of options, not ${String(given)}`)
  }
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(known, key))
  if (unknown === undefined) return
  throw new DTraceError(
    'ERR_DTRACE_ARGUMENT',
    `${what} has no option '${unknown}': there are ${Object.keys(known).join(', ')}`,
  )
}

/** Runs the load generator and returns what it says it made: `{ made, seconds, perSecond }`. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** At full speed even the slowest machine makes more than this in a second; past it the generator hangs. */
const SLOWEST = 10_000
const SPARE_MS = 60_000

/**
 * @param {string} program
 * @param {'open' | 'missing' | 'latency'} kind
 * @param {Record<string, string | number | boolean>} options as load.c has them; false leaves one out
 */
export async function runLoad(program, kind, options) {
  const args = Object.entries(options)
    .filter(([, value]) => value !== false)
    .flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]))
  const { count = 0, seconds = 0, rate = 0 } = options
  const timeout = SPARE_MS + 2_000 * (seconds + count / (rate || SLOWEST))
  const { stdout } = await promisify(execFile)(program, [kind, ...args], { timeout, killSignal: 'SIGKILL' })
  return JSON.parse(stdout)
}

/** Runs the load generator and returns what it says it made: `{ made, seconds, perSecond }`. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** @param {string} program @param {'open' | 'latency'} kind @param {Record<string, string | number | true>} options */
export async function runLoad(program, kind, options) {
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  )
  const { stdout } = await promisify(execFile)(program, [kind, ...args])
  return JSON.parse(stdout)
}

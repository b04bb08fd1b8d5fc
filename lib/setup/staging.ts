/**
 * A set-up's folder appears at once and whole: it is made beside its place and renamed.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DTraceError } from '../errors.js'
import { isAlive } from '../platform/alive.js'

/** A folder beside the one that is wanted, so that a rename can bring it there; those of dead processes are removed. */
export function makeStaging(prefix: string): string {
  const parent = dirname(prefix)
  const start = `${basename(prefix)}.new-`
  try {
    mkdirSync(parent, { recursive: true })
    for (const name of readdirSync(parent)) {
      if (!name.startsWith(start)) continue
      if (!isAlive(Number(name.slice(start.length))))
        rmSync(join(parent, name), { recursive: true, force: true })
    }
    const staging = join(parent, `${start}${process.pid}`)
    rmSync(staging, { recursive: true, force: true })
    mkdirSync(staging)
    return staging
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `${parent} can't be written to: ${(cause as Error).message}. Name a folder of your own (--prefix), and that same folder in DTRACE_CONSUMER_LIBDTRACE.`,
      { cause },
    )
  }
}

/** Puts the finished folder in the place of an older one. */
export function activate(staging: string, prefix: string): void {
  const old = `${staging}.old`
  if (existsSync(prefix)) renameSync(prefix, old)
  renameSync(staging, prefix)
  rmSync(old, { recursive: true, force: true })
}

/** Finds out once, before any live test file is loaded, whether DTrace can be used here, and says it once if not. */
import { readFileSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { locateLibrary } from '../../lib/platform/locate.js'
import { tracefsReachable } from '../../lib/setup/tracefs.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why live tests can't run; empty when they can. */
    dtraceUnavailable: string
  }
}

/** Bits of CapEff in /proc/PID/status, from linux/capability.h. */
const CAP_SYS_ADMIN = 21n
const CAP_PERFMON = 38n
const CAP_BPF = 39n

export function setup(project: TestProject): void {
  const reason = findProblem()
  project.provide('dtraceUnavailable', reason)
  if (reason !== '') console.warn(`live suite skipped: ${reason}`)
}

function findProblem(): string {
  if (process.platform !== 'linux') return `no live tests are written for ${process.platform}`
  try {
    locateLibrary()
  } catch (error) {
    return (error as Error).message
  }
  const capabilities = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  )
  const has = (capability: bigint) => (capabilities & (1n << capability)) !== 0n
  if (!has(CAP_SYS_ADMIN) && !(has(CAP_BPF) && has(CAP_PERFMON)))
    return 'tracing needs root, or CAP_BPF and CAP_PERFMON'
  if (!tracefsReachable())
    return 'tracefs is not at /sys/kernel/debug/tracing (as root: scripts/setup mounts it)'
  return ''
}

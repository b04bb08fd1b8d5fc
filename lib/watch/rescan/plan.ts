/**
 * The rescan watcher's two probe plans. `vfs` probes the functions of the kernel's VFS layer, through which every change goes
 * whoever makes it, and sees exact dentries; it needs fbt probes. `syscall` probes system calls, which every kernel offers.
 */
import { readFile } from 'node:fs/promises'
import { DTraceError } from '../../errors.js'
import { scriptFile } from '../watcher.js'

export type RescanPlan = 'vfs' | 'syscall'

export const RESCAN_PLANS = ['auto', 'vfs', 'syscall'] as const

/** The D programs. */
const SCRIPTS: Readonly<Record<RescanPlan, string>> = { vfs: 'rescan-vfs.d', syscall: 'rescan.d' }

/** The functions that fbt has probes of; libdtrace reads it as well. */
const FUNCTIONS = '/sys/kernel/debug/tracing/available_filter_functions'

export interface PlanChoice {
  readonly plan: RescanPlan
  /** Why it is this one. */
  readonly reason: string
}

/**
 * @throws DTraceError `ERR_DTRACE_UNSUPPORTED` when the plan that is asked for isn't possible here, or there is none for this
 * platform
 */
export async function choosePlan(wanted: (typeof RESCAN_PLANS)[number] = 'auto'): Promise<PlanChoice> {
  scriptFile(SCRIPTS.syscall)
  if (wanted === 'syscall') return { plan: 'syscall', reason: 'as asked for' }
  const obstacle = await vfsObstacle()
  if (obstacle === undefined) {
    const reason = wanted === 'vfs' ? 'as asked for' : 'the kernel has fbt probes of its VFS layer'
    return { plan: 'vfs', reason }
  }
  if (wanted === 'auto') return { plan: 'syscall', reason: obstacle }
  throw new DTraceError(
    'ERR_DTRACE_UNSUPPORTED',
    `the plan 'vfs' is not possible here: ${obstacle}; use 'syscall', or 'auto' for the best that is possible`,
  )
}

export function planScript(plan: RescanPlan): string {
  return SCRIPTS[plan]
}

/** What to do when the VFS plan, chosen by itself, turns out not to work: undefined when it isn't the plan's fault. */
export function fallBack(error: unknown): PlanChoice | undefined {
  if (!(error instanceof DTraceError)) return undefined
  if (error.code !== 'ERR_DTRACE_COMPILE' && error.code !== 'ERR_DTRACE_ENABLE') return undefined
  return { plan: 'syscall', reason: `the plan 'vfs' failed: ${error.message}` }
}

/** Why the VFS plan isn't possible; undefined when it is. */
async function vfsObstacle(): Promise<string | undefined> {
  let available: string
  try {
    available = await readFile(FUNCTIONS, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT'
      ? `there are no fbt probes: ${FUNCTIONS} is missing (debugfs is not mounted, or the kernel lacks CONFIG_FUNCTION_TRACER)`
      : `there are no fbt probes: ${FUNCTIONS} may not be read (${code})`
  }
  const missing = await missingFunctions(available)
  return missing.length === 0 ? undefined : `there are no fbt probes of ${missing.join(', ')}`
}

/**
 * The functions that the script probes and the kernel has no probe of: the compiler that built it may have inlined them.
 *
 * @param available the kernel's list, `name` or `name [module]` a line
 */
export async function missingFunctions(available: string): Promise<string[]> {
  const script = await readFile(scriptFile(SCRIPTS.vfs), 'utf8')
  const names = new Set([...script.matchAll(/^fbt:vmlinux:(\w+):/gm)].map((match) => match[1] as string))
  return [...names].filter((name) => !`\n${available}`.includes(`\n${name}\n`))
}

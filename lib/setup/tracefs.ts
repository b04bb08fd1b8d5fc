/** tracefs, without which libdtrace has next to no probes. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'

/** Where libdtrace 2 looks; mounting debugfs brings it there. */
const DEBUGFS = '/sys/kernel/debug'
const TRACEFS = '/sys/kernel/debug/tracing'

export interface TracefsState {
  /** `ready`: it was there; `mounted`: it was mounted now; `unreachable`: see `reason`. */
  state: 'ready' | 'mounted' | 'unreachable'
  /** What is wrong and what to do. */
  reason?: string
}

/** Whether tracefs is where libdtrace looks for it, and may be read by this process. */
export function tracefsReachable(): boolean {
  try {
    accessSync(`${TRACEFS}/available_events`, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** By the table of mounts: below debugfs an ordinary user can't even see what exists. */
function isMounted(): boolean {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return mounts.some((line) => [DEBUGFS, TRACEFS].includes(line.split(' ')[1] ?? ''))
}

/**
 * Makes tracefs reachable where that takes no more than a mount: as root, debugfs is mounted at `/sys/kernel/debug`. It is
 * said before it is done, and it is the one thing that set-up changes on a host; it lasts until the next boot.
 */
export function ensureTracefs(log: (message: string) => void = () => {}): TracefsState {
  if (process.platform !== 'linux' || tracefsReachable()) return { state: 'ready' }
  if (process.getuid?.() !== 0) {
    return {
      state: 'unreachable',
      reason: isMounted()
        ? `${TRACEFS} can't be read by this user: run as root, or with CAP_DAC_OVERRIDE, CAP_BPF, CAP_PERFMON and CAP_SYSLOG.`
        : `tracefs isn't mounted at ${TRACEFS}. As root: mount -t debugfs debugfs ${DEBUGFS}`,
    }
  }
  const failures: string[] = []
  // With debugfs mounted already but without tracefs in it (an odd set-up, or a container), tracefs itself is tried.
  for (const [type, where] of [
    ['debugfs', DEBUGFS],
    ['tracefs', TRACEFS],
  ] as const) {
    if (type === 'debugfs' && existsSync(TRACEFS)) continue
    log(`mounting ${type} at ${where}, where libdtrace looks for tracefs (until the next boot)`)
    const { error, status, stderr } = spawnSync('mount', ['-t', type, type, where], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    if (tracefsReachable()) return { state: 'mounted' }
    if (error !== undefined || status !== 0) failures.push((error?.message ?? stderr).trim())
  }
  return {
    state: 'unreachable',
    reason:
      `tracefs can't be mounted at ${TRACEFS}: ${failures.join('; ') || 'it stays empty'}. ` +
      'In a container, start it with --privileged or with the host’s /sys/kernel/debug; the kernel needs CONFIG_FTRACE and CONFIG_DEBUG_FS.',
  }
}

/**
 * What can be known before libdtrace is asked, and what libdtrace would answer with a crash or with no probes at all.
 */
import { accessSync, constants } from 'node:fs'
import { DTraceError } from './errors.js'
import { checkPrivileges } from './platform/checks.js'
import { removeStaleFolders } from './platform/leftovers.js'

/** Where libdtrace 2.0 looks for tracefs. */
const TRACEFS = '/sys/kernel/debug/tracing'

/**
 * To be called when this process has no other session: what is left of one is taken away.
 *
 * Elsewhere than on Linux there is nothing to do: the kernel ends an enabling with its consumer, and libdtrace says itself what it
 * lacks.
 *
 * @throws `ERR_DTRACE_PERMISSION`, `ERR_DTRACE_TRACEFS`
 */
export function preflight(platform: NodeJS.Platform = process.platform): void {
  if (platform !== 'linux') return

  const privileges = checkPrivileges()
  if (privileges.status === 'fail') {
    throw new DTraceError(
      'ERR_DTRACE_PERMISSION',
      `no permission to use DTrace: ${privileges.detail}; ${privileges.advice}`,
    )
  }
  try {
    accessSync(`${TRACEFS}/uprobe_events`, constants.W_OK)
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_TRACEFS',
      `tracefs is not at ${TRACEFS}, and without it there are no probes: as root, run ` +
        '`mount -t debugfs debugfs /sys/kernel/debug` (in a container: give it the host’s /sys/kernel/debug)',
      { cause },
    )
  }
  removeStaleFolders()
}

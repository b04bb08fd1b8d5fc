/** Which host a session gets. */
import { DTraceError } from '../errors.js'
import { childHost } from './child.js'
import type { Receive, SessionHost } from './host.js'
import { inProcessFree, inProcessHost } from './in-process.js'
import type { Helper } from './peer.js'

/** Where a session runs: see `OpenOptions.host`. */
export type HostChoice = 'auto' | 'in-process' | 'process'

export interface HostOptions {
  host: HostChoice
  helper: Helper | undefined
  /** Milliseconds. */
  hangTimeout: number
}

/** One that was closed before this one may still have something to free, for some seconds. */
export async function hostFree({ host, helper }: HostOptions): Promise<void> {
  if (host !== 'process' && helper === undefined) await inProcessFree()
}

/** @throws `ERR_DTRACE_BUSY`, `ERR_DTRACE_ADDON_NOT_FOUND`, `ERR_DTRACE_HOST_EXITED` */
export function startHost(receive: Receive, { host, ...options }: HostOptions): SessionHost {
  if (host === 'process' || options.helper !== undefined) return childHost(receive, options)
  try {
    return inProcessHost(receive)
  } catch (error) {
    if (host === 'auto' && error instanceof DTraceError && error.code === 'ERR_DTRACE_BUSY')
      return childHost(receive, options)
    throw error
  }
}

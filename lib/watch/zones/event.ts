/** What a zone monitor tells. */
import type { Runtime } from '../../platform/containers.js'
import type { WatcherEvents } from '../watcher.js'

export const ZONE_EVENTS = ['present', 'boot', 'shutdown', 'failed'] as const

/**
 * - `present`: was up already when the monitor started, or when it looked after a drop
 * - `boot`: executes its first command
 * - `shutdown`: its first process has ended; exactly one for each `present` and each `boot`
 * - `failed`: its first process has ended without any command having been executed
 */
export type ZoneEventKind = (typeof ZONE_EVENTS)[number]

/** Something happened to a zone. What a system doesn't have is absent. */
export interface ZoneEvent {
  event: ZoneEventKind
  /** Milliseconds since 1970, with fractions; of `present`, when it was listed. */
  timestamp: number
  /**
   * Linux: inode number of the PID namespace, illumos: zone id, FreeBSD: jail id. Systems use it again when the zone has gone, at
   * once.
   */
  zone_id: number
  /** The container's name where its runtime gave it one, else its hostname. */
  zone_name: string
  runtime: Runtime
  /** The runtime's id of a container: what Docker, Podman and Kubernetes call it, in full. */
  container_id?: string
  /** Its UTS nodename. */
  hostname?: string
  /** Path of its cgroup, from the root of the hierarchy; `/` where it has none of its own. */
  cgroup?: string
  /** Its first process, as the host sees it. */
  init_pid?: number
  /** 1 for a zone of the host, 2 for a zone in such a zone. */
  level?: number
  /** The zone that it is in; of a zone of the host, the host's own id. */
  parent_zone_id?: number
  /** Real user of the first process, as the host sees it. */
  uid?: number
  /** The kernel's name of the process that booted, or at whose end it shut down. */
  execname?: string
  /** What it executes: the arguments with blanks between them, at most 1023 bytes. */
  command?: string
  /** The command line of the process that made its first one: who boots it. */
  creator?: string
  /** `shutdown`, `failed`: what the first process ended with, if not a signal. */
  exit_status?: number
  /** `shutdown`, `failed`: the signal that ended it, e.g. `'SIGKILL'`. */
  signal?: string
  /**
   * It was not seen, since records were dropped: a look at /proc showed afterwards that the zone is up (`present`), or is no more
   * (`shutdown`, without how it ended and `uptime`). `timestamp` is of that look.
   */
  inferred?: true
  /** The kernel ended it because memory was short. */
  oom?: true
  /**
   * Milliseconds that it was up: from boot to shutdown. Of one that was up already, from when its first process was made; at
   * `present`, until now.
   */
  uptime?: number
}

/** Events of a zone monitor. */
export interface ZoneMonitorEvents extends WatcherEvents {
  zone: [ZoneEvent]
}

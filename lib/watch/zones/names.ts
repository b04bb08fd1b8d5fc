/** What a zone is called on Linux: the rules, and a memory for watchers that meet the same zones again and again. */
import { readFileSync } from 'node:fs'
import { containerName } from '../../platform/container-names.js'
import { containerOf, plainContainer, type Runtime, runtimeOf } from '../../platform/containers.js'
import { ociStateOf } from '../../platform/oci-state.js'

/** The initial PID namespace's inode number: PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h. */
export const HOST_ZONE = 0xeffffffc

/** The digits of a long id that runtimes show to people. */
const SHORT = 12

/** What is known of a zone. */
export interface ZoneEvidence {
  /** Paths of its cgroups, the best one first. */
  cgroups: readonly string[]
  /** They are other ones than its parent process'. */
  own?: boolean
  /** Its UTS nodename. */
  nodename: string
  /** Who made its first process: the kernel's name of it, and its command line. */
  creator?: { execname: string; command: string } | undefined
  /** Its first process, as the host sees it. */
  init_pid?: number | undefined
}

/** What a zone is called. */
export interface ZoneIdentity {
  zone_name: string
  runtime: Runtime
  /** The runtime's id of the container, in full. */
  container_id?: string
}

/**
 * What a zone is called: after its cgroup if that says whose it is; what runc or crun wrote down, or how they were called; else its
 * nodename.
 */
export function identify({ cgroups, own = true, nodename, creator, init_pid }: ZoneEvidence): ZoneIdentity {
  for (const cgroup of cgroups) {
    const container = containerOf(cgroup)
    if (container === undefined) continue
    const { runtime, id } = container
    return { zone_name: containerName(container) ?? id.slice(0, SHORT), runtime, container_id: id }
  }
  const runtime = creator === undefined ? undefined : runtimeOf(creator.execname)
  const oci = runtime === 'runc' || runtime === 'crun'
  const guess =
    (oci ? idArgument(creator?.command ?? '') : undefined) ??
    (own ? cgroups.map(plainContainer).find((name) => name !== undefined) : undefined)
  // Where it is not known who made it, it may have been them.
  const state =
    init_pid !== undefined && (oci || creator === undefined) ? ociStateOf(init_pid, guess) : undefined
  if (state !== undefined) return { zone_name: state.id, runtime: state.runtime, container_id: state.id }
  if (oci && guess !== undefined) return { zone_name: guess, runtime, container_id: guess }
  return { zone_name: nodename, runtime: runtime ?? 'namespace' }
}

/** crun(1) and runc(8): `crun [OPTION…] run|create [OPTION…] CONTAINER`, and what a container may be called. */
function idArgument(command: string): string | undefined {
  return /^\S*\b(?:crun|runc) (?:.* )?(?:run|create) (?:.* )?(?<id>\w[\w+.-]*)$/s.exec(command)?.groups?.id
}

/**
 * The cgroups of a process that is not in the root of their hierarchy, from /proc/PID/cgroup (cgroups(7)): that of the unified
 * hierarchy first, then the deepest of the others.
 *
 * @param pid as the host sees it
 */
export function cgroupsOf(pid: number): string[] {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    // It has ended.
    return []
  }
  let unified: string | undefined
  let deepest = ''
  for (const line of text.split('\n')) {
    // 0::/system.slice/docker-4f1c….scope, or 7:pids:/docker/4f1c…
    const [, hierarchy, path] = /^(\d+):[^:]*:(\/.*)$/.exec(line) ?? []
    if (path === undefined || path === '/') continue
    if (hierarchy === '0') unified = path
    else if (depth(path) > depth(deepest)) deepest = path
  }
  return [unified, deepest].filter((path) => path !== undefined && path !== '') as string[]
}

function depth(path: string): number {
  return path === '' ? 0 : path.split('/').length
}

/** A process's zone, as a D program sees it. */
export interface ZoneOfProcess {
  /** Inode number of its PID namespace. */
  zone_id: number
  /** The process, as the host sees it. */
  pid: number
  /** Its UTS nodename. */
  nodename: string
  /** The path of its cgroup, or its last name alone. Default: as /proc has it, if the process still runs. */
  cgroup?: string
  /** The namespace's first process, as the host sees it: `child_reaper->tgid`. Its cgroup is the container's own. */
  init_pid?: number
  /**
   * When that process was started (`child_reaper->start_boottime`). The kernel gives a namespace's number to another one as soon as it
   * has gone; with this, names are kept for as long as the zone lasts; without, for a second.
   */
  init_start?: bigint
}

interface Known {
  name: string
  until: number
}

/** How long a name is believed where the number alone says which zone it is, in milliseconds. */
const BELIEF = 1000
/** The most names that are kept. */
const MOST = 10_000

/**
 * The names of zones as {@link ZoneMonitor} has them, for watchers of other things.
 *
 * @example
 * names.name({ zone_id: 4026532180, pid: 4711, nodename: 'b7d0f1', init_pid: 4711, init_start: 12308294343591n }) // 'web'
 */
export class ZoneNames {
  readonly #known = new Map<string, Known>()

  name(zone: ZoneOfProcess): string {
    const { zone_id, nodename, init_start } = zone
    if (zone_id === HOST_ZONE) return nodename
    const key = `${zone_id} ${init_start ?? ''} ${nodename}`
    const now = performance.now()
    const known = this.#known.get(key)
    if (known !== undefined && known.until > now) return known.name
    const { name, sure } = this.#look(zone)
    // Of a zone that has just gone, or has not been given its cgroup yet, the next look may say more.
    const until = sure && init_start !== undefined ? Number.POSITIVE_INFINITY : now + BELIEF
    this.#known.delete(key)
    this.#known.set(key, { name, until })
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value as string)
    return name
  }

  #look({ pid, nodename, cgroup, init_pid }: ZoneOfProcess): { name: string; sure: boolean } {
    const given = cgroup === undefined ? [] : [cgroup]
    const { zone_name, container_id } = identify({
      // The first process's own comes before that of a process that may be anywhere in the container.
      cgroups: [...given, ...cgroupsOf(init_pid ?? pid)],
      nodename,
      init_pid,
    })
    return { name: zone_name, sure: container_id !== undefined }
  }
}

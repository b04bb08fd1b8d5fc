/** What a zone is called on Linux: the rules, and a memory for watchers that meet the same zones again and again. */
import { containerName } from '../../platform/container-names.js'
import { containerOf, plainContainer, type Runtime, runtimeOf } from '../../platform/containers.js'
import { ociStateOf } from '../../platform/oci-state.js'
import { commandOf, readProcess, statOf } from '../../platform/process.js'

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
  // By words, since a command line may have megabytes of them: a pattern for all of it would go through it again and again.
  const [program = '', ...words] = command.split(' ')
  const id = words.pop()
  if (id === undefined || !/(?:^|\W)(?:crun|runc)$/.test(program)) return undefined
  return words.some((word) => word === 'run' || word === 'create') && /^\w[\w+.-]*$/.test(id) ? id : undefined
}

/** Its maker, by a process that may be it: the first process until it executes something, and its parent process. */
export function creatorBy(pid: number): { execname: string; command: string } | undefined {
  const execname = statOf(pid)?.comm
  // A process of another kind only takes care of it, since the one that made it has ended.
  if (execname === undefined || runtimeOf(execname) === undefined) return undefined
  return { execname, command: commandOf(pid) }
}

/** A process' cgroups: those that it doesn't share with its parent process first, and whether there are any. */
export function ownCgroups(pid: number, ppid: number): { cgroups: string[]; own: boolean } {
  const shared = new Set(cgroupsOf(ppid))
  const cgroups = cgroupsOf(pid)
  const own = cgroups.filter((cgroup) => !shared.has(cgroup))
  return { cgroups: [...own, ...cgroups.filter((cgroup) => shared.has(cgroup))], own: own.length > 0 }
}

/**
 * The cgroups of a process that is not in the root of their hierarchy, from /proc/PID/cgroup (cgroups(7)): that of the unified
 * hierarchy first, then the deepest of the others.
 *
 * @param pid as the host sees it
 */
export function cgroupsOf(pid: number): string[] {
  let unified: string | undefined
  let deepest = ''
  for (const line of readProcess(pid, 'cgroup').split('\n')) {
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
    const first = init_pid ?? pid
    const stat = statOf(first)
    // What a runtime does before the container's command: it has not written down anything yet, and the nodename is the host's.
    const creator = stat === undefined || stat.executed ? undefined : creatorBy(first)
    const { cgroups, own } = ownCgroups(first, stat?.ppid ?? 0)
    const { zone_name, container_id } = identify({
      // The first process's own comes before that of a process that may be anywhere in the container.
      cgroups: [...cgroups, ...(cgroup === undefined ? [] : [cgroup])],
      own: own || creator === undefined,
      nodename,
      creator,
      init_pid,
    })
    return { name: zone_name, sure: container_id !== undefined && creator === undefined }
  }
}

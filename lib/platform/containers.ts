/**
 * Containers by their cgroups: the path that each runtime gives a container of its own, as its source or manual says. One table
 * serves cgroup v1, v2 and hybrid: a runtime names a container alike in every hierarchy.
 */

/** What made a zone. `namespace` is a PID namespace that none of the others made: unshare, bubblewrap, a browser's sandbox. */
export type Runtime =
  | 'runc'
  | 'crun'
  | 'docker'
  | 'podman'
  | 'lxc'
  | 'systemd-nspawn'
  | 'kubernetes'
  | 'namespace'
  | 'zone'
  | 'jail'

export const RUNTIMES: readonly Runtime[] = [
  'runc',
  'crun',
  'docker',
  'podman',
  'lxc',
  'systemd-nspawn',
  'kubernetes',
  'namespace',
  'zone',
  'jail',
]

/** A container as its cgroup names it. */
export interface Container {
  runtime: Runtime
  /** 64 hexadecimal digits with Docker, Podman and Kubernetes; else the name that its user gave it. */
  id: string
  /** Where the part of the path ends that is the container's: what follows are cgroups inside it. */
  end: number
}

interface Pattern {
  runtime: Runtime
  /** Applied to a cgroup's path; its group `id` is the container's. */
  path: RegExp
  /** The id is a systemd unit's name, escaped as systemd.unit(5) says. */
  unit?: true
  source: string
}

/** Of two that end at the same place in a path, the first one is meant. */
export const PATTERNS: readonly Pattern[] = [
  {
    runtime: 'kubernetes',
    path: /\/(?:[^/]+-)?kubepods(?:[-.][^/]*)?(?:\/[^/]+)*?\/(?:(?:cri-containerd|crio|docker)-)?(?<id>[0-9a-f]{64})(?:\.scope)?(?=\/|$)/g,
    source:
      'kubelet: pkg/kubelet/cm (kubepods, kubepods.slice); cri-o and containerd give the last part, with the systemd driver a scope, with cgroupfs the bare id',
  },
  {
    runtime: 'kubernetes',
    path: /(?:^|\/)cri-containerd-(?<id>[0-9a-f]{64})\.scope(?=\/|$)/g,
    source: 'containerd: getCgroupsPath() of its CRI plugin, `slice:cri-containerd:id`',
  },
  {
    runtime: 'kubernetes',
    path: /(?:^|\/)crio-(?<id>[0-9a-f]{64})(?:\.scope)?(?=\/|$)/g,
    source: 'CRI-O: internal/config/cgmgr, `crio-id`; the monitor is in crio-conmon-id',
  },
  {
    runtime: 'docker',
    path: /(?:^|\/)docker-(?<id>[0-9a-f]{64})\.scope(?=\/|$)/g,
    source: 'moby: daemon/oci_linux.go, WithCgroups(): `slice:docker:id` with the systemd driver',
  },
  {
    runtime: 'docker',
    path: /\/docker\/(?<id>[0-9a-f]{64})(?=\/|$)/g,
    source: 'moby: daemon/oci_linux.go, WithCgroups(): `/docker/id` with the cgroupfs driver',
  },
  {
    runtime: 'podman',
    path: /(?:^|\/)libpod-(?:payload-)?(?<id>[0-9a-f]{64})(?:\.scope)?(?=\/|$)/g,
    source:
      'podman: libpod/container_internal_linux.go, getOCICgroupPath(): `slice:libpod:id`, `libpod-id`, `libpod-payload-id`; the monitor is in libpod-conmon-id',
  },
  {
    runtime: 'lxc',
    path: /(?:^|\/)lxc\.payload[./](?<id>[^/]+)(?=\/|$)/g,
    source: 'LXC 4 and newer, Incus, LXD: src/lxc/cgroups/cgroup.h, DEFAULT_PAYLOAD_CGROUP_PREFIX',
  },
  {
    runtime: 'lxc',
    path: /^\/lxc\/(?<id>[^/]+)(?=\/|$)/g,
    source: 'LXC 3 and older: lxc.system.conf(5), lxc.cgroup.pattern',
  },
  {
    runtime: 'systemd-nspawn',
    // libvirt's machines (machine-qemu, machine-lxc, with a number) are registered at the same place.
    path: /(?:^|\/)machine-(?!(?:qemu|lxc|xen|bhyve)\\x2d\d)(?<id>[^/]+)\.scope(?=\/|$)/g,
    unit: true,
    source: 'systemd: machined makes machine-NAME.scope (org.freedesktop.machine1(5))',
  },
  {
    runtime: 'systemd-nspawn',
    path: /(?:^|\/)systemd-nspawn@(?<id>[^/]+)\.service(?=\/|$)/g,
    unit: true,
    source:
      'systemd-nspawn(1), --keep-unit: the template unit systemd-nspawn@.service, which machinectl starts',
  },
  {
    runtime: 'runc',
    path: /(?:^|\/)runc-(?<id>[^/]+)\.scope(?=\/|$)/g,
    source: 'runc: libcontainer/specconv, `slice:runc:id` with the systemd driver',
  },
  {
    runtime: 'crun',
    path: /(?:^|\/)crun-(?<id>[^/]+)\.scope(?=\/|$)/g,
    source: 'crun: src/libcrun/cgroup-systemd.c, `crun-id.scope` with --systemd-cgroup',
  },
]

/**
 * The container that a cgroup belongs to; the innermost of nested ones.
 *
 * @param cgroup a path as in /proc/PID/cgroup, or its last part alone, which does for runtimes that say who they are in it
 * @example
 * containerOf('/system.slice/docker-4f1c….scope/init') // { runtime: 'docker', id: '4f1c…', … }
 */
export function containerOf(cgroup: string): Container | undefined {
  let found: Container | undefined
  for (const { runtime, path, unit } of PATTERNS) {
    for (const match of cgroup.matchAll(path)) {
      const end = match.index + match[0].length
      const id = match.groups?.id
      if (id === undefined || (found !== undefined && found.end >= end)) continue
      found = { runtime, id: unit ? unescapeUnit(id) : id, end }
    }
  }
  return found
}

/** Programs whose child becomes a container's first process, by the kernel's name of the process. */
const CREATORS: readonly { runtime: Runtime; execname: RegExp; source: string }[] = [
  {
    runtime: 'runc',
    execname: /^runc(?::\[\d:[A-Z]+\])?$/,
    source:
      'runc: libcontainer/nsenter/nsexec.c names its stages runc:[0:PARENT], runc:[1:CHILD], runc:[2:INIT]',
  },
  { runtime: 'crun', execname: /^(?:lib)?crun$/, source: 'crun(1)' },
  {
    runtime: 'lxc',
    execname: /^(?:lxc-(?:start|execute)|\[lxc monitor\])/,
    source: 'lxc-start(1), lxc-execute(1)',
  },
  { runtime: 'systemd-nspawn', execname: /^(?:systemd-nspawn|\(sd-)/, source: 'systemd-nspawn(1)' },
]

/** The runtime whose process this is. */
export function runtimeOf(execname: string): Runtime | undefined {
  return CREATORS.find((creator) => creator.execname.test(execname))?.runtime
}

/**
 * Whether the container's command is executed by its first process. What other processes in it execute earlier are hooks then; in a
 * sandbox of bubblewrap's kind it is the command itself.
 */
export function executesFirst(runtime: Runtime): boolean {
  return runtime !== 'namespace'
}

/** A systemd unit or the group of a login: made by systemd, not by a container runtime. */
const UNIT = /\.(?:scope|service|slice|mount|socket|swap)$/

/**
 * The name that runc and crun give a container's cgroup when they are left to themselves: its id, below the cgroup of their own
 * (runc: libcontainer/cgroups/fs, crun: src/libcrun/cgroup-cgroupfs.c). Nothing in it says whose it is, so this is to be
 * asked only for a cgroup that is known to be a container's.
 */
export function plainContainer(cgroup: string): string | undefined {
  const name = cgroup.slice(cgroup.lastIndexOf('/') + 1)
  return name === '' || UNIT.test(name) ? undefined : name
}

/** `\x2d` is a hyphen: systemd.unit(5), String escaping for inclusion in unit names. */
function unescapeUnit(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

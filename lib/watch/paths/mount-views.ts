/**
 * What is mounted where, in each mount namespace that something happens in. A namespace is seen through a process in it, so
 * it is looked at when it is first heard of, and remembered when its last process has gone: what happened in it is often
 * told only then.
 */
import { readdirSync } from 'node:fs'
import { type Mount, MountTable } from './mount-table.js'
import { readLink } from './resolve-path.js'

/** A mount namespace. */
export interface MountView {
  readonly mounts: MountTable
  /** What to put before one of its paths to get there from this process; undefined when no process is left in it. */
  readonly prefix: string | undefined
}

interface View extends MountView {
  /** The mounts as they were before the last change that was heard of: records of what was before it may still come. */
  readonly before: MountTable | undefined
  readonly member: number | 'self' | undefined
  /** Until when it is taken as it is, without a look whether its member still lives. */
  until: number
}

/** A look at a namespace holds for this long, unless its mounts change, in milliseconds. */
const HOLDS = 1000
const MOST_VIEWS = 256
const MOST_UNKNOWN = 4096

export class MountViews {
  readonly #own: number
  readonly #views = new Map<number, View>()
  /** Namespaces without processes, and mounts that aren't in their namespace's table: not looked for again so soon. */
  readonly #notThere = new Map<string, number>()

  constructor() {
    this.#own = namespaceOf('self') ?? 0
  }

  /** Mounts have changed, or may have. They are read again when they are needed. */
  changed(): void {
    for (const view of this.#views.values()) view.until = 0
    this.#notThere.clear()
  }

  /**
   * The mounts of a namespace.
   *
   * @param namespace the inode number of the mount namespace
   * @param pid a process that is, or was, probably in it
   */
  view(namespace: number, pid: number): MountView | undefined {
    const now = performance.now()
    const known = this.#views.get(namespace)
    return known !== undefined && known.until > now ? known : this.#look(namespace, pid, now)
  }

  /** The mounts of this process' own namespace. */
  own(): MountView | undefined {
    return this.view(this.#own, process.pid)
  }

  /**
   * A mount by the kernel's number of it. Numbers are used again: `dev` must be the mounted file system's.
   *
   * @param namespace the mount namespace of the process that used it, where it most probably is
   */
  mount(id: number, dev: number, namespace: number, pid: number): Mount | undefined {
    this.view(namespace, pid)
    const found = this.#find(id, dev, namespace)
    if (found !== undefined) return found
    // Mounted since by something that isn't heard of (an automount).
    const now = performance.now()
    const key = `${namespace}:${id}`
    if ((this.#notThere.get(key) ?? 0) > now) return undefined
    this.#look(namespace, pid, now)
    const after = this.#find(id, dev, namespace)
    if (after === undefined) this.#remember(key, now)
    return after
  }

  /** In its namespace, or in any other: a descriptor, or a path through /proc, may lead into those. */
  #find(id: number, dev: number, namespace: number): Mount | undefined {
    const first = this.#views.get(namespace)
    const found = first && findIn(first, id, dev)
    if (found !== undefined) return found
    for (const view of this.#views.values()) {
      const elsewhere = view === first ? undefined : findIn(view, id, dev)
      if (elsewhere !== undefined) return elsewhere
    }
    return undefined
  }

  #look(namespace: number, pid: number, now: number): View | undefined {
    const known = this.#views.get(namespace)
    const member = this.#member(namespace, pid, known?.member, now)
    const fresh = member === undefined ? undefined : read(member)
    if (fresh === undefined) {
      if (known === undefined) return undefined
      const left = { ...known, member: undefined, prefix: undefined, until: now + HOLDS }
      this.#views.set(namespace, left)
      return left
    }
    const view: View = {
      mounts: fresh,
      before: known?.mounts,
      member,
      prefix: member === 'self' ? '' : `/proc/${member}/root`,
      until: now + HOLDS,
    }
    if (known === undefined && this.#views.size >= MOST_VIEWS) this.#views.clear()
    this.#views.set(namespace, view)
    return view
  }

  /** A process whose mount table has all of the namespace's mounts: one in a chroot(2) sees only those below its root. */
  #member(
    namespace: number,
    pid: number,
    before: number | 'self' | undefined,
    now: number,
  ): number | 'self' | undefined {
    if (namespace === this.#own) return 'self'
    for (const candidate of [before, pid]) {
      if (typeof candidate === 'number' && isMember(candidate, namespace)) return candidate
    }
    const key = `${namespace}`
    if ((this.#notThere.get(key) ?? 0) > now) return undefined
    for (const entry of readdirSync('/proc')) {
      const candidate = Number(entry)
      if (Number.isInteger(candidate) && isMember(candidate, namespace)) return candidate
    }
    this.#remember(key, now)
    return undefined
  }

  #remember(key: string, now: number): void {
    if (this.#notThere.size >= MOST_UNKNOWN) this.#notThere.clear()
    this.#notThere.set(key, now + HOLDS)
  }
}

function findIn({ mounts, before }: View, id: number, dev: number): Mount | undefined {
  const now = mounts.byId(id)
  if (now?.dev === dev) return now
  const then = before?.byId(id)
  return then?.dev === dev ? then : undefined
}

function read(member: number | 'self'): MountTable | undefined {
  try {
    const table = MountTable.read(member)
    // A process that is ending has none any more.
    return table.mounts.length === 0 ? undefined : table
  } catch {
    return undefined
  }
}

function isMember(pid: number, namespace: number): boolean {
  return namespaceOf(pid) === namespace && tryReadLink(`/proc/${pid}/root`) === '/'
}

/** Inode number of a process' mount namespace; undefined when it has ended. */
export function namespaceOf(pid: number | 'self'): number | undefined {
  const link = tryReadLink(`/proc/${pid}/ns/mnt`)
  return link === undefined ? undefined : Number(/\d+/.exec(link)?.[0])
}

function tryReadLink(path: string): string | undefined {
  try {
    return readLink(path)
  } catch {
    return undefined
  }
}

import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** libdtrace's own probes (BEGIN, END, …) of a consumer that ended without closing. */
export interface Leftover {
  /** The consumer's, in its own PID namespace. */
  pid: number
  /** As tracefs names them: `dt_1234_dtrace/BEGIN`. */
  events: string[]
}

const FOLDERS = ['/sys/kernel/debug/tracing', '/sys/kernel/tracing']

function uprobeEvents(): string | undefined {
  return FOLDERS.map((folder) => `${folder}/uprobe_events`).find((path) => existsSync(path))
}

/**
 * Entries in tracefs' `uprobe_events` whose consumer is no more: libdtrace takes them away in dtrace_close(), so one that
 * was killed leaves them behind until the next boot.
 *
 * @throws what readFileSync throws, without permission
 */
export function findLeftovers(alive: (pid: number) => boolean = isAlive): Leftover[] {
  const path = uprobeEvents()
  if (path === undefined) return []
  const found = new Map<number, string[]>()
  // "p:dt_1234_dtrace/BEGIN /usr/lib/…/libdtrace.so.2:0xded20"
  for (const [, event, owner] of readFileSync(path, 'utf8').matchAll(/^[pr]:((?:dt_(\d+)_)[^ ]+) /gm)) {
    const pid = Number(owner)
    if (event === undefined || alive(pid)) continue
    found.set(pid, [...(found.get(pid) ?? []), event])
  }
  return [...found].map(([pid, events]) => ({ pid, events }))
}

/**
 * Takes them away. One that is in use after all, by a consumer in a container whose pids aren't ours, is refused by the kernel
 * (EBUSY) and stays.
 *
 * @returns how many events were removed
 */
export function removeLeftovers(leftovers: readonly Leftover[]): number {
  const path = uprobeEvents()
  if (path === undefined) return 0
  let removed = 0
  for (const event of leftovers.flatMap(({ events }) => events)) {
    try {
      writeFileSync(path, `-:${event}\n`, { flag: 'a' })
      removed += 1
    } catch {
      // In use, or gone already.
    }
  }
  return removed
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * What a consumer leaves behind that was killed: its probes in tracefs, and folders of links for its session.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './alive.js'

/** libdtrace's own probes (BEGIN, END, …) of a consumer that ended without closing. */
export interface Leftover {
  /** The consumer's, in its own PID namespace. */
  pid: number
  /** As tracefs names them: `dt_1234_dtrace/BEGIN`. */
  events: string[]
}

const FOLDERS = ['/sys/kernel/debug/tracing', '/sys/kernel/tracing']
/** The second one is for fbt, on kernels where that uses kprobes. */
const FILES = ['uprobe_events', 'kprobe_events']

function eventFiles(): string[] {
  return FILES.flatMap((file) => {
    const path = FOLDERS.map((folder) => join(folder, file)).find((candidate) => existsSync(candidate))
    return path === undefined ? [] : [path]
  })
}

/**
 * Probes whose consumer is no more: libdtrace takes them away in dtrace_close(), so one that was killed leaves them behind
 * until the next boot.
 *
 * @throws what readFileSync throws, without permission
 */
export function findLeftovers(alive: (pid: number) => boolean = isAlive): Leftover[] {
  const found = new Map<number, string[]>()
  for (const path of eventFiles()) {
    // "p:dt_1234_dtrace/BEGIN /usr/lib/…/libdtrace.so.2:0xded20", or "r8:…" for a return.
    for (const [, event, owner] of readFileSync(path, 'utf8').matchAll(/^[pr]\d*:(dt_(\d+)_[^ ]+) /gm)) {
      const pid = Number(owner)
      if (event === undefined || alive(pid)) continue
      found.set(pid, [...(found.get(pid) ?? []), event])
    }
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
  let removed = 0
  for (const event of leftovers.flatMap(({ events }) => events)) {
    for (const path of eventFiles()) {
      try {
        writeFileSync(path, `-:${event}\n`, { flag: 'a' })
        removed += 1
        break
      } catch {
        // In the other file, in use, or gone already.
      }
    }
  }
  return removed
}

/** Start of the name of a session's own folder; the process's number and random letters follow. */
export const SESSION_FOLDER = 'dtrace-consumer-'

/** Removes the folders of sessions whose process is no more. */
export function removeStaleFolders(): void {
  // `native/platform/linux/procfs_view.cc` makes its folders in memory.
  for (const parent of [tmpdir(), '/dev/shm']) {
    if (!existsSync(parent)) continue
    for (const name of readdirSync(parent)) {
      const owner = /^dtrace-consumer-(?:proc-)?(\d+)-\w{6}$/.exec(name)?.[1]
      if (owner === undefined || isAlive(Number(owner))) continue
      try {
        rmSync(join(parent, name), { recursive: true, force: true })
      } catch {
        // Another user's.
      }
    }
  }
}

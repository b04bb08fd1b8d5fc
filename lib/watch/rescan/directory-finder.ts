/**
 * Finds directories by their inode numbers, when a tree is deeper than the kernel's walk and the process that made the
 * change has gone. It is rare and slow (each directory is looked at), so one search serves all who wait.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { type BytePath, join, toFs } from '../paths/byte-path.js'
import { pathOf, type WatchedRoots } from './roots.js'

/** A directory that wasn't there isn't looked for again so soon, in milliseconds. */
const NOT_THERE = 10_000
const MOST_REMEMBERED = 1024

export class DirectoryFinder {
  readonly #roots: WatchedRoots
  #wanted = new Map<string, { dev: number; ino: bigint; done: ((path: BytePath | undefined) => void)[] }>()
  readonly #absent = new Map<string, number>()
  #searching: Promise<void> | undefined

  constructor(roots: WatchedRoots) {
    this.#roots = roots
  }

  /** The path of the directory below a watched directory; undefined when it is elsewhere, or gone. */
  find(dev: number, ino: bigint): Promise<BytePath | undefined> {
    const key = `${dev}:${ino}`
    if ((this.#absent.get(key) ?? 0) > performance.now()) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const wanted = this.#wanted.get(key)
      if (wanted === undefined) this.#wanted.set(key, { dev, ino, done: [resolve] })
      else wanted.done.push(resolve)
      this.#searching ??= this.#search().finally(() => {
        this.#searching = undefined
      })
    })
  }

  async #search(): Promise<void> {
    while (this.#wanted.size > 0) {
      const wanted = this.#wanted
      this.#wanted = new Map()
      for (const root of this.#roots.roots) {
        const inodes = new Map<bigint, string>()
        for (const [key, { dev, ino }] of wanted) if (dev === root.dev) inodes.set(ino, key)
        if (inodes.size === 0) continue
        const top = pathOf(root)
        for await (const { path, ino } of directories(top)) {
          const key = inodes.get(ino)
          if (key === undefined) continue
          for (const done of wanted.get(key)?.done ?? []) done(path)
          wanted.delete(key)
          inodes.delete(ino)
          if (inodes.size === 0) break
        }
      }
      if (this.#absent.size > MOST_REMEMBERED) this.#absent.clear()
      for (const [key, { done }] of wanted) {
        this.#absent.set(key, performance.now() + NOT_THERE)
        for (const resolve of done) resolve(undefined)
      }
    }
  }
}

/** All directories of a tree, those above first. */
async function* directories(top: BytePath): AsyncGenerator<{ path: BytePath; ino: bigint }> {
  let level = [top]
  while (level.length > 0) {
    const next: BytePath[] = []
    for (const path of level) {
      try {
        const { ino } = await lstat(toFs(path), { bigint: true })
        yield { path, ino }
        const entries: Dirent[] = await readdir(toFs(path), { withFileTypes: true, encoding: 'latin1' })
        for (const entry of entries) if (entry.isDirectory()) next.push(join(path, entry.name))
      } catch {
        // It has gone, or may not be read.
      }
    }
    level = next
  }
}

/**
 * Settles where changes were: at once where the kernel or the file system knows, or after a search for a directory by its
 * inode. What can't be settled is counted: it may have been inside.
 */
import { join } from '../paths/byte-path.js'
import { DirectoryFinder } from './directory-finder.js'
import { type Located, Locator } from './locator.js'
import type { RawChange } from './records.js'
import type { Place, WatchedRoots } from './roots.js'

/** Both sides of a rename, where they are below a watched directory. */
export interface RenamePlaces {
  from: Place | undefined
  to: Place | undefined
}

/** A change that is about files. */
export type FileChange = Extract<RawChange, { kind: 'walk' | 'rename' | 'path' }>

/** Takes the changes that are below a watched directory, each with its place. */
export type Accept = (change: FileChange, place: Place, rename?: RenamePlaces) => void

export class Settler {
  readonly #locator: Locator
  readonly #finder: DirectoryFinder
  readonly #searches = new Set<Promise<void>>()
  readonly #accept: Accept
  readonly #lost: (count: number) => void

  constructor(roots: WatchedRoots, accept: Accept, lost: (count: number) => void) {
    this.#locator = new Locator(roots)
    this.#finder = new DirectoryFinder(roots)
    this.#accept = accept
    this.#lost = lost
  }

  /** Before each batch: what was resolved for the last one may not be so any more. */
  nextBatch(): void {
    this.#locator.nextBatch()
  }

  /** After mounts have changed. */
  mountsChanged(): void {
    this.#locator.mountsChanged()
  }

  /** Searches that are under way. */
  get searching(): number {
    return this.#searches.size
  }

  /** Resolves when all searches have ended. */
  async settled(): Promise<void> {
    while (this.#searches.size > 0) await Promise.all(this.#searches)
  }

  settle(change: FileChange): void {
    if (change.kind === 'walk') {
      this.#one(change, this.#locator.file(change.walk, change.pid, change.fd))
      return
    }
    if (change.kind === 'rename') {
      const { from, to, pid } = change
      this.#rename(change, from && this.#locator.file(from, pid), to && this.#locator.file(to, pid))
      return
    }
    const follows = change.op === 'truncate'
    const to = change.to && this.#locator.path(change.to, change.pid, follows)
    const from = change.from && this.#locator.path(change.from, change.pid, follows)
    if (change.op === 'rename') this.#rename(change, from, to)
    else if (to !== undefined) this.#one(change, to)
  }

  #one(change: FileChange, located: Located): void {
    if (located.where === 'inside') this.#accept(change, located.place)
    else if (located.where === 'undecided') {
      this.#search(located, (place) => place !== undefined && this.#accept(change, place))
    }
  }

  #rename(change: FileChange, from: Located | undefined, to: Located | undefined): void {
    const undecided = [from, to].find((located) => located?.where === 'undecided')
    if (undecided?.where === 'undecided') {
      this.#search(undecided, (place) => {
        const found: Located = place === undefined ? { where: 'outside' } : { where: 'inside', place }
        this.#rename(change, from === undecided ? found : from, to === undecided ? found : to)
      })
      return
    }
    const places = {
      from: from?.where === 'inside' ? from.place : undefined,
      to: to?.where === 'inside' ? to.place : undefined,
    }
    const place = places.to ?? places.from
    if (place !== undefined) this.#accept(change, place, places)
  }

  #search(
    { dev, ino, below }: Extract<Located, { where: 'undecided' }>,
    then: (place: Place | undefined) => void,
  ): void {
    const search = this.#finder
      .find(dev, ino)
      .then((path) => {
        if (path === undefined) return then(undefined)
        this.#locator.remember(dev, ino, path)
        const located = this.#locator.locate(join(path, below))
        then(located.where === 'inside' ? located.place : undefined)
      })
      .catch((error: Error) => {
        // It may have been inside.
        this.#lost(1)
        process.emitWarning(error)
      })
      .finally(() => this.#searches.delete(search))
    this.#searches.add(search)
  }
}

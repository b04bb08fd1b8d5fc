/**
 * The directory that copies of removed files are kept in. A copy is written under a name of its own and linked to its final one,
 * so that it is whole when it is there and never takes another's place. All goes through a descriptor of the directory: whatever
 * is put in its path's place, copies go where they were meant to.
 */
import { constants, createReadStream, createWriteStream, type Stats } from 'node:fs'
import { copyFile, type FileHandle, link, mkdir, open, realpath, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DTraceError } from '../../errors.js'
import { type BytePath, fromText, join, toFs } from '../paths/byte-path.js'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_WRONLY, COPYFILE_EXCL, COPYFILE_FICLONE_FORCE } = constants

/** Set-user-id, set-group-id: a copy that others can run must not lend rights that somebody took away. */
const SPECIAL = 0o6000
/** A copy has its file's mode, but not the protection of the directories that the file was in. */
const OTHERS = 0o077
const NAME_MAX = 255
const MOST_TRIES = 1000

export class SnapshotStore {
  readonly #handle: FileHandle
  readonly #path: string
  #count = 0

  /** @throws DTraceError `ERR_DTRACE_ARGUMENT` when copies can't be kept safely there */
  static async open(directory: string): Promise<SnapshotStore> {
    const path = resolve(directory)
    const refuse = (why: string, cause?: unknown): DTraceError =>
      new DTraceError('ERR_DTRACE_ARGUMENT', `snapshot.directory: ${path} ${why}`, { cause })
    try {
      await mkdir(path, { mode: 0o700 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw refuse(`can't be made: ${(error as Error).message}`, error)
      }
    }
    let handle: FileHandle
    try {
      handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    } catch (error) {
      throw refuse(
        'is no directory that can be opened, or a symbolic link: give the path of a directory',
        error,
      )
    }
    const { mode, uid } = await handle.stat()
    const own = process.geteuid?.()
    if ((mode & OTHERS) !== 0 || (uid !== own && uid !== 0)) {
      await handle.close()
      throw refuse(
        uid !== own && uid !== 0
          ? `belongs to user ${uid}, who could change the copies: give one of your own`
          : `is open to others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}), who could read or change copies of files that they ` +
              `could not get at: give one that isn't there yet, or, if it is for copies alone, chmod 700 ${path}`,
      )
    }
    return new SnapshotStore(handle, await realpath(path))
  }

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  /** Without symbolic links. */
  get path(): string {
    return this.#path
  }

  /**
   * Copies a file's data, with its mode, times and owner.
   *
   * @param source a descriptor of the file
   * @param name what the copy's name is made of: the time, and the last name that the file had
   * @param room is asked before so many bytes are there in all, and throws when they are too many: the file may grow meanwhile
   * @returns the copy's path, and its size
   * @throws what the file system says: ENOSPC and the like; what `room` throws
   */
  async keep(
    source: number,
    stats: Stats,
    name: { timestamp: number; name: BytePath },
    room: (bytes: number) => void,
  ): Promise<{ copy: BytePath; bytes: number }> {
    const temporary = this.#inside(`.partial-${process.pid}-${this.#count++}`)
    try {
      await this.#copy(source, temporary, room)
      const bytes = await this.#dress(temporary, stats)
      room(bytes)
      const copy = await this.#name(temporary, name)
      return { copy: join(fromText(this.#path), copy), bytes }
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #inside(name: BytePath): string | Buffer {
    return toFs(`/proc/self/fd/${this.#handle.fd}/${name}`)
  }

  /** Through /proc it is this very file, and the copy can share its blocks where the file system does that. */
  async #copy(source: number, temporary: string | Buffer, room: (bytes: number) => void): Promise<void> {
    const from = `/proc/self/fd/${source}`
    try {
      await copyFile(from, temporary, COPYFILE_EXCL | COPYFILE_FICLONE_FORCE)
      return
    } catch {
      // What doesn't come from the sharing comes again.
    }
    let bytes = 0
    await pipeline(
      createReadStream(from),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length
          room(bytes)
          yield chunk
        }
      },
      createWriteStream(temporary, { flags: 'wx', mode: 0o600 }),
    )
  }

  /** The owner first: chown(2) takes bits of the mode away. */
  async #dress(temporary: string | Buffer, { mode, uid, gid, atime, mtime }: Stats): Promise<number> {
    const file = await open(temporary, O_WRONLY | O_NOFOLLOW)
    try {
      const made = await file.stat()
      if (made.uid !== uid || made.gid !== gid) await file.chown(uid, gid)
      await file.chmod(mode & 0o7777 & ~SPECIAL)
      await file.utimes(atime, mtime)
      return made.size
    } finally {
      await file.close()
    }
  }

  /** link(2) never replaces anything, as rename(2) would. */
  async #name(temporary: string | Buffer, { timestamp, name }: { timestamp: number; name: BytePath }) {
    const time = new Date(timestamp).toISOString().replace(/[-:]/g, '')
    for (let i = 0; ; i++) {
      const first = i === 0 ? `${time}-` : `${time}.${i}-`
      const final = first + name.slice(0, NAME_MAX - first.length)
      try {
        await link(temporary, this.#inside(final))
        return final
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || i >= MOST_TRIES) throw error
      }
    }
  }
}

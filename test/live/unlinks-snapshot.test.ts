import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type MissEvent,
  type SnapshotEvent,
  type UnlinksWatcher,
  watchUnlinks,
} from '../../lib/watch/index.js'
import { once } from './consumers.js'
import { requireDTrace } from './helper.js'
import { makeSandbox, type Sandbox } from './rescan-driver.js'
import { Removals } from './unlinks-driver.js'

const describe = requireDTrace()
const MANY = 200

describe('snapshots of removed files', () => {
  let sandbox: Sandbox
  let watcher: UnlinksWatcher
  let removals: Removals
  let holder: ChildProcess
  /** Held from the start; known to the watcher's globs alone; and where copies go, with room for little. */
  let held: string
  let loose: string
  let kept: string
  const troubles: unknown[] = []
  let missed = 0

  beforeAll(async () => {
    sandbox = await makeSandbox()
    const top = sandbox.folder
    held = join(top, 'data/held')
    loose = join(top, 'data/loose')
    kept = join(top, 'kept')
    for (const path of [held, join(held, 'many'), loose, kept, join(top, 'marks')]) {
      mkdirSync(path, { recursive: true })
    }
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', kept])
    for (let i = 0; i < MANY; i++) writeFileSync(join(held, 'many', String(i)), `contents of ${i}`)
    for (const name of ['plain', 'target', 'linked', 'large'])
      writeFileSync(join(held, name), `the ${name} file`)
    truncateSync(join(held, 'large'), 5 * 2 ** 20)
    writeFileSync(join(held, 'large'), Buffer.alloc(5 * 2 ** 20, 'x'))
    for (const name of ['open', 'gone', 'other', 'huge']) writeFileSync(join(loose, name), `the ${name} file`)
    linkSync(join(loose, 'other'), join(loose, 'another'))
    truncateSync(join(loose, 'huge'), 20 * 2 ** 20)
    symlinkSync('gone', join(loose, 'symlink'))
    for (const first of ['3a', '2a', 'p']) writeFileSync(join(loose, first), `the ${first} file`)
    for (const other of ['3b', '3c']) linkSync(join(loose, '3a'), join(loose, other))
    linkSync(join(loose, '2a'), join(loose, '2b'))
    chmodSync(join(held, 'plain'), 0o640)
    utimesSync(join(held, 'plain'), 1000, 2000)
    holder = spawn('sh', ['-c', 'exec 3<"$1"; echo open; exec sleep 300', 'sh', join(loose, 'open')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await once('the program that has a file open', (resolve) => holder.stdout?.once('data', resolve))
    watcher = await watchUnlinks({
      include: `${top}/**`,
      snapshot: {
        include: join(top, 'data/**'),
        exclude: '*.tmp',
        directory: kept,
        maxSize: '16m',
        search: [held],
        pin: true,
      },
    })
    watcher.on('drop', (drop) => troubles.push(drop))
    watcher.on('fault', (fault) => troubles.push(fault))
    removals = new Removals(watcher, sandbox, join(top, 'marks'))
  })
  afterAll(async () => {
    await watcher?.stop()
    holder?.kill('SIGKILL')
    execFileSync('umount', [kept])
    await sandbox?.dispose()
  })

  /** The copies of what a script removes, when they are there. */
  async function copies(count: number, script: string, ...args: string[]): Promise<SnapshotEvent[]> {
    const all: SnapshotEvent[] = []
    const complete = once<void>(`${count} snapshots`, (resolve) => {
      watcher.on('snapshot', (event) => all.push(event) === count && resolve())
    })
    const { misses } = await removals.script(script, ...args)
    expect(misses).toEqual([])
    await complete
    watcher.removeAllListeners('snapshot')
    return all
  }

  it('hold what is there at the start', () => {
    expect(watcher.snapshots).toMatchObject({ kept: 0, missed: 0, pinned: MANY + 4, unpinned: 0 })
  })

  it('are of a file that was pinned, with its mode, times and owner', async () => {
    const path = join(held, 'plain')
    const before = statSync(path)
    const [snapshot] = await copies(1, 'rm "$1"', path)
    expect(snapshot).toMatchObject({ path, bytes: before.size, how: 'pinned', timestamp: expect.any(Number) })
    const copy = snapshot?.copy as string
    expect(copy).toMatch(new RegExp(`^${kept}/\\d{8}T\\d{6}\\.\\d{3}Z-plain$`))
    expect(readFileSync(copy, 'utf8')).toBe('the plain file')
    const { mode, mtimeMs, uid, gid } = before
    expect(statSync(copy)).toMatchObject({ mode, mtimeMs, uid, gid })
    expect(watcher.snapshots).toMatchObject({ pinned: MANY + 3 })
  })

  it('are of what a rename replaces, not of what comes in its place', async () => {
    const [snapshot] = await copies(1, 'echo new > "$1.tmp" && mv "$1.tmp" "$1"', join(held, 'target'))
    expect(readFileSync(snapshot?.copy as string, 'utf8')).toBe('the target file')
  })

  it('are of files that were written since, and of those that got their name by a rename', async () => {
    // What came there by the last rename is held by its new name.
    const [renamed] = await copies(1, 'rm "$1"', join(held, 'target'))
    expect(renamed).toMatchObject({ how: 'pinned' })
    expect(readFileSync(renamed?.copy as string, 'utf8')).toBe('new\n')
    const path = join(loose, 'written')
    const before = watcher.snapshots?.pinned as number
    await removals.script('echo written > "$1"', path)
    expect(watcher.snapshots?.pinned).toBe(before + 1)
    const [written] = await copies(1, 'rm "$1"', path)
    expect(written).toMatchObject({ path, how: 'pinned' })
  })

  it('are of a file that a process has open, though it was not pinned', async () => {
    const [snapshot] = await copies(1, 'rm "$1"', join(loose, 'open'))
    expect(snapshot).toMatchObject({ how: 'descriptor' })
    expect(readFileSync(snapshot?.copy as string, 'utf8')).toBe('the open file')
  })

  it('are of a file with another name', async () => {
    const [snapshot] = await copies(1, 'rm "$1"', join(loose, 'other'))
    expect(snapshot).toMatchObject({ path: join(loose, 'other'), how: 'link' })
    expect(readFileSync(snapshot?.copy as string, 'utf8')).toBe('the other file')
  })

  /** What becomes of files that a script removes; waits a while for more than there should be. */
  async function ends(
    count: number,
    script: string,
    ...args: string[]
  ): Promise<(SnapshotEvent | MissEvent)[]> {
    const all: (SnapshotEvent | MissEvent)[] = []
    let resolve: (() => void) | undefined
    const heard = (event: SnapshotEvent | MissEvent) => {
      // Those of the marks are others.
      if (event.path.startsWith(loose) && all.push(event) >= count) resolve?.()
    }
    watcher.on('snapshot', heard).on('miss', heard)
    const complete = once<void>(`${count} snapshots or misses`, (done) => {
      resolve = done
    })
    await removals.script(script, ...args)
    await complete
    await removals.settle()
    watcher.off('snapshot', heard).off('miss', heard)
    return all.sort((a, b) => a.path.localeCompare(b.path))
  }

  it('are one for each of several names of a file that are removed at once', async () => {
    const all = await ends(2, 'rm "$1/3a" "$1/3b"', loose)
    expect(all).toMatchObject([
      { path: join(loose, '3a'), how: 'link' },
      { path: join(loose, '3b'), how: 'link' },
    ])
    for (const one of all) {
      expect('copy' in one && readFileSync(one.copy, 'utf8')).toBe('the 3a file')
    }
  })

  it('are misses where all names were removed at once, and nothing is said that was not looked at', async () => {
    const all = await ends(2, 'rm "$1/2a" "$1/2b"', loose)
    expect(all.map(({ path }) => path)).toEqual([join(loose, '2a'), join(loose, '2b')])
    for (const one of all) expect('reason' in one && one.message).not.toContain('not lost')
    expect(all.at(1)).toMatchObject({ reason: 'gone' })
    missed += 2
  })

  it('never have the data of a file that got the inode number of a removed one', async () => {
    const script = 'ln "$1/p" "$1/q"; rm "$1/p" "$1/q"; echo unrelated > "$1/unrelated"'
    const all = await ends(2, script, loose)
    expect(all.map(({ path }) => path)).toEqual([join(loose, 'p'), join(loose, 'q')])
    for (const one of all) expect(one).toHaveProperty('reason')
    missed += 2
  })

  it('are of all of 200 that are removed at once', async () => {
    const all = await copies(MANY, 'rm -r "$1"', join(held, 'many'))
    for (const { path, copy } of all) {
      expect(readFileSync(copy, 'utf8')).toBe(`contents of ${path.slice(path.lastIndexOf('/') + 1)}`)
    }
    expect(new Set(all.map(({ copy }) => copy)).size).toBe(MANY)
  })

  it('are misses, each with its reason, where nothing could be done', async () => {
    const reasons = async (path: string): Promise<unknown> => {
      const miss = once('a miss', (resolve) => watcher.once('miss', resolve))
      await removals.script('rm "$1"', path)
      return await miss
    }
    expect(await reasons(join(loose, 'gone'))).toMatchObject({ path: join(loose, 'gone'), reason: 'gone' })
    expect(await reasons(join(loose, 'symlink'))).toMatchObject({ reason: 'not-a-file' })
    expect(await reasons(join(loose, 'huge'))).toMatchObject({ reason: 'too-large' })
    // There is no room for it.
    expect(await reasons(join(held, 'large'))).toMatchObject({ reason: 'error', code: 'ENOSPC' })
    expect(watcher.snapshots).toMatchObject({ missed: missed + 4 })
  })

  it('leave nothing behind: no half copies, no descriptors', async () => {
    expect(troubles).toEqual([])
    await watcher.stop()
    expect(readdirSync(kept).filter((name) => name.startsWith('.'))).toEqual([])
    const own = execFileSync('sh', [
      '-c',
      'ls -l /proc/$1/fd | grep -c "$2" || true',
      'sh',
      `${process.pid}`,
      sandbox.folder,
    ])
    expect(own.toString().trim()).toBe('0')
    rmSync(join(loose, 'another'))
  })
})

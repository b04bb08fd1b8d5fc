/**
 * The main job, with daemons that people really run: files arrive, move and vanish, the watcher acts exactly once, and then
 * the daemon knows. Neither of the two would notice by itself.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { RescanWatcher } from '../../lib/watch/index.js'
import type { FileDaemon } from './daemons/daemon.js'
import { Dnsmasq } from './daemons/dnsmasq.js'
import { Mpd } from './daemons/mpd.js'
import { requireDTrace } from './helper.js'

const run = promisify(execFile)
const describe = requireDTrace()

const DEBOUNCE = 500
/** So long after an act there must be no other: what the daemon wrote while it scanned would have led to one by then. */
const QUIET = 3 * DEBOUNCE
const PATIENCE = 20_000

/** Folders that the tests below move into the watched one. */
const ARRIVALS = { moved: 'moved', carried: 'carried', removed: 'removed' }

const daemons: [name: string, start: (folder: string, watched: string) => Promise<FileDaemon>][] = [
  ['MPD, told by the command mpc', (folder, watched) => Mpd.start(folder, watched)],
  ['dnsmasq, told by SIGHUP', (folder, watched) => Dnsmasq.start(folder, watched, Object.values(ARRIVALS))],
]

for (const [name, start] of daemons) {
  describe(`a rescan watcher for ${name}`, () => {
    let folder: string
    let watched: string
    let daemon: FileDaemon | undefined
    let watcher: RescanWatcher | undefined
    /** How often the watcher has acted. */
    let acts = 0
    /** The commands that made the changes it reported. */
    const makers = new Set<string>()
    /** What else it reported: nothing of the kind is expected here (`blind` may come from any program on the machine). */
    let troubles: unknown[] = []
    const elsewhere: string[] = []

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-daemons-'))
      watched = join(folder, 'watched')
      await mkdir(watched)
      daemon = await start(folder, watched)
      watcher = await RescanWatcher.start({
        paths: [watched],
        exclude: daemon.exclude,
        target: daemon.target,
        debounce: DEBOUNCE,
        maxWait: '10s',
      })
      watcher.on(actOf(daemon), () => {
        acts++
      })
      watcher.on('change', ({ execname }) => makers.add(execname))
      for (const event of ['drop', 'fault', 'failure', 'missing', 'error'] as const)
        watcher.on(event, (trouble: unknown) => troubles.push(event, trouble))
    })

    afterEach(() => {
      const reported = troubles
      troubles = []
      expect(reported).toEqual([])
    })

    afterAll(async () => {
      try {
        await watcher?.stop()
      } finally {
        await daemon?.[Symbol.asyncDispose]()
        for (const path of [folder, ...elsewhere]) await rm(path, { recursive: true, force: true })
      }
    })

    const using = () => ({ daemon: daemon as FileDaemon, watcher: watcher as RescanWatcher })

    /** Runs a command, and sees that it leads to one act of the watcher and one scan of the daemon. */
    async function oneActAfter(command: string, ...args: string[]): Promise<void> {
      const { daemon, watcher } = using()
      const [actsBefore, rescansBefore] = [acts, daemon.rescans]
      makers.clear()
      const act = happens(watcher, actOf(daemon), PATIENCE)
      await run(command, args)
      expect(await act, `an act within ${PATIENCE / 1000} s of ${command}`).toBe(true)
      await daemon.rescanned(rescansBefore + 1)
      const another = await happens(watcher, actOf(daemon), QUIET)
      expect(another, `another act within ${QUIET / 1000} s of the first`).toBe(false)
      expect({ acts, rescans: daemon.rescans }).toEqual({ acts: actsBefore + 1, rescans: rescansBefore + 1 })
      // Not the daemon, nor what it was told by, though MPD writes its database there.
      expect([...makers]).toEqual([command])
    }

    /** A folder with a hundred files for this daemon, outside what is watched. */
    async function prepare(parent: string, called: string): Promise<{ source: string; names: string[] }> {
      const source = join(parent, called)
      await mkdir(source, { recursive: true })
      const names = Array.from({ length: 100 }, (_, index) => `${called}-${index}`)
      await using().daemon.write(source, names)
      return { source, names }
    }

    it('acts once when rsync has brought 100 files', async () => {
      const { daemon } = using()
      const { source, names } = await prepare(join(folder, 'sources'), 'copied')
      expect(await daemon.known(names)).toEqual([])
      await oneActAfter('rsync', '-a', `${source}/`, `${watched}/`)
      expect(await daemon.known(names)).toEqual(names)
    })

    it('acts once when a folder has been moved there', async () => {
      const { daemon } = using()
      const { source, names } = await prepare(join(folder, 'sources'), ARRIVALS.moved)
      await oneActAfter('mv', source, watched)
      expect(await daemon.known(names)).toEqual(names)
    })

    it('acts once when a folder has been moved there from another file system', async (context) => {
      const { daemon } = using()
      const other = await onOtherFileSystem(watched)
      if (other === undefined) return context.skip('/dev/shm and /run are on the file system of the rest')
      elsewhere.push(other)
      const { source, names } = await prepare(other, ARRIVALS.carried)
      await oneActAfter('mv', source, watched)
      expect(await daemon.known(names)).toEqual(names)
    })

    it('acts once when a folder has been removed with all that is in it', async () => {
      const { daemon } = using()
      const { source, names } = await prepare(join(folder, 'sources'), ARRIVALS.removed)
      await oneActAfter('mv', source, watched)
      expect(await daemon.known(names)).toEqual(names)
      await oneActAfter('rm', '-r', join(watched, ARRIVALS.removed))
      expect(await daemon.known(names)).toEqual([])
    })

    it('has nothing left to do at the end', async () => {
      const { daemon, watcher } = using()
      const before = { acts, rescans: daemon.rescans }
      // What was still on its way would be acted upon now.
      await watcher.stop()
      expect({ acts, rescans: daemon.rescans }).toEqual(before)
      expect(daemon.rescans).toBe(acts)
    })
  })
}

/** The event by which a watcher says that it has told this daemon. */
function actOf({ target }: FileDaemon): 'exec' | 'signal' {
  return 'exec' in target ? 'exec' : 'signal'
}

/** Whether the watcher emits that within this time. */
async function happens(
  watcher: RescanWatcher,
  event: 'exec' | 'signal',
  milliseconds: number,
): Promise<boolean> {
  const over = AbortSignal.timeout(milliseconds)
  try {
    await once(watcher, event, { signal: over })
    return true
  } catch (error) {
    if (over.aborted) return false
    throw error
  }
}

/** A new folder on a file system other than that path's. */
async function onOtherFileSystem(path: string): Promise<string | undefined> {
  const { dev } = await stat(path)
  for (const candidate of ['/dev/shm', '/run', tmpdir()]) {
    const found = await stat(candidate).catch(() => undefined)
    if (found !== undefined && found.dev !== dev)
      return await mkdtemp(join(candidate, 'dtrace-consumer-daemons-'))
  }
  return undefined
}

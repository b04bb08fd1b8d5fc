/** Many changes, many directories. */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RescanChange, RescanWatcher } from '../../lib/watch/index.js'
import { requireDTrace } from './helper.js'
import { Changes, makeSandbox, type Sandbox } from './rescan-driver.js'

const describe = requireDTrace()
const run = promisify(execFile)

const PROCESSES = 4
const EACH = 50_000

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await makeSandbox()
}, 60_000)
afterAll(async () => {
  await sandbox?.dispose()
}, 120_000)

/** What floods of opens are reported as: how many for each process, and in which files. */
interface Tally {
  made: Map<number, number>
  reported: Map<number, number>
  paths: Set<string>
  names: Set<string>
  dropped: number
  faults: number
}

/** Four processes open files inside a watched tree, and four outside of it. @param rate opens a second, by all four; 0: no limit */
async function flood(rate: number): Promise<Tally> {
  const inside = join(sandbox.folder, `in-${rate}`, 'artist', 'album')
  const outside = join(sandbox.folder, `out-${rate}`, 'artist', 'album')
  await mkdir(inside, { recursive: true })
  await mkdir(join(sandbox.folder, `in-${rate}`, 'marks'))
  await mkdir(outside, { recursive: true })
  await using watcher = await RescanWatcher.start({ paths: join(sandbox.folder, `in-${rate}`) })
  const changes = new Changes(watcher, sandbox, join(sandbox.folder, `in-${rate}`, 'marks'))
  const tally: Tally = {
    made: new Map(),
    reported: new Map(),
    paths: new Set(),
    names: new Set(),
    dropped: 0,
    faults: 0,
  }
  watcher.on('drop', ({ count }) => {
    tally.dropped += count
  })
  watcher.on('fault', ({ count }) => {
    tally.faults += count
  })
  await changes.settle()
  changes.dispose()
  watcher.on('change', ({ pid, path, execname }: RescanChange) => {
    tally.reported.set(pid, (tally.reported.get(pid) ?? 0) + 1)
    tally.paths.add(path.slice(0, path.lastIndexOf('/')))
    tally.names.add(execname)
  })
  const floods = (dir: string): Promise<number>[] =>
    Array.from({ length: PROCESSES }, async () => {
      const args = ['flood', dir, String(EACH), String(rate / PROCESSES)]
      const { stdout } = await run(sandbox.program, args, { timeout: 100_000 })
      return Number(stdout)
    })
  const [pids] = await Promise.all([Promise.all(floods(inside)), Promise.all(floods(outside))])
  for (const pid of pids) tally.made.set(pid, EACH)
  // What is still in the buffers is delivered before this ends.
  await watcher.stop()
  return tally
}

describe('200,000 changes inside and 200,000 outside, by four processes each', () => {
  test('at 50,000 a second: exactly those inside are reported, each with its process', async () => {
    const tally = await flood(50_000)
    expect({ dropped: tally.dropped, faults: tally.faults }).toEqual({ dropped: 0, faults: 0 })
    expect(tally.reported).toEqual(tally.made)
    expect([...tally.names]).toEqual(['changes'])
    expect([...tally.paths]).toEqual([join(sandbox.folder, 'in-50000', 'artist', 'album')])
  }, 180_000)

  test('as fast as it goes: what is not reported is counted as dropped', async () => {
    const tally = await flood(0)
    for (const pid of tally.reported.keys()) expect([...tally.made.keys()]).toContain(pid)
    const reported = [...tally.reported.values()].reduce((sum, count) => sum + count, 0)
    const made = PROCESSES * EACH
    if (tally.dropped === 0) expect(reported).toBe(made)
    // Records about other programs on this machine, of which there are few, may be among the dropped.
    expect(reported + tally.dropped).toBeGreaterThanOrEqual(made)
    expect(reported + tally.dropped).toBeLessThan(made * 1.001)
  }, 180_000)
})

describe('a tree of 20,000 directories', () => {
  test('costs no more to watch than one of ten', async () => {
    const small = join(sandbox.folder, 'small')
    const large = join(sandbox.folder, 'large')
    await tree(small, 1, 9)
    await tree(large, 200, 99)
    const costs = { small: [] as number[], large: [] as number[] }
    const memory = { small: [] as number[], large: [] as number[] }
    // Each in a process of its own, in turns, so that neither has the warmer caches.
    for (let turn = 0; turn < 3; turn++) {
      for (const [name, path] of [
        ['small', small],
        ['large', large],
      ] as const) {
        const { stdout } = await run(process.execPath, [
          join(import.meta.dirname, 'fixtures', 'rescan-cost.mjs'),
          path,
        ])
        const { ready, rss } = JSON.parse(stdout) as { ready: number; rss: number }
        costs[name].push(ready)
        memory[name].push(rss)
      }
    }
    expect(Math.min(...costs.large)).toBeLessThan(Math.min(...costs.small) * 1.5)
    expect(Math.min(...memory.large)).toBeLessThan(Math.min(...memory.small) * 1.1)
  }, 240_000)
})

/** A directory with `width` directories of `depth` directories each. */
async function tree(top: string, width: number, depth: number): Promise<void> {
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < depth; j++) await mkdir(join(top, String(i), String(j)), { recursive: true })
  }
}

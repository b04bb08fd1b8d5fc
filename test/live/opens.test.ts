import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OpenEvent, watchOpens } from '../../lib/watch/index.js'
import { openFlagNames } from '../../lib/watch/opens/flags.js'
import { once } from './consumers.js'
import { requireDTrace } from './helper.js'
import { EXECNAME, type Made, OpensMaker, Opensnoop, type Snooped, whereMade } from './opens-maker.js'

const describe = requireDTrace()

const PHASES = ['threads', 'chroot', 'namespace', 'another', 'nowhere']
const COUNT = 1000
const EFAULT = 14

/** One character per byte. */
const bytesOf = (text: string, bytes: Uint8Array | undefined): string =>
  Buffer.from(bytes ?? Buffer.from(text)).toString('latin1')

/** The calls that opensnoop knows. */
const isSnooped = ({ op }: { op: string }): boolean => op === 'open' || op === 'openat'

function byThread<Open extends { tid: number }>(opens: readonly Open[]): Map<number, Open[]> {
  const threads = new Map<number, Open[]>()
  for (const open of opens) threads.set(open.tid, [...(threads.get(open.tid) ?? []), open])
  return threads
}

describe('what a watcher of opens tells', () => {
  let makers: OpensMaker
  let made: Made[]
  let told: OpenEvent[]
  let snooped: Snooped[]
  const troubles: unknown[] = []

  beforeAll(async () => {
    makers = await OpensMaker.make()
    const watcher = await watchOpens({ processes: EXECNAME })
    told = []
    watcher.on('open', (open) => told.push(open))
    watcher.on('drop', (drop) => troubles.push(drop))
    watcher.on('fault', (fault) => troubles.push(fault))
    const snoop = await Opensnoop.start()
    const maker = await makers.open(COUNT)
    made = maker.made
    if (told.length < made.length) {
      await once<void>(`the last of ${made.length} opens`, (resolve) =>
        watcher.on('open', () => told.length >= made.length && resolve()),
      )
    }
    snooped = await snoop.stop(made.filter(isSnooped).length)
    await maker.end()
    await watcher.stop()
  })
  afterAll(() => makers.dispose())

  it('is each open, once, and nothing was lost', () => {
    expect(made.length).toBeGreaterThanOrEqual(COUNT)
    expect(told).toHaveLength(made.length)
    expect(troubles).toEqual([])
    expect([...new Set(made.map(({ phase }) => phase))]).toEqual(PHASES)
  })

  it('is who did what, in the order in which each thread did it', () => {
    const threads = byThread(told)
    for (const [tid, opens] of byThread(made)) {
      expect(
        threads.get(tid)?.map(({ pid, uid, op, passed, passed_bytes, fd, errno, flags, mode }) => ({
          ...{
            pid,
            uid,
            op,
            text: bytesOf(passed, passed_bytes),
            result: fd ?? -(errno ?? 0),
            flags,
            mode: mode ?? 0,
          },
        })),
      ).toEqual(
        opens.map(({ pid, uid, op, text, result, flags, mode }) => ({
          pid,
          uid,
          op,
          text,
          result,
          flags,
          mode,
        })),
      )
    }
    for (const open of told) {
      expect(open).toMatchObject({ execname: EXECNAME, flag_names: openFlagNames(open.flags) })
      expect(open.elapsed).toBeGreaterThan(0)
      expect(open.elapsed).toBeLessThan(10_000)
    }
  })

  it('has the path that the kernel has, of each open', () => {
    const wrong: unknown[] = []
    const threads = byThread(told)
    for (const [tid, opens] of byThread(made)) {
      for (const [i, one] of opens.entries()) {
        const open = threads.get(tid)?.[i] as OpenEvent
        const where = whereMade(one)
        const path = bytesOf(open.path, open.path_bytes)
        if (path !== where.path || (open.unlinked ?? false) !== where.unlinked) {
          wrong.push({ ...one, told: path, expected: where, unlinked: open.unlinked, exact: open.exact })
        }
      }
    }
    expect(wrong).toEqual([])
  })

  it('is exact where a file was opened, unless its tree is deeper than the walk', () => {
    const inexact = told.filter(({ exact, fd }) => fd !== undefined && !exact)
    expect(inexact.length).toBeGreaterThan(0)
    for (const { path } of inexact) expect(path).toMatch(/(\/d){30}\/x$/)
  })

  it('is all that opensnoop tells, field by field, and full paths where it has relative ones', () => {
    const ours = told.filter(isSnooped)
    // It keeps 254 bytes of a string, and of a bad address whatever was there.
    const key = (open: Snooped): string =>
      `${open.uid} ${open.pid} ${open.fd} ${open.errno} ${open.flags} ${open.errno === EFAULT ? '' : open.path.slice(0, 254)}`
    const keys = ours
      .map(({ uid, pid, fd = -1, errno = 0, flags, passed, passed_bytes }) =>
        key({ uid, pid, fd, errno, flags, path: bytesOf(passed, passed_bytes) }),
      )
      .sort()
    expect(snooped.map(key).sort()).toEqual(keys)
    expect(snooped.length).toBeGreaterThan(COUNT * 0.8)
    const relative = ours.filter(({ passed, errno }) => !passed.startsWith('/') && errno !== EFAULT)
    const full = relative.filter(({ path }) => path.startsWith('/'))
    expect(relative.length).toBeGreaterThan(COUNT / 3)
    // The rest are those from a descriptor that was none, or a pipe's.
    expect(
      relative
        .filter((open) => !full.includes(open))
        .every(({ error }) => /^(EBADF|ENOTDIR)$/.test(error ?? '')),
    ).toBe(true)
  })
})

import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { statDevice } from '../../lib/watch/unlinks/event.js'
import { checkUnlinksOptions, type UnlinksOptions } from '../../lib/watch/unlinks/options.js'
import { findNames, isSame } from '../../lib/watch/unlinks/snapshot-finder.js'
import { Pins } from '../../lib/watch/unlinks/snapshot-pins.js'
import { SnapshotStore } from '../../lib/watch/unlinks/snapshot-store.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-snapshot-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a store of copies', () => {
  async function keep(store: SnapshotStore, path: string, name = 'name', timestamp = 0) {
    const fd = openSync(path, 'r')
    try {
      return await store.keep(fd, statSync(path), { timestamp, name })
    } finally {
      closeSync(fd)
    }
  }

  test('makes its directory for its owner alone, and keeps mode and times, but no set-user-id', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'contents', { mode: 0o4751 })
    utimesSync(path, 1, 2)
    const store = await SnapshotStore.open(join(folder, 'kept'))
    const { copy, bytes } = await keep(store, path, 'file', Date.UTC(2026, 0, 2, 3, 4, 5, 678))
    await store.close()
    expect(copy).toBe(join(folder, 'kept', '20260102T030405.678Z-file'))
    expect(bytes).toBe(8)
    expect(readFileSync(copy, 'utf8')).toBe('contents')
    expect(statSync(copy)).toMatchObject({ mtimeMs: 2000, mode: 0o100751 & ~process.umask() })
    expect(statSync(join(folder, 'kept')).mode & 0o777).toBe(0o700)
  })

  test('never replaces a copy, and cuts a name that is too long', async () => {
    const path = join(folder, 'file')
    const store = await SnapshotStore.open(join(folder, 'kept'))
    const copies: string[] = []
    for (const text of ['1', '2', '3']) {
      writeFileSync(path, text)
      copies.push((await keep(store, path, 'n'.repeat(255))).copy)
    }
    await store.close()
    expect(new Set(copies).size).toBe(3)
    expect(copies.map((copy) => readFileSync(copy, 'utf8'))).toEqual(['1', '2', '3'])
    expect(readdirSync(join(folder, 'kept')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('goes on in the directory that it was given, whatever takes its place', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'x')
    const kept = join(folder, 'kept')
    const store = await SnapshotStore.open(kept)
    rmSync(kept, { recursive: true })
    mkdirSync(join(folder, 'elsewhere'))
    symlinkSync('elsewhere', kept)
    await expect(keep(store, path)).rejects.toMatchObject({ code: 'ENOENT' })
    await store.close()
    expect(readdirSync(join(folder, 'elsewhere'))).toEqual([])
  })

  test('refuses a directory that others can get at, that is a link, or that can not be', async () => {
    for (const mode of [0o755, 0o710, 0o777]) {
      const path = join(folder, mode.toString(8))
      mkdirSync(path)
      // Whatever the umask is.
      chmodSync(path, mode)
    }
    mkdirSync(join(folder, 'open'))
    mkdirSync(join(folder, 'foreign'), { mode: 0o700 })
    const root = process.geteuid?.() === 0
    if (root) chownSync(join(folder, 'foreign'), 65534, 65534)
    symlinkSync('open', join(folder, 'link'))
    writeFileSync(join(folder, 'file'), '')
    const cases: [string, RegExp][] = [
      ['755', /mode 0755.*chmod 700 .*755,/],
      ['710', /mode 0710.*chmod 700/],
      ['777', /mode 0777.*chmod 700/],
      ...(root ? ([['foreign', /belongs to user 65534/]] as [string, RegExp][]) : []),
      ['link', /symbolic link/],
      ['file', /no directory/],
      ['no/such', /can't be made/],
    ]
    for (const [name, message] of cases) {
      await expect(SnapshotStore.open(join(folder, name)), name).rejects.toMatchObject({
        code: 'ERR_DTRACE_ARGUMENT',
        message: expect.stringMatching(message),
      })
    }
  })
})

describe('pins', () => {
  test('keep a removed file, let the oldest go for a new one, and are of no use for what was removed before', () => {
    const pins = new Pins(2, 100)
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name))
    for (const path of paths) writeFileSync(path, path)
    const [a, b, c] = paths.map((path) => statSync(path)) as [Stats, Stats, Stats]
    for (const path of paths) expect(pins.pin(path, 10n)).toBe(true)
    expect([pins.size, pins.letGo]).toEqual([2, 1])
    rmSync(paths[1] as string)
    expect(pins.find(a.ino, a.dev, 20n)).toBeUndefined()
    expect(pins.find(b.ino, b.dev, 9n)).toBeUndefined()
    const pin = pins.find(b.ino, b.dev, 20n)
    expect(readFileSync(`/proc/self/fd/${pin?.fd}`, 'utf8')).toBe(paths[1])
    expect([...pins.removed()].map(({ path }) => path)).toEqual([paths[1]])
    expect(pins.find(c.ino, c.dev, 20n)?.path).toBe(paths[2])
    pins.close()
    expect(pins.size).toBe(0)
  })

  test('are of regular files that are not too large, and of the file that is meant', () => {
    const pins = new Pins(10, 3)
    const path = join(folder, 'a')
    writeFileSync(path, '1234')
    expect(pins.pin(path, 0n)).toBe(false)
    writeFileSync(path, '123')
    symlinkSync('a', join(folder, 'l'))
    expect(pins.pin(join(folder, 'l'), 0n)).toBe(false)
    expect(pins.pin(folder, 0n)).toBe(false)
    expect(pins.pin(path, 0n, undefined, 1n)).toBe(false)
    expect(pins.pin(join(folder, 'missing'), 0n)).toBe(false)
    expect(pins.pin(path, 0n)).toBe(true)
    pins.close()
  })
})

describe('a file with the inode number of a removed one', () => {
  const sought = { path: '/d/a', ino: 1, dev: 1, nlink: 0, timestamp: 100_000 }
  const stats = (nlink: number, birthtimeMs: number): Stats => ({ nlink, birthtimeMs }) as Stats

  test('is another one when it has a name, or was made later', () => {
    expect(isSame(sought, stats(0, 50_000), '/d/a')).toBe(true)
    expect(isSame(sought, stats(1, 50_000), '/d/a')).toBe(false)
    expect(isSame(sought, stats(0, 103_000), '/d/a')).toBe(false)
  })

  test('needs its name where it was made at about that time', () => {
    expect(isSame(sought, stats(0, 50_000), '/other/name')).toBe(true)
    expect(isSame(sought, stats(0, 99_999), '/d/b')).toBe(false)
    expect(isSame(sought, stats(0, 99_999), '/other/a')).toBe(true)
    expect(isSame(sought, stats(0, 0), '/d/b')).toBe(false)
  })
})

test('other names of a file are found by its inode, in folders given once or twice', async () => {
  mkdirSync(join(folder, 'x/y'), { recursive: true })
  writeFileSync(join(folder, 'a'), '')
  linkSync(join(folder, 'a'), join(folder, 'x/y/b'))
  const { dev, ino } = statSync(join(folder, 'a'))
  const found: string[] = []
  const whole = await findNames([join(folder, 'x'), folder], new Set([`${dev}:${ino}`]), (_key, path) => {
    found.push(path)
    return false
  })
  expect([whole, found.sort()]).toEqual([true, [join(folder, 'a'), join(folder, 'x/y/b')]])
})

test("the kernel's device numbers become those of stat(2)", () => {
  expect(statDevice(254 * 2 ** 20)).toBe(0xfe00)
  expect(statDevice(8 * 2 ** 20 + 17)).toBe(0x811)
  expect(statDevice(0 * 2 ** 20 + 0x12345)).toBe(0x12300045)
})

describe('options of watchUnlinks', () => {
  const snapshot = { include: '/srv/**', directory: '/var/kept' }

  test('have defaults, and sizes as DTrace writes them', () => {
    expect(
      checkUnlinksOptions({ pids: 7, snapshot: { ...snapshot, maxSize: '3K', maxTotal: 9 } }),
    ).toMatchObject({
      pids: [7],
      outcome: 'ok',
      uncertain: true,
      queueLimit: 100_000,
      snapshot: { include: ['/srv/**'], maxSize: 3072, maxTotal: 9, pin: false, maxPins: 1024 },
    })
  })

  test.each<[string, unknown, RegExp]>([
    ['an unknown one', { path: '/x' }, /path/],
    ['pids that are none', { pids: 0 }, /pids/],
    ['no pids', { pids: [] }, /pids: is empty/],
    ['a zone that is none', { zones: [-1] }, /zones/],
    ['a flag that is none', { outcome: 'yes' }, /outcome: is 'ok', 'failed' or 'all'/],
    ['a snapshot without a directory', { snapshot: { include: '*' } }, /snapshot\.directory/],
    [
      'a relative directory',
      { snapshot: { ...snapshot, directory: 'x' } },
      /snapshot\.directory: is not absolute/,
    ],
    ['no globs', { snapshot: { ...snapshot, include: [] } }, /snapshot\.include/],
    [
      'a size that is none',
      { snapshot: { ...snapshot, maxSize: '3 apples' } },
      /snapshot\.maxSize: is no size.*'64m'/,
    ],
    ['a negative size', { snapshot: { ...snapshot, maxTotal: -1 } }, /snapshot\.maxTotal/],
    ['too many pins', { snapshot: { ...snapshot, maxPins: 1e9 } }, /snapshot\.maxPins/],
  ])('refuse %s', (_what, options, message) => {
    expect(() => checkUnlinksOptions(options as UnlinksOptions)).toThrow(message)
  })
})

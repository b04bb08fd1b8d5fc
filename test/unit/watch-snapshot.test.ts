import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
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
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { statDevice } from '../../lib/watch/unlinks/event.js'
import { checkUnlinksOptions, type UnlinksOptions } from '../../lib/watch/unlinks/options.js'
import { DescriptorSearch } from '../../lib/watch/unlinks/snapshot-descriptors.js'
import { findNames, isSame, isSameLinked, type Sought } from '../../lib/watch/unlinks/snapshot-finder.js'
import { Pins } from '../../lib/watch/unlinks/snapshot-pins.js'
import { SnapshotStore } from '../../lib/watch/unlinks/snapshot-store.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-snapshot-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a store of copies', () => {
  async function keep(
    store: SnapshotStore,
    path: string,
    name = 'name',
    timestamp = 0,
    room = (_bytes: number) => {},
  ) {
    const fd = openSync(path, 'r')
    try {
      return await store.keep(fd, statSync(path), { timestamp, name }, room)
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

  test('asks for room with the bytes that are really there, and leaves nothing behind when there is none', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, Buffer.alloc(300_000, 'x'))
    const store = await SnapshotStore.open(join(folder, 'kept'))
    const asked: number[] = []
    const room = (bytes: number) => {
      asked.push(bytes)
      if (bytes > 100_000) throw new RangeError('no room')
    }
    await expect(keep(store, path, 'n', 0, room)).rejects.toThrow('no room')
    expect(Math.max(...asked)).toBeLessThanOrEqual(300_000)
    expect(readdirSync(join(folder, 'kept'))).toEqual([])
    asked.length = 0
    const { bytes } = await keep(store, path, 'n', 0, (all) => asked.push(all))
    await store.close()
    expect([bytes, asked.at(-1)]).toEqual([300_000, 300_000])
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
      ['755', /mode 0755.*chmod 700 .*755$/],
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
  const fail = (error: Error) => expect.unreachable(error.message)

  test('keep a removed file, let the oldest go for a new one, and are of no use for what was removed before', () => {
    const pins = new Pins(2, 100, fail)
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
    const pins = new Pins(10, 3, fail)
    const path = join(folder, 'a')
    writeFileSync(path, '1234')
    expect(pins.pin(path, 0n)).toBe(false)
    writeFileSync(path, '123')
    symlinkSync('a', join(folder, 'l'))
    expect(pins.pin(join(folder, 'l'), 0n)).toBe(false)
    expect(pins.pin(folder, 0n)).toBe(false)
    const { ino, dev } = statSync(path)
    expect(pins.pin(path, 0n, undefined, { ino: 1n, dev })).toBe(false)
    expect(pins.pin(path, 0n, undefined, { ino: BigInt(ino), dev: dev + 1 })).toBe(false)
    expect(pins.pin(path, 0n, undefined, { ino: BigInt(ino), dev })).toBe(true)
    expect(pins.pin(join(folder, 'missing'), 0n)).toBe(false)
    expect(pins.pin(path, 0n)).toBe(true)
    pins.close()
  })
})

describe('pins, further', () => {
  test('tell when no more files can be opened', () => {
    const pins = new URL('../../dist/watch/unlinks/snapshot-pins.js', import.meta.url).href
    for (let i = 0; i < 200; i++) writeFileSync(join(folder, String(i)), '')
    const program = `
      import { Pins } from ${JSON.stringify(pins)}
      const told = new Set()
      const pins = new Pins(1000, 100, ({ code }) => told.add(code))
      for (let i = 0; i < 200; i++) pins.pin(${JSON.stringify(`${folder}/`)} + i, 0n)
      const { size } = pins
      pins.close()
      console.log(size > 0 && size < 200, ...told)`
    const args = [
      '-c',
      'ulimit -n 100; exec "$@"',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      program,
    ]
    expect(execFileSync('sh', args, { encoding: 'utf8' })).toBe('true EMFILE\n')
  })

  test('hold a file for removals of its other names for a while, and then no longer', async () => {
    const pins = new Pins(10, 100, (error) => expect.unreachable(error.message))
    const path = join(folder, 'a')
    writeFileSync(path, 'x')
    const { ino, dev } = statSync(path)
    pins.pin(path, 0n)
    rmSync(path)
    const pin = pins.find(ino, dev, 1n)
    if (pin === undefined) expect.unreachable()
    pins.releaseSoon(pin)
    expect([pins.size, [...pins.removed()]]).toEqual([1, []])
    await vi.waitFor(() => expect(pins.size).toBe(0), { timeout: 5000 })
    pins.close()
  })
})

describe('a search among descriptors', () => {
  let holder: ChildProcess
  const found: [Sought, string][] = []
  const search = (sought: Sought[], first: number[], most?: number) => {
    found.length = 0
    return new DescriptorSearch(
      sought,
      first,
      (one, { fd }) => {
        found.push([one, readFileSync(fd, 'utf8')])
        closeSync(fd)
      },
      most,
    )
  }
  /** A file that a process has open and that is removed. */
  async function removed(name: string): Promise<Sought> {
    const path = join(folder, name)
    writeFileSync(path, `the ${name} file`)
    const { ino, dev } = statSync(path)
    holder = spawn('sh', ['-c', 'exec 3<"$1"; echo open; exec sleep 60', 'sh', path], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await new Promise((resolve) => holder.stdout?.once('data', resolve))
    rmSync(path)
    return { path, ino, dev, nlink: 0, timestamp: Date.now() }
  }
  afterEach(() => holder.kill('SIGKILL'))

  test('finds a file at once in the process that is named, and everywhere else with time for others', async () => {
    const sought = await removed('a')
    const first = search([sought], [holder.pid as number])
    first.slice()
    expect([first.done, found]).toEqual([true, [[sought, 'the a file']]])
    // Both of two removals of one inode.
    const other = { ...sought, nlink: 1 }
    const all = search([sought, other], [])
    await all.rest()
    expect(found.map(([one]) => one)).toEqual([sought, other])
    expect([all.left, all.cut]).toEqual([[], false])
  })

  test('does not take an older file of the same path for one whose number is known', async () => {
    const sought = await removed('a')
    const replaced = { ...sought, ino: sought.ino + 1 }
    const later = { ...sought, ino: 0, timestamp: sought.timestamp + 10_000 }
    const all = search([replaced, later], [])
    await all.rest()
    expect([found, all.left, all.done]).toEqual([[], [replaced, later], true])
    const byPath = search([{ ...sought, ino: 0 }], [])
    await byPath.rest()
    expect(found).toHaveLength(1)
  })

  test('ends where there are too many', async () => {
    const sought = await removed('a')
    const all = search([sought], [process.ppid], 1)
    await all.rest()
    expect([all.cut, all.left]).toEqual([true, [sought]])
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

  test('and with a name must have been made well before, whatever it is called', () => {
    const linked = { ...sought, nlink: 1 }
    expect(isSameLinked(linked, stats(1, 50_000))).toBe(true)
    expect(isSameLinked(linked, stats(1, 99_999))).toBe(false)
    expect(isSameLinked(linked, stats(1, 100_001))).toBe(false)
    expect(isSameLinked(linked, stats(1, 0))).toBe(false)
    expect(isSameLinked(linked, stats(0, 50_000))).toBe(false)
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

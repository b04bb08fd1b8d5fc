import { describe, expect, test } from 'vitest'
import type { DTraceRecord } from '../../lib/record/decoder.js'
import { errnoName } from '../../lib/watch/errno-name.js'
import { makeOpenEvent, openPath } from '../../lib/watch/opens/event.js'
import { openFlagNames, opensWithMode } from '../../lib/watch/opens/flags.js'
import { checkOpensOptions } from '../../lib/watch/opens/options.js'
import { OpenAssembler, type OpenFields, type RawOpen } from '../../lib/watch/opens/records.js'
import { FullPaths } from '../../lib/watch/paths/full-path.js'

const fields: OpenFields = {
  op: 'openat',
  execname: 'cat',
  // No process: what is asked of /proc is answered by nothing.
  pid: 2 ** 22 + 7,
  tid: 2 ** 22 + 7,
  uid: 1000,
  zone_id: 4026531836,
  zone_name: 'host',
  init_pid: 1,
  init_start: 0n,
  timestamp: 1_700_000_000_123_456_789n,
  elapsed: 2_500n,
  fd: 3,
  errno: 0,
  flags: 0,
  mode: 0,
  dirfd: -100,
  mntns: 1,
  mnt: 2 ** 30,
  dev: 2 ** 30,
  magic: 0xef53,
  ino: 12n,
  unlinked: 0,
  level: 1,
  text: '/motd',
}
const PIECES = 24

function record(cpu: number, given: Partial<OpenFields>, ...pieces: string[]): DTraceRecord {
  const values = [...Array.from({ length: PIECES }, () => 0), '', '', ...pieces]
  return { cpu, fields: { ...fields, ...given }, values } as unknown as DTraceRecord
}

const rest = (cpu: number, timestamp: bigint, ...pieces: string[]): DTraceRecord =>
  ({ cpu, fields: { timestamp, rest: pieces[0] }, values: [timestamp, ...pieces] }) as unknown as DTraceRecord

function raw(given: Partial<OpenFields>, names: string[]): RawOpen {
  const all = { ...fields, ...given }
  return { kind: 'open', timestamp: all.timestamp, fields: all, names, text: all.text }
}

const where = (given: Partial<OpenFields>, ...names: string[]) => openPath(raw(given, names), new FullPaths())

describe('records of the opens program', () => {
  test('have the names of the walk, the outermost first, also one that leaves no room for its slash', () => {
    const long = 'n'.repeat(255)
    const [open] = new OpenAssembler().add([record(0, { level: 3 }, 'a/', long, 'c')])
    expect(open).toMatchObject({ kind: 'open', names: ['a', long, 'c'], text: '/motd' })
  })

  test('have long strings put together, over batches and beside other CPUs', () => {
    const text = `/${'x'.repeat(254)}`
    const assembler = new OpenAssembler()
    expect(assembler.add([record(0, { text, timestamp: 5n }, 'm')])).toEqual([])
    expect(assembler.waiting).toBe(true)
    expect(assembler.add([record(1, { timestamp: 6n }, 'm')])).toHaveLength(1)
    const [whole] = assembler.add([rest(0, 5n, 'y', 'z', '')])
    expect(whole).toMatchObject({ text: `${text}yz` })
    expect(assembler.waiting).toBe(false)
  })

  test('whose string has lost its rest, or its beginning, cost nothing else', () => {
    const text = 'x'.repeat(255)
    const assembler = new OpenAssembler()
    const opens = assembler.add([
      record(0, { text, timestamp: 1n }, 'm'),
      record(0, { timestamp: 2n }, 'm'),
      rest(0, 1n, 'y'),
    ])
    expect(opens).toMatchObject([{ timestamp: 1n, text }, { timestamp: 2n }])
    expect(assembler.add([record(0, { text, timestamp: 3n }, 'm')])).toEqual([])
    expect(assembler.flush()).toMatchObject([{ text }])
  })

  test('are told in the order of time', () => {
    const mount = { cpu: 1, fields: { timestamp: 2n }, values: [2n] } as unknown as DTraceRecord
    const records = [record(0, { timestamp: 1n }, 'm'), record(0, { timestamp: 3n }, 'm'), mount]
    expect(new OpenAssembler().add(records).map(({ timestamp }) => timestamp)).toEqual([1n, 2n, 3n])
  })
})

describe('an open', () => {
  test('that succeeded has a descriptor; one that failed has an error by name; a mode where it counts', () => {
    const open = raw({ flags: 0o101, mode: 0o640 }, ['motd'])
    const event = makeOpenEvent(open, { path: '/etc/motd', exact: true, unlinked: false }, 'web')
    expect(event).toMatchObject({
      ...{ timestamp: 1_700_000_000_123.456, elapsed: 0.0025, zone_name: 'web', fd: 3, mode: 0o640 },
      ...{ flag_names: ['O_WRONLY', 'O_CREAT'], path: '/etc/motd', passed: '/motd', exact: true },
    })
    expect(event).not.toHaveProperty('errno')
    expect(event).not.toHaveProperty('path_bytes')
    const failed = makeOpenEvent(
      raw({ fd: -1, errno: 2, text: 'caf\xe9' }, []),
      { path: '/caf\xe9', exact: true, unlinked: false },
      'web',
    )
    expect(failed).toMatchObject({ errno: 2, error: 'ENOENT', path: '/caf\ufffd', passed: 'caf\ufffd' })
    expect(failed.path_bytes).toEqual(new Uint8Array([0x2f, 0x63, 0x61, 0x66, 0xe9]))
    expect(failed).not.toHaveProperty('fd')
    expect(failed).not.toHaveProperty('mode')
  })

  test.each([
    ['a pipe', { magic: 0x50495045, ino: 4711n }, '', 'pipe:[4711]', false],
    ['a memfd', { magic: 0x01021994 }, 'memfd:x', '/memfd:x', true],
    ['a namespace', { magic: 0x6e736673, ino: 9n, text: '/proc/1/ns/net' }, '/', 'net:[9]', false],
    [
      'a namespace by a descriptor',
      { magic: 0x6e736673, ino: 9n, text: '/proc/1/fd/3' },
      '/',
      'ns:[9]',
      false,
    ],
    ['anything else of the kernel', { magic: 0x09041934 }, '[eventfd]', 'anon_inode:[eventfd]', false],
  ])('of %s is named as in /proc', (_what, given, name, path, unlinked) => {
    expect(where({ level: 0, ...given }, name)).toEqual({ path, exact: true, unlinked })
  })

  test('of a bad address has no path, and below a bad descriptor no beginning', () => {
    const failed = { level: 201, fd: -1 }
    expect(where({ ...failed, errno: 14, text: '' })).toMatchObject({ path: '', exact: false })
    expect(where({ ...failed, errno: 9, text: 'a/../b' })).toMatchObject({
      path: '\xe2\x80\xa6/b',
      exact: false,
    })
    const pipe = { fd: -1, errno: 20, level: 0, magic: 0x50495045, ino: 1n, text: 'x' }
    expect(where(pipe, '')).toMatchObject({ path: 'pipe:[1]/x', exact: false })
  })

  test('in a namespace that has gone is told as it was passed, if the names agree, and not as exact', () => {
    expect(where({ text: '/srv/../mnt/motd' }, 'motd')).toMatchObject({ path: '/mnt/motd', exact: false })
    expect(where({ text: '/a/link' }, 'motd')).toMatchObject({ path: '\xe2\x80\xa6/motd', exact: false })
    expect(where({ text: 'motd' }, 'motd')).toMatchObject({ path: '\xe2\x80\xa6/motd', exact: false })
    const deep = Array.from({ length: 24 }, () => 'd')
    const text = `/x/${deep.join('/')}`
    expect(where({ level: 200, text }, ...deep)).toMatchObject({ path: text, exact: false })
    expect(where({ level: 200, text: '/link/d' }, ...deep)).toMatchObject({
      path: `\xe2\x80\xa6/${deep.join('/')}`,
    })
  })
})

describe.runIf(process.platform === 'linux')('names', () => {
  test.each([
    [0, ['O_RDONLY']],
    [0o2000002, ['O_RDWR', 'O_CLOEXEC']],
    [0o1101, ['O_WRONLY', 'O_CREAT', 'O_TRUNC']],
    [0o4010000, ['O_RDONLY', 'O_SYNC']],
    [0o10000, ['O_RDONLY', 'O_DSYNC']],
    [3, ['O_ACCMODE']],
    [0o10000000, ['O_RDONLY', 'O_PATH']],
    [0o40000000, ['O_RDONLY', '040000000']],
    [0xffffffff, expect.arrayContaining(['O_ACCMODE', 'O_TMPFILE', 'O_SYNC', '037740000074'])],
  ])('of the flags %i', (flags, names) => {
    expect(openFlagNames(flags)).toEqual(names)
  })

  test('of O_TMPFILE is one, not that of the directory in it', () => {
    const flags = 0o20000000 | (process.arch === 'arm64' ? 0o40000 : 0o200000) | 1
    expect(openFlagNames(flags)).toEqual(['O_WRONLY', 'O_TMPFILE'])
    expect(opensWithMode(flags)).toBe(true)
    expect(opensWithMode(1)).toBe(false)
  })

  test('of errors, as far as they have one', () => {
    expect([2, 40, 36, 123, 512, 9999].map(errnoName)).toEqual([
      ...['ENOENT', 'ELOOP', 'ENAMETOOLONG', 'ENOMEDIUM', 'ERESTARTSYS', '9999'],
    ])
  })
})

describe('the options of a watcher of opens', () => {
  test.each([
    ['an unknown one', { path: '/etc' }, /watchOpens: .*path/],
    ['a pid that is none', { pids: 0 }, /pids.*positive/],
    ['a pid that is a fraction', { pids: [1.5] }, /pids.*whole/],
    ['no pids', { pids: [] }, /pids: is empty/],
    ['an empty glob', { include: '' }, /include.*empty/],
    ['an unknown user', { users: 'nobody-of-that-name' }, /users: there is no user/],
    ['an empty zone', { zones: ' ' }, /zones.*empty/],
    ['an outcome that is none', { outcome: 'maybe' }, /outcome: is 'ok', 'failed' or 'all'/],
    ['two outcomes', { failedOnly: true, outcome: 'ok' }, /failedOnly: means outcome: 'failed'/],
    ['a bad limit', { queueLimit: 0 }, /queueLimit/],
  ])('refuse %s', (_what, options, message) => {
    expect(() => checkOpensOptions(options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT', message: expect.stringMatching(message) }),
    )
  })

  test.runIf(process.platform === 'linux')('refuse a process that is not there', () => {
    expect(() => checkOpensOptions({ pids: [process.pid, 2 ** 22] })).toThrow(
      expect.objectContaining({
        code: 'ERR_DTRACE_TARGET',
        message: expect.stringMatching(/no process with pid 4194304/),
      }),
    )
  })

  test('choose by any name of a file what is wanted, and what is not', () => {
    const chooses = (options: object) => checkOpensOptions(options).chooses.path
    const time = ['usr/share/zoneinfo/UTC', 'etc/localtime']
    expect(chooses({})).toBeUndefined()
    expect(chooses({ include: '/etc/**' })?.(time)).toBe(true)
    expect(chooses({ include: ['/etc/**', '!localtime'] })?.(time)).toBe(false)
    expect(chooses({ exclude: '/usr' })?.(time)).toBe(false)
    expect(chooses({ include: 'UTC' })?.(time)).toBe(true)
    expect(chooses({ include: '*.so' })?.(time)).toBe(false)
  })

  test.each([
    [{}, 'all'],
    [{ failedOnly: true }, 'failed'],
    [{ failedOnly: true, outcome: 'failed' }, 'failed'],
    [{ failedOnly: false, outcome: 'ok' }, 'ok'],
  ] as const)('%j asks for the outcome %s', (options, outcome) => {
    expect(checkOpensOptions(options).outcome).toBe(outcome)
  })

  test('choose zones by name, glob or number', () => {
    const zone = (zones: string | number | string[]) =>
      checkOpensOptions({ zones }).chooses.zone?.('web-1', 42)
    expect([zone('web-*'), zone(42), zone('db'), zone('!42')]).toEqual([true, true, false, false])
  })
})

import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DTraceError } from '../../lib/errors.js'
import {
  dataFolders,
  libraryCandidates,
  locateLibrary,
  type SearchOptions,
} from '../../lib/platform/locate.js'
import { MANIFEST_FORMAT, MANIFEST_NAME, type Manifest } from '../../lib/platform/manifest.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-locate-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** As much of a libdtrace as is looked at: the string that carries its version. */
function fakeLibrary(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, `\x7fELF…\0D ${version}\0…`)
  return path
}

/** A folder as set-up makes it. */
function fakePrefix(path: string, change: Partial<Manifest> = {}): string {
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    version: '2.0.7',
    suite: 'forky',
    architecture: 'amd64',
    created: new Date().toISOString(),
    hostGlibc: '2.36',
    library: 'lib/libdtrace.so.2',
    preload: ['lib/libsframe.so.3'],
    syslibdir: 'lib/dtrace',
    includeDirs: [],
    packages: [],
    adapted: {},
    ...change,
  }
  fakeLibrary(join(path, 'lib', 'libdtrace.so.2'), '2.0.7')
  writeFileSync(join(path, 'lib', 'libsframe.so.3'), '')
  writeFileSync(join(path, MANIFEST_NAME), JSON.stringify(manifest))
  return path
}

/** Nothing anywhere, unless a test puts it there. */
const places = (change: SearchOptions = {}): SearchOptions => ({
  platform: 'linux',
  env: {},
  system: [join(folder, 'system', 'libdtrace.so.2')],
  checkout: join(folder, 'checkout'),
  dataFolders: [join(folder, 'data')],
  cache: () => new Map(),
  ...change,
})

describe('libdtrace is looked for', () => {
  it('in the environment variable, the system, the checkout, the data folder, in this order', () => {
    const data = fakePrefix(join(folder, 'data'))
    expect(locateLibrary(places())).toMatchObject({ source: 'data', path: join(data, 'lib/libdtrace.so.2') })
    fakePrefix(join(folder, 'checkout'))
    expect(locateLibrary(places()).source).toBe('checkout')
    const system = fakeLibrary(join(folder, 'system', 'libdtrace.so.2'), '2.0.5')
    expect(locateLibrary(places())).toEqual({ source: 'system', path: system, preload: [], version: '2.0.5' })
    const own = fakeLibrary(join(folder, 'own.so'), '2.0.9')
    expect(locateLibrary(places({ env: { DTRACE_CONSUMER_LIBDTRACE: own } }))).toMatchObject({
      source: 'environment',
      path: own,
      version: '2.0.9',
    })
  })

  it('past a system library that is too old', () => {
    fakeLibrary(join(folder, 'system', 'libdtrace.so.2'), '2.0.4')
    fakePrefix(join(folder, 'checkout'))
    expect(locateLibrary(places()).source).toBe('checkout')
    expect(libraryCandidates(places())[0]?.problem).toBe('version 2.0.4 is older than 2.0.5')
  })

  it('at last in the loader’s cache, where it is not what was looked at already', () => {
    const elsewhere = fakeLibrary(join(folder, 'elsewhere', 'libdtrace.so.2'), '2.0.9')
    const cache = () => new Map([['libdtrace.so.2', elsewhere]])
    expect(locateLibrary(places({ cache }))).toMatchObject({ source: 'system', path: elsewhere })
    const old = fakeLibrary(join(folder, 'system', 'libdtrace.so.2'), '2.0.4')
    expect(locateLibrary(places({ cache })).path).toBe(elsewhere)
    fakePrefix(join(folder, 'data'))
    const notAsked = () => expect.unreachable()
    expect(locateLibrary(places({ cache: notAsked })).source).toBe('data')
    rmSync(join(folder, 'data'), { recursive: true })
    const same = () => new Map([['libdtrace.so.2', old]])
    expect(libraryCandidates(places({ cache: same })).filter(({ where }) => where === old)).toHaveLength(1)
  })

  it('past the same soname of another project', () => {
    mkdirSync(join(folder, 'system'))
    copyFileSync(process.execPath, join(folder, 'system', 'libdtrace.so.2'))
    expect(() => locateLibrary(places())).toThrow(/not a libdtrace 2/)
  })
})

describe('a folder made by set-up', () => {
  it('says what to load first, and where the D libraries are', () => {
    const prefix = fakePrefix(join(folder, 'checkout'))
    expect(locateLibrary(places())).toMatchObject({
      preload: [join(prefix, 'lib/libsframe.so.3')],
      syslibdir: join(prefix, 'lib/dtrace'),
      version: '2.0.7',
    })
  })

  it.each([
    [
      'a file of it is gone',
      { preload: ['lib/libgone.so.1'] },
      /libgone\.so\.1 is missing; run the set-up again/,
    ],
    ['it has headers only', { library: undefined }, /has headers only/],
    ['it was made by another version of this package', { format: 99 as 1 }, /run the set-up again/],
  ])('does not serve when %s', (_what, change, message) => {
    fakePrefix(join(folder, 'checkout'), change)
    expect(() => locateLibrary(places())).toThrow(message)
  })
})

describe('the environment variable', () => {
  const named = (path: string) => places({ env: { DTRACE_CONSUMER_LIBDTRACE: path } })

  it('may name a folder made by set-up, or one laid out like /usr', () => {
    expect(locateLibrary(named(fakePrefix(join(folder, 'p')))).preload).toHaveLength(1)
    const path = fakeLibrary(join(folder, 'usr-like', 'lib64', 'libdtrace.so.2'), '2.0.6')
    expect(locateLibrary(named(join(folder, 'usr-like'))).path).toBe(path)
  })

  it('is an error when nothing is there, whatever else there is', () => {
    fakePrefix(join(folder, 'checkout'))
    expect(() => locateLibrary(named(join(folder, 'nowhere')))).toThrow(
      /DTRACE_CONSUMER_LIBDTRACE: .*nowhere: not there/,
    )
  })
})

it('says where it looked and what to do, with a code', () => {
  try {
    locateLibrary(places())
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(DTraceError)
    const { code, message } = error as DTraceError
    expect(code).toBe('ERR_DTRACE_LIBRARY_NOT_FOUND')
    for (const place of ['system', 'checkout', 'data']) expect(message).toContain(join(folder, place))
    expect(message).toContain('dtrace-watch setup')
  }
})

it('keeps root to a folder that only root can write to', () => {
  const folders = dataFolders({ XDG_DATA_HOME: '/home/someone/data' })
  if (process.getuid?.() === 0) expect(folders).toEqual(['/var/lib/dtrace-consumer'])
  else {
    expect(folders[0]).toBe('/home/someone/data/dtrace-consumer')
    // The XDG specification: relative paths are to be ignored.
    expect(dataFolders({ XDG_DATA_HOME: 'data' })[0]).toBe(join(homedir(), '.local/share/dtrace-consumer'))
  }
})

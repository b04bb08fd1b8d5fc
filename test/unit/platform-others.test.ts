import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { optionText } from '../../lib/options.js'
import { checkPlatform } from '../../lib/platform/checks.js'
import { prepareDLibraries } from '../../lib/platform/dlibs.js'
import { SESSION_FOLDER } from '../../lib/platform/leftovers.js'
import { type LibraryLocation, libraryCandidates, locateLibrary } from '../../lib/platform/locate.js'
import { preflight } from '../../lib/preflight.js'

/** Where DTrace is a part of the system. */
const others = ['sunos', 'freebsd', 'darwin'] as const

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-others-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('where DTrace is a part of the system', () => {
  it.each([
    ['sunos', ['/usr/lib/64/libdtrace.so.1', '/lib/64/libdtrace.so.1']],
    ['freebsd', ['/lib/libdtrace.so.2', '/usr/lib/libdtrace.so.2']],
    ['darwin', ['/usr/lib/libdtrace.dylib']],
  ] as const)('on %s libdtrace is looked for there alone', (platform, paths) => {
    const candidates = libraryCandidates({ platform, env: {}, checkout: folder, dataFolders: [folder] })
    expect(candidates.map(({ where }) => where)).toEqual(paths)
    expect(new Set(candidates.map(({ source }) => source))).toEqual(new Set(['system']))
  })

  it("macOS' one is loaded without being seen: its file is in the loader's shared cache", () => {
    expect(locateLibrary({ platform: 'darwin', env: {} })).toEqual({
      path: '/usr/lib/libdtrace.dylib',
      preload: [],
      source: 'system',
    })
  })

  it.each(['sunos', 'freebsd'] as const)(
    'on %s a missing one does not send to a set-up for Linux',
    (platform) => {
      const missing = { platform, env: {}, system: [join(folder, 'libdtrace')] }
      expect(() => locateLibrary(missing)).toThrow(
        /DTrace is a part of this system: see that its dtrace\(1\) works/,
      )
      expect(() => locateLibrary(missing)).not.toThrow(/dtrace-watch setup|Debian/)
    },
  )

  it.each([
    ['sunos', 'usr/lib/64/libdtrace.so.1'],
    ['freebsd', 'usr/lib/libdtrace.so.2'],
    ['darwin', 'lib/libdtrace.dylib'],
  ] as const)(
    'on %s the environment variable may name a folder, and no version is asked for',
    (platform, file) => {
      const path = join(folder, file)
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, 'no version in it')
      const found = locateLibrary({ platform, env: { DTRACE_CONSUMER_LIBDTRACE: folder } })
      expect(found).toEqual({ path, preload: [], source: 'environment' })
    },
  )

  it.each(others)('on %s nothing of Linux is asked for before a session', (platform) => {
    expect(() => preflight(platform)).not.toThrow()
    expect(checkPlatform(platform).map(({ name }) => name)).toEqual(['libdtrace'])
  })

  it.each(others)('on %s the D libraries are left as they are', async (platform) => {
    const before = ownFolders()
    const library: LibraryLocation = { path: join(folder, 'libdtrace'), preload: [], source: 'system' }
    const libraries = await prepareDLibraries(library, undefined, platform)
    expect(libraries).toMatchObject({ syslibdir: undefined, limitations: [] })
    expect(ownFolders()).toEqual(before)
  })

  it.each(others)(
    'on %s an option is refused for what that libdtrace does with it, not for what another does',
    (platform) => {
      // What Linux' /sys says of CPUs is not there, and these don't bind a thread to one.
      expect(optionText('cpu', 4711, platform)).toBe('4711')
      expect(optionText('nolibs', true, platform)).toBeNull()
      expect(() => optionText('core', true, platform)).toThrow(/core dump/)
    },
  )
})

/** The folders of this process's sessions. */
function ownFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`${SESSION_FOLDER}${process.pid}-`))
}

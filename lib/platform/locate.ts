/**
 * Finds libdtrace. Looked at in this order, and the first that serves is taken:
 *
 * 1. `DTRACE_CONSUMER_LIBDTRACE`: a library file, or a folder made by `dtrace-watch setup --prefix` or with libdtrace
 *    somewhere usual in it. When it is set, nothing else is looked at: a wish that can't be met is an error.
 * 2. the system: the folders that distributions use, version 2.0.5 or newer on Linux.
 * 3. the checkout's `.dtrace`, made by `scripts/setup`. Linux.
 * 4. the data folder, made by `dtrace-watch setup`: see {@link dataFolders}. Linux.
 * 5. wherever else the system's loader finds one. Linux. Last, since it takes a process, ldconfig(8).
 *
 * On illumos, FreeBSD and macOS DTrace is a part of the system, and nothing else fits its kernel.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DTraceError } from '../errors.js'
import { readManifest } from './manifest.js'
import { multiarchTriplet, readLdCache, systemLibraryFolders } from './system-libraries.js'

export const LIBRARY_VARIABLE = 'DTRACE_CONSUMER_LIBDTRACE'
/** Older ones lack what this package calls, or crash on the way. */
export const OLDEST_VERSION = '2.0.5'

/** A libdtrace, and what has to be done to load it. */
export interface LibraryLocation {
  path: string
  /** Libraries to open first, in this order, by these absolute paths: they stand in for ones that the system lacks. */
  preload: string[]
  /** The folder of the D libraries (option `syslibdir`), where libdtrace wouldn't find it by itself. */
  syslibdir?: string
  source: 'environment' | 'system' | 'checkout' | 'data'
  /** e.g. `2.0.7`; absent where the file doesn't say. */
  version?: string
}

/** One place that was looked at, for error messages and `dtrace-watch doctor`. */
export interface LibraryCandidate {
  source: LibraryLocation['source']
  /** The file or folder. */
  where: string
  /** What was found there; absent when it serves. */
  problem?: string
  /** The problem is its age. */
  outdated?: boolean
  location?: LibraryLocation
}

/** The folder of this package: where package.json is. */
export const packageRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** The checkout's private folder. */
export const checkoutFolder: string = join(packageRoot, '.dtrace')

/**
 * The folders in which `dtrace-watch setup` puts libdtrace; the first is the one that it writes to.
 *
 * Root uses `/var/lib/dtrace-consumer` alone: with `sudo`, `HOME` may be another user's, and root must not load code that
 * an ordinary user can replace. Everyone else has `$XDG_DATA_HOME/dtrace-consumer` (by default below
 * `~/.local/share`), then root's.
 */
export function dataFolders(env: NodeJS.ProcessEnv = process.env): string[] {
  const shared = '/var/lib/dtrace-consumer'
  if (process.getuid?.() === 0) return [shared]
  const xdg = env.XDG_DATA_HOME
  // The XDG specification: a relative path is to be ignored.
  const home = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.local', 'share')
  return [join(home, 'dtrace-consumer'), shared]
}

/** Where to look; each has a default, and tests give their own. */
export interface SearchOptions {
  env?: NodeJS.ProcessEnv
  checkout?: string
  dataFolders?: string[]
  /** Paths at which the system may have libdtrace. */
  system?: string[]
  /** The loader's cache: soname → path. */
  cache?: () => ReadonlyMap<string, string>
  /** The system that is looked at. */
  platform?: NodeJS.Platform
}

/**
 * Finds the libdtrace to use.
 *
 * @throws `ERR_DTRACE_LIBRARY_NOT_FOUND`, or `ERR_DTRACE_LIBRARY_VERSION` where there is only an old one, with every place that was looked at and what to do
 * @example
 * const { path, version } = locateLibrary()
 */
export function locateLibrary(options: SearchOptions = {}): LibraryLocation {
  const candidates = libraryCandidates(options)
  const found = candidates.find((candidate) => candidate.location !== undefined)?.location
  if (found !== undefined) return found
  // There is one, but it won't do: that is another matter than none.
  const old = candidates.some(({ outdated }) => outdated === true)
  throw new DTraceError(
    old ? 'ERR_DTRACE_LIBRARY_VERSION' : 'ERR_DTRACE_LIBRARY_NOT_FOUND',
    [
      old ? 'libdtrace is too old here. Looked at:' : 'No libdtrace was found. Looked at:',
      ...describeCandidates(candidates),
      whatToDo(candidates, options.platform ?? process.platform),
    ].join('\n'),
  )
}

/** Every place that {@link locateLibrary} looks at, up to and including the first that serves. */
export function libraryCandidates(options: SearchOptions = {}): LibraryCandidate[] {
  const env = options.env ?? process.env
  const platform = options.platform ?? process.platform
  const wish = env[LIBRARY_VARIABLE]
  if (wish !== undefined && wish !== '') return [inspect('environment', resolve(wish), platform)]

  const candidates: LibraryCandidate[] = []
  type Place = [LibraryLocation['source'], string]
  const places = (options.system ?? systemPaths(platform)).map((path): Place => ['system', path])
  if (platform === 'linux') {
    places.push(['checkout', options.checkout ?? checkoutFolder])
    places.push(...(options.dataFolders ?? dataFolders(env)).map((path): Place => ['data', path]))
  }
  for (const [source, where] of places) {
    const candidate = inspect(source, where, platform)
    candidates.push(candidate)
    if (candidate.location !== undefined) return candidates
  }
  if (platform === 'linux') candidates.push(inspectCached(candidates, options.cache ?? readLdCache))
  return candidates
}

/** One line for each place. */
export function describeCandidates(candidates: readonly LibraryCandidate[]): string[] {
  return candidates.map(
    ({ source, where, problem }) =>
      `  ${source === 'environment' ? LIBRARY_VARIABLE : source}: ${where}: ${problem ?? 'serves'}`,
  )
}

function whatToDo(candidates: readonly LibraryCandidate[], platform: NodeJS.Platform): string {
  if (candidates[0]?.source === 'environment') {
    return `Correct ${LIBRARY_VARIABLE}, or unset it to have the usual places looked at.`
  }
  if (platform !== 'linux') return DTRACE_OF_THE_SYSTEM
  return (
    `Install your distribution's package (Debian, Ubuntu: libdtrace2; Oracle Linux, Fedora: dtrace), ${OLDEST_VERSION} or newer, ` +
    "or run 'npx dtrace-watch setup' (in a checkout: scripts/setup): on Debian and Ubuntu it puts a private copy into a folder of " +
    'its own and changes nothing else.'
  )
}

/** What to do where a system that brings DTrace along doesn't have it. */
export const DTRACE_OF_THE_SYSTEM =
  'DTrace is a part of this system: see that its dtrace(1) works, install what that needs, or name the library in DTRACE_CONSUMER_LIBDTRACE.'

/** What the library is called, as native/platform says it, too. */
function libraryName(platform: NodeJS.Platform): string {
  switch (platform) {
    case 'darwin':
      return 'libdtrace.dylib'
    case 'sunos':
      return 'libdtrace.so.1'
    default:
      return 'libdtrace.so.2'
  }
}

function systemPaths(platform: NodeJS.Platform): string[] {
  const name = libraryName(platform)
  switch (platform) {
    case 'darwin':
      return [`/usr/lib/${name}`]
    case 'sunos':
      // The 64-bit ones: there is no other Node.js.
      return [`/usr/lib/64/${name}`, `/lib/64/${name}`]
    case 'freebsd':
      return [`/lib/${name}`, `/usr/lib/${name}`]
    default:
      return systemLibraryFolders()
        .map((folder) => join(folder, name))
        .filter((path) => existsSync(path))
  }
}

/** What the loader finds outside the folders that were looked at. */
function inspectCached(
  lookedAt: readonly LibraryCandidate[],
  cache: () => ReadonlyMap<string, string>,
): LibraryCandidate {
  const name = libraryName('linux')
  const path = cache().get(name)
  if (path !== undefined && lookedAt.every(({ where }) => where !== path))
    return inspect('system', path, 'linux')
  const where = `${name} in ${systemLibraryFolders().join(', ')} or the loader's cache`
  return { source: 'system', where, problem: path === undefined ? 'not there' : 'no other there' }
}

/** Looks at one place, which may be a file, a folder with a manifest, or a folder laid out like `/usr`. */
function inspect(
  source: LibraryLocation['source'],
  where: string,
  platform: NodeJS.Platform,
): LibraryCandidate {
  if (source === 'system' && platform === 'darwin') {
    // In the loader's shared cache: no file of this name exists, and dlopen finds it all the same.
    return { source, where, location: { path: where, preload: [], source } }
  }
  const stat = statSync(where, { throwIfNoEntry: false })
  if (stat === undefined) return { source, where, problem: 'not there' }
  if (stat.isFile()) return inspectFile(source, where, where, platform)

  const manifest = readManifest(where)
  if (manifest !== undefined) {
    if (manifest.library === undefined) return { source, where, problem: 'has headers only' }
    const files = [manifest.library, ...manifest.preload].map((path) => join(where, path))
    const missing = files.find((path) => !existsSync(path))
    if (missing !== undefined)
      return { source, where, problem: `incomplete: ${missing} is missing; run the set-up again` }
    const [path, ...preload] = files as [string, ...string[]]
    const location: LibraryLocation = { path, preload, source, version: manifest.version }
    if (manifest.syslibdir !== undefined) location.syslibdir = join(where, manifest.syslibdir)
    return { source, where, location }
  }
  if (source !== 'environment')
    return { source, where, problem: 'no complete set-up in it; run the set-up again' }

  const name = libraryName(platform)
  const found = folderLayouts(platform)
    .map((below) => join(where, below, name))
    .find((path) => existsSync(path))
  if (found !== undefined) return inspectFile(source, where, found, platform)
  return { source, where, problem: `no ${name} in it` }
}

function folderLayouts(platform: NodeJS.Platform): string[] {
  if (platform === 'sunos') return ['', '64', 'lib/64', 'usr/lib/64']
  if (platform !== 'linux') return ['', 'lib', 'usr/lib']
  const triplet = multiarchTriplet()
  return ['', 'lib', 'lib64', `lib/${triplet}`, 'usr/lib', 'usr/lib64', `usr/lib/${triplet}`]
}

function inspectFile(
  source: LibraryLocation['source'],
  where: string,
  path: string,
  platform: NodeJS.Platform,
): LibraryCandidate {
  const location: LibraryLocation = { path, preload: [], source }
  if (platform !== 'linux') return { source, where, location }
  let version: string | undefined
  try {
    version = readLibraryVersion(path)
  } catch (error) {
    return { source, where, problem: `cannot be read: ${(error as Error).message}` }
  }
  if (version === undefined) return { source, where, problem: 'not a libdtrace 2' }
  if (version.localeCompare(OLDEST_VERSION, 'en', { numeric: true }) < 0) {
    return { source, where, problem: `version ${version} is older than ${OLDEST_VERSION}`, outdated: true }
  }
  // A libdtrace outside the system's folders has its D libraries beside it.
  const syslibdir = join(dirname(path), 'dtrace')
  if (source === 'environment' && existsSync(syslibdir)) location.syslibdir = syslibdir
  return { source, where, location: { ...location, version } }
}

/** The version that libdtrace's file carries (the string behind `dtrace -V`), without loading it. */
export function readLibraryVersion(path: string): string | undefined {
  return /\0D (\d+\.\d+(?:\.\d+)?)\0/.exec(readFileSync(path, 'latin1'))?.[1]
}

/**
 * Puts a private libdtrace into a folder: Debian's packages, signature-checked by apt, unpacked and made loadable here.
 * Nothing on the host changes. The folder appears under its name only when it is complete; what an interrupted run left is
 * removed by the next.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { DTraceError } from '../errors.js'
import { dataFolders, libraryCandidates, OLDEST_VERSION, readLibraryVersion } from '../platform/locate.js'
import { MANIFEST_FORMAT, MANIFEST_NAME, type Manifest, readManifest } from '../platform/manifest.js'
import { findSystemLibrary, multiarchTriplet } from '../platform/system-libraries.js'
import { PrivateApt, packageOf, unpack } from './apt.js'
import { adaptToGlibc, compareVersions, readElf } from './elf.js'
import { type DebianHost, debianHost, type HostSources, hostSources } from './host.js'
import { run } from './run.js'
import { activate, makeStaging } from './staging.js'

export interface SetupOptions {
  /** The folder to make; by default the data folder, see {@link dataFolders}. */
  prefix?: string
  /** Headers for building the addon and dtrace(1) as well. */
  dev?: boolean
  /** Leave it at the system's libdtrace where that is new enough. Default: when no `prefix` is given. */
  useSystem?: boolean
  /** Called with each step before it is done. */
  log?: (message: string) => void
}

export interface SetupResult {
  /** `system`: the system's libdtrace serves; `present`: the folder was complete; `installed`: it was made now. */
  action: 'system' | 'present' | 'installed'
  /** The folder, or the system's library. */
  where: string
  version: string
}

const LIBRARY = 'libdtrace.so.2'
/** Where Debian keeps the keys that its archive is signed with. */
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Names another mirror of Debian to get libdtrace from. */
export const MIRROR_VARIABLE = 'DTRACE_CONSUMER_MIRROR'
/** The suites that have libdtrace, the steadier first. */
const SUITES = ['forky', 'sid']
/** Part of glibc itself: the host's own are used, always. */
const GLIBC_LIBRARY = /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|resolv|util|mvec)\.so\.\d+)/
/** libdtrace reads type information with these, and they change with each release: they come from where it comes from. */
const SAME_SUITE = /^lib(?:ctf|sframe)/

/**
 * Makes sure that there is a libdtrace to load.
 *
 * @throws `ERR_DTRACE_SETUP` saying which step failed and what to do
 * @example
 * await setupLibrary({ log: (message) => console.error(message) })
 */
export async function setupLibrary(options: SetupOptions = {}): Promise<SetupResult> {
  const log = options.log ?? (() => {})
  const { prefix, dev, present, system, done } = examine(options)
  if (done !== undefined) return done
  const host = debianHost()
  if (existsSync(prefix) && present === undefined && readdirSync(prefix).length > 0) {
    // A folder of someone else's: never replaced.
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `${prefix} has files that set-up didn't put there. Name another folder, or empty this one.`,
    )
  }

  const staging = makeStaging(prefix)
  try {
    const manifest = await new Installation(staging, host, log).make(dev, system?.version)
    activate(staging, prefix)
    log(
      manifest.library === undefined
        ? `headers are in ${prefix}`
        : `libdtrace ${manifest.version} is in ${prefix}`,
    )
    return { action: 'installed', where: prefix, version: manifest.version }
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** Why {@link setupLibrary} has something to do, or `undefined`. Looks at files only. */
export function librarySetupNeeded(options: SetupOptions = {}): string | undefined {
  const { prefix, present, done } = examine(options)
  if (done !== undefined) return undefined
  return present === undefined ? `not in ${prefix} yet` : `${prefix} is incomplete`
}

interface Examination {
  prefix: string
  dev: boolean
  present: Manifest | undefined
  system: { path: string; version: string } | undefined
  /** The result, when nothing is left to do. */
  done: SetupResult | undefined
}

function examine(options: SetupOptions): Examination {
  const prefix = resolve(options.prefix ?? dataFolders()[0] ?? '.dtrace')
  const dev = options.dev === true
  const present = readManifest(prefix)
  const system = (options.useSystem ?? options.prefix === undefined) ? systemLibrary() : undefined
  let done: SetupResult | undefined
  if (system !== undefined && (!dev || systemHasDevelopmentFiles())) {
    done = { action: 'system', where: system.path, version: system.version }
  } else if (present !== undefined && isComplete(prefix, present, dev)) {
    done = { action: 'present', where: prefix, version: present.version }
  }
  return { prefix, dev, present, system, done }
}

function isComplete(prefix: string, manifest: Manifest, dev: boolean): boolean {
  const files = [manifest.library, ...manifest.preload, manifest.syslibdir, manifest.command]
  if (dev) files.push(...manifest.includeDirs)
  if (dev && manifest.includeDirs.length === 0) return false
  // Without a library of its own, the folder serves only as long as the system has one.
  if (manifest.library === undefined && systemLibrary() === undefined) return false
  return files.every((path) => path === undefined || existsSync(join(prefix, path)))
}

function systemLibrary(): { path: string; version: string } | undefined {
  const location = libraryCandidates({ env: {}, checkout: '/nonexistent', dataFolders: [] }).find(
    (candidate) => candidate.source === 'system' && candidate.location !== undefined,
  )?.location
  return location === undefined
    ? undefined
    : { path: location.path, version: location.version ?? OLDEST_VERSION }
}

function systemHasDevelopmentFiles(): boolean {
  const header = existsSync('/usr/include/dtrace.h') && existsSync('/usr/include/sys/ctf-api.h')
  return header && ['/usr/sbin/dtrace', '/usr/bin/dtrace'].some((path) => existsSync(path))
}

/** The making of one folder. */
class Installation {
  readonly #root: string
  readonly #host: DebianHost
  readonly #log: (message: string) => void
  readonly #sources: HostSources
  /** Where libraries go, below the folder. */
  readonly #libraries = `usr/lib/${multiarchTriplet()}`
  readonly #work: string
  readonly #packages = new Map<string, string>()
  readonly #adapted: Manifest['adapted'] = {}
  readonly #preload: string[] = []
  readonly #visited = new Set<string>()
  #hostApt: Promise<PrivateApt | undefined> | undefined

  constructor(root: string, host: DebianHost, log: (message: string) => void) {
    this.#root = root
    this.#host = host
    this.#log = log
    this.#sources = hostSources(host.codename)
    this.#work = join(root, 'work')
  }

  /** @param systemVersion the version of the system's libdtrace, when that is the one to use and only headers lack */
  async make(dev: boolean, systemVersion?: string): Promise<Manifest> {
    const { apt, suite, mirror } = await this.#findSuite()
    const wantsLibrary = systemVersion === undefined
    const names: string[] = []
    if (wantsLibrary) names.push('libdtrace2')
    if (dev) names.push('libdtrace2-dev', 'libelf-dev', 'binutils-dev')
    if (dev && wantsLibrary) names.push('dtrace')
    this.#log(`downloading ${names.join(', ')} from ${mirror} (${suite})`)
    const debs = await apt.download(names)

    this.#log('unpacking')
    const unpacked = join(this.#work, 'unpacked')
    for (const deb of debs) {
      await unpack(deb, unpacked)
      this.#keepCopyright(deb, unpacked)
    }

    const manifest: Manifest = {
      format: MANIFEST_FORMAT,
      version: systemVersion ?? '',
      suite: wantsLibrary ? suite : 'system',
      architecture: this.#host.architecture,
      created: new Date().toISOString(),
      hostGlibc: this.#host.glibc,
      preload: this.#preload,
      includeDirs: [],
      packages: [],
      adapted: this.#adapted,
    }
    if (wantsLibrary) await this.#addLibrary(apt, unpacked, manifest)
    if (dev && wantsLibrary) await this.#addCommand(apt, unpacked, manifest)
    if (dev) this.#addHeaders(unpacked, manifest)
    if (wantsLibrary) await this.#tryLoading()

    manifest.packages = [...this.#packages].map(([name, version]) => ({ name, version }))
    rmSync(this.#work, { recursive: true, force: true })
    writeFileSync(join(this.#root, MANIFEST_NAME), `${JSON.stringify(manifest, undefined, 2)}\n`)
    return manifest
  }

  /** The first suite that has libdtrace. */
  async #findSuite(): Promise<{ apt: PrivateApt; suite: string; mirror: string }> {
    const keyring = await this.#debianKeyring()
    const mirror = await this.#debianMirror()
    const failures: string[] = []
    for (const suite of SUITES) {
      this.#log(`fetching the package list of ${suite} from ${mirror}`)
      const stanza = [
        'Types: deb',
        `URIs: ${mirror}`,
        `Suites: ${suite}`,
        'Components: main',
        `Signed-By: ${keyring}`,
      ]
      const apt = new PrivateApt(join(this.#work, `apt-${failures.length}`), { deb822: stanza.join('\n') })
      try {
        await apt.update()
        const version = await apt.candidate('libdtrace2')
        if (version !== undefined && compareVersions(version.replace(/-.*/, ''), OLDEST_VERSION) >= 0) {
          return { apt, suite, mirror }
        }
        failures.push(`${mirror} ${suite}: no libdtrace2 of version ${OLDEST_VERSION} or newer`)
      } catch (error) {
        failures.push(`${mirror} ${suite}: ${(error as Error).message}`)
      }
    }
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      [
        "Debian's libdtrace can't be downloaded:",
        ...failures,
        'Check the network and apt’s proxy settings, or name a mirror of Debian that this machine can reach in ' +
          `${MIRROR_VARIABLE}. Where there is no network at all, run the set-up on a machine of the same ` +
          'release, copy the folder here, and name it in DTRACE_CONSUMER_LIBDTRACE.',
      ].join('\n'),
    )
  }

  /** The mirror that Debian itself uses; elsewhere the one that debootstrap, from the host's own archive, has built in. */
  async #debianMirror(): Promise<string> {
    const chosen = process.env[MIRROR_VARIABLE]
    if (chosen) return chosen
    if (this.#host.id === 'debian' && this.#sources.mirror !== undefined) return this.#sources.mirror
    this.#log('looking up Debian’s mirror in debootstrap, from this system’s own archive')
    const apt = await this.#aptOfHost()
    const [deb] = (await apt?.download(['debootstrap'])) ?? []
    const folder = join(this.#work, 'debootstrap')
    if (deb !== undefined) await unpack(deb, folder)
    const script = join(folder, 'usr', 'sbin', 'debootstrap')
    const found = existsSync(script) ? /^DEF_MIRROR="([^"]+)"/m.exec(readFileSync(script, 'utf8')) : null
    if (found?.[1] !== undefined) return found[1]
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `It is not known where Debian's archive is: name a mirror of Debian in ${MIRROR_VARIABLE}, then run this again.`,
    )
  }

  /** Debian's keys: the host's own on Debian; elsewhere the host's package of them, which the host's keys vouch for. */
  async #debianKeyring(): Promise<string> {
    if (existsSync(DEBIAN_KEYRING)) return DEBIAN_KEYRING
    this.#log('fetching Debian’s archive keys from this system’s own archive')
    const apt = await this.#aptOfHost()
    const [deb] = (await apt?.download(['debian-archive-keyring'])) ?? []
    if (deb === undefined) {
      throw new DTraceError(
        'ERR_DTRACE_SETUP',
        `${DEBIAN_KEYRING} is missing: install the package debian-archive-keyring, then run this again.`,
      )
    }
    const folder = join(this.#work, 'keyring')
    await unpack(deb, folder)
    return join(folder, DEBIAN_KEYRING)
  }

  /** apt on the host's own suite, fetched when it is first wanted; `undefined` when the host has no sources for it. */
  #aptOfHost(): Promise<PrivateApt | undefined> {
    this.#hostApt ??= (async () => {
      const { deb822, lines } = this.#sources
      if (deb822 === '' && lines === '') return undefined
      this.#log(
        `fetching the package list of ${this.#host.prettyName}, for libraries that this machine lacks`,
      )
      const apt = new PrivateApt(join(this.#work, 'apt-host'), { deb822, lines })
      await apt.update()
      return apt
    })()
    return this.#hostApt
  }

  async #addLibrary(apt: PrivateApt, unpacked: string, manifest: Manifest): Promise<void> {
    this.#install(join(unpacked, this.#libraries, LIBRARY), join(this.#libraries, LIBRARY))
    manifest.library = join(this.#libraries, LIBRARY)
    manifest.syslibdir = join(this.#libraries, 'dtrace')
    cpSync(join(unpacked, manifest.syslibdir), join(this.#root, manifest.syslibdir), { recursive: true })
    const version = readLibraryVersion(join(this.#root, manifest.library))
    if (version === undefined) {
      throw new DTraceError(
        'ERR_DTRACE_SETUP',
        'The downloaded libdtrace doesn’t say its version: set-up doesn’t know this one.',
      )
    }
    manifest.version = version
    await this.#addNeeds(apt, manifest.library)
  }

  /** Adds what a file needs and the host lacks, each after its own needs. */
  async #addNeeds(apt: PrivateApt, file: string): Promise<void> {
    const elf = readElf(readFileSync(join(this.#root, file)))
    for (const soname of elf?.needed ?? []) {
      if (GLIBC_LIBRARY.test(soname) || soname === LIBRARY || this.#visited.has(soname)) continue
      const versions = (elf?.versionNeeds ?? [])
        .filter((need) => need.file === soname)
        .map((need) => need.version)
      const own = findSystemLibrary(soname)
      if (!SAME_SUITE.test(soname) && own !== undefined && hasVersions(own, versions)) continue
      this.#visited.add(soname)
      const path = join(this.#libraries, soname)
      await this.#fetchLibrary(apt, soname, path)
      await this.#addNeeds(apt, path)
      this.#preload.push(path)
    }
  }

  async #fetchLibrary(apt: PrivateApt, soname: string, path: string): Promise<void> {
    const names = packageNames(soname)
    // The host has one that is too old when its own suite couldn't serve.
    const fromHost =
      SAME_SUITE.test(soname) || findSystemLibrary(soname) !== undefined ? undefined : await this.#aptOfHost()
    for (const source of [fromHost, apt]) {
      const name = await source?.firstAvailable(names)
      if (source === undefined || name === undefined) continue
      this.#log(`downloading ${name}, which has ${soname}`)
      const [deb = ''] = await source.download([name])
      const unpacked = join(this.#work, name)
      await unpack(deb, unpacked)
      const found = [join('usr/lib', multiarchTriplet()), join('lib', multiarchTriplet())]
        .map((folder) => join(unpacked, folder, soname))
        .find((candidate) => existsSync(candidate))
      if (found === undefined) continue
      this.#keepCopyright(deb, unpacked)
      this.#install(found, path)
      return
    }
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `libdtrace needs ${soname}, which this machine lacks, and no package of it was found (tried ${names.join(', ')}). ` +
        'Install the package that has it, then run this again.',
    )
  }

  /** Copies a library or program into the folder and makes the copy loadable here. */
  #install(from: string, to: string): void {
    const bytes = readFileSync(realpathSync(from))
    const symbols = adaptToGlibc(bytes, this.#host.glibc, basename(to))
    if (symbols.length > 0) this.#adapted[to] = symbols
    mkdirSync(dirname(join(this.#root, to)), { recursive: true })
    writeFileSync(join(this.#root, to), bytes)
    chmodSync(join(this.#root, to), statSync(from).mode & 0o777)
  }

  /** What the packages' licences ask for, and the record of what came from where. */
  #keepCopyright(deb: string, unpacked: string): void {
    const { name, version } = packageOf(deb)
    this.#packages.set(name, version)
    const file = join('usr/share/doc', name, 'copyright')
    if (!existsSync(join(unpacked, file))) return
    mkdirSync(dirname(join(this.#root, file)), { recursive: true })
    copyFileSync(join(unpacked, file), join(this.#root, file))
  }

  /** dtrace(1), behind a script that has it find its library and a D library that compiles on this kernel. */
  async #addCommand(apt: PrivateApt, unpacked: string, manifest: Manifest): Promise<void> {
    const program = 'usr/sbin/dtrace'
    this.#install(join(unpacked, program), program)
    await this.#addNeeds(apt, program)
    const withoutIo = this.#withoutIo(join(this.#libraries, 'dtrace'))
    manifest.command = 'bin/dtrace'
    const script = [
      '#!/bin/sh',
      '# dtrace(1) with the libdtrace of this folder.',
      `here=$(dirname "$(readlink -f "$0")")/..`,
      `dlib="$here/${this.#libraries}/dtrace"`,
      '# io.d needs a kernel symbol that kernels without CONFIG_KALLSYMS_ALL lack; there, no D program compiles with it.',
      `grep -q ' major_names$' /proc/kallsyms || dlib="$here/${withoutIo}"`,
      `export LD_LIBRARY_PATH="$here/${this.#libraries}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
      `exec "$here/${program}" -x syslibdir="$dlib" "$@"`,
      '',
    ].join('\n')
    mkdirSync(join(this.#root, 'bin'))
    writeFileSync(join(this.#root, manifest.command), script, { mode: 0o755 })
  }

  /** The D library folder once more, as links, without io.d. */
  #withoutIo(dlib: string): string {
    const copy = `${dlib}-without-io`
    const link = (path: string) => {
      const target = join(this.#root, copy, path)
      mkdirSync(dirname(target), { recursive: true })
      symlinkSync(relative(dirname(target), join(this.#root, dlib, path)), target)
    }
    for (const entry of readdirSync(join(this.#root, dlib), { withFileTypes: true })) {
      if (!entry.isDirectory()) link(entry.name)
      else {
        for (const name of readdirSync(join(this.#root, dlib, entry.name))) {
          if (name !== 'io.d') link(join(entry.name, name))
        }
      }
    }
    return copy
  }

  #addHeaders(unpacked: string, manifest: Manifest): void {
    const include = 'usr/include'
    cpSync(join(unpacked, include), join(this.#root, include), { recursive: true })
    // dtrace.h asks for it under this name, which no package has.
    const forwarder = join(this.#root, include, 'sys', 'ctf-api.h')
    mkdirSync(dirname(forwarder), { recursive: true })
    if (!existsSync(forwarder)) writeFileSync(forwarder, '#include <ctf-api.h>\n')
    manifest.includeDirs = [include]
  }

  /**
   * Loads the result once, in a process of its own. `process.dlopen` opens any shared library; that this one isn't a Node.js
   * addon is what it complains about when all went well.
   */
  async #tryLoading(): Promise<void> {
    this.#log('checking that it loads')
    const library = join(this.#root, this.#libraries, LIBRARY)
    const script = `
      const { constants } = require('node:os')
      try { process.dlopen({ exports: {} }, ${JSON.stringify(library)}, constants.dlopen.RTLD_NOW) }
      catch (error) { if (!/did not self-register/.test(error.message)) { console.error(error.message); process.exit(1) } }`
    const path = [join(this.#root, this.#libraries), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':')
    await run(process.execPath, ['-e', script], {
      env: { ...process.env, LD_LIBRARY_PATH: path },
      timeout: 60_000,
    })
  }
}

/** Whether a library has all these symbol versions: their names are in its string table, each ended by a zero. */
function hasVersions(library: string, versions: readonly string[]): boolean {
  const bytes = readFileSync(library)
  return versions.every((version) => bytes.includes(`\0${version}\0`))
}

/**
 * What Debian's policy (8.1) has a library's package called: its soname without `.so`, with a dash where two digits would
 * meet; and, since the change to 64-bit time, perhaps `t64` after it.
 */
export function packageNames(soname: string): string[] {
  if (soname === 'libz.so.1') return ['zlib1g']
  const [, stem = soname, version = ''] = /^(.+)\.so\.(.+)$/.exec(soname) ?? []
  const name = `${stem}${/\d$/.test(stem) ? '-' : ''}${version}`.toLowerCase().replaceAll('_', '-')
  return [name, `${name}t64`]
}

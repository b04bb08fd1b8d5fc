/** What set-up needs to know of the machine that it runs on. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DTraceError } from '../errors.js'

export interface DebianHost {
  /** As in os-release, e.g. `debian`, `ubuntu`. */
  id: string
  /** e.g. `bookworm`. */
  codename: string
  prettyName: string
  /** Debian's name of the architecture, e.g. `amd64`. */
  architecture: string
  /** e.g. `2.36`. */
  glibc: string
}

const SOURCES = '/etc/apt'

/**
 * The host, when it is one for which set-up has packages.
 *
 * @throws `ERR_DTRACE_SETUP` when it isn't, saying what to do instead
 */
export function debianHost(): DebianHost {
  if (process.platform !== 'linux') {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `Set-up gets packages for Linux alone; on ${process.platform} DTrace is part of the system.`,
    )
  }
  const release = readOsRelease()
  const prettyName = release.PRETTY_NAME ?? 'this Linux'
  const instead =
    'Install your distribution’s package of libdtrace 2 (Oracle Linux, Fedora: dtrace), or build it from ' +
    'https://github.com/oracle/dtrace and name the library in DTRACE_CONSUMER_LIBDTRACE.'
  const family = [release.ID, ...(release.ID_LIKE ?? '').split(' ')]
  if (!family.includes('debian') && !family.includes('ubuntu')) {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `Set-up knows Debian and Ubuntu, and this is ${prettyName}. ${instead}`,
    )
  }
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg')) {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `apt-get or dpkg is missing on ${prettyName}, so packages can't be had. ${instead}`,
    )
  }
  const architecture = ({ x64: 'amd64', arm64: 'arm64' } as Record<string, string>)[process.arch]
  if (architecture === undefined) {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `Debian has libdtrace for amd64 and arm64, and this Node.js is ${process.arch}. ${instead}`,
    )
  }
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  if (header.glibcVersionRuntime === undefined) {
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `This Node.js doesn't run on glibc, and Debian's libdtrace does. ${instead}`,
    )
  }
  return {
    id: release.ID ?? 'debian',
    // Debian's testing and unstable may have no codename of their own in os-release.
    codename: release.VERSION_CODENAME ?? '',
    prettyName,
    architecture,
    glibc: header.glibcVersionRuntime,
  }
}

function readOsRelease(): Record<string, string | undefined> {
  const path = ['/etc/os-release', '/usr/lib/os-release'].find((file) => existsSync(file))
  const entries: Record<string, string> = {}
  for (const line of path === undefined ? [] : readFileSync(path, 'utf8').split('\n')) {
    const [, key, value] = /^(\w+)=["']?(.*?)["']?$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) entries[key] = value
  }
  return entries
}

/** apt's source entries of the host: the distribution's own ones, third parties' left out. */
export interface HostSources {
  /** In the deb822 format, each stanza unchanged. */
  deb822: string
  /** In the one-line format. */
  lines: string
  /** The mirror of the main archive. */
  mirror: string | undefined
}

/**
 * The host's own sources for its own suite (with its updates and security), so that its mirror serves for what is missing
 * here. Other people's repositories are left alone: they have nothing that is wanted, and may not answer.
 */
export function hostSources(codename: string, folder: string = SOURCES): HostSources {
  const files = [join(folder, 'sources.list')]
  const parts = join(folder, 'sources.list.d')
  if (existsSync(parts))
    files.push(
      ...readdirSync(parts)
        .sort()
        .map((name) => join(parts, name)),
    )
  const ofSuite = (suite: string) => suite === codename || suite.startsWith(`${codename}-`)
  const stanzas: string[] = []
  const lines: string[] = []
  let mirror: string | undefined
  for (const file of files) {
    if (!existsSync(file)) continue
    if (file.endsWith('.list')) {
      for (const line of readFileSync(file, 'utf8').split('\n')) {
        const [, uri, suite] = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line) ?? []
        if (uri === undefined || suite === undefined || !ofSuite(suite)) continue
        lines.push(line)
        if (suite === codename) mirror ??= uri
      }
    } else if (file.endsWith('.sources')) {
      for (const stanza of readFileSync(file, 'utf8').split(/\n\s*\n/)) {
        const field = (name: string) =>
          new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(stanza)?.[1]?.split(/\s+/) ?? []
        const suites = field('Suites')
        if (!field('Types').includes('deb') || !suites.some(ofSuite)) continue
        if (/^Enabled:\s*(no|false|0)/im.test(stanza)) continue
        stanzas.push(stanza.trim())
        if (suites.includes(codename)) mirror ??= field('URIs')[0]
      }
    }
  }
  return { deb822: stanzas.join('\n\n'), lines: lines.join('\n'), mirror }
}

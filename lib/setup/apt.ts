/**
 * apt with a state of its own: sources, package lists and cache are in one private folder, so that it needs no privileges
 * and changes nothing on the host. The host's record of installed packages is read (never written) when dependencies are
 * resolved. Signatures are checked as always; a proxy that the host's apt is set up with is used.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { DTraceError } from '../errors.js'
import { run } from './run.js'

export interface AptSources {
  deb822?: string
  lines?: string
}

export interface AptOptions {
  /** What dependencies are resolved against: what the host has (default), or nothing, for a system of its own. */
  installed?: 'host' | 'nothing'
}

export class PrivateApt {
  readonly #folder: string
  readonly #config: string

  constructor(folder: string, sources: AptSources, { installed = 'host' }: AptOptions = {}) {
    this.#folder = folder
    const parts = join(folder, 'sources')
    for (const path of [
      parts,
      join(folder, 'lists', 'partial'),
      join(folder, 'cache', 'archives', 'partial'),
    ]) {
      mkdirSync(path, { recursive: true })
    }
    writeFileSync(join(parts, 'private.sources'), `${sources.deb822 ?? ''}\n`)
    writeFileSync(join(parts, 'private.list'), `${sources.lines ?? ''}\n`)
    this.#config = join(folder, 'apt.conf')
    const status = join(folder, 'status')
    if (installed === 'nothing') writeFileSync(status, '')
    writeFileSync(
      this.#config,
      [
        // Hooks that the host has for its own updates.
        '#clear APT::Update::Pre-Invoke;',
        '#clear APT::Update::Post-Invoke;',
        '#clear APT::Update::Post-Invoke-Success;',
        '#clear DPkg::Pre-Invoke;',
        '#clear DPkg::Post-Invoke;',
        'Dir::Etc::SourceList "/dev/null";',
        `Dir::Etc::SourceParts "${parts}";`,
        `Dir::State::Lists "${join(folder, 'lists')}";`,
        `Dir::Cache "${join(folder, 'cache')}";`,
        ...(installed === 'nothing' ? [`Dir::State::status "${status}";`] : []),
        'Dir::Cache::archives "archives";',
        // Nothing is installed, so nothing needs the host's locks.
        'Debug::NoLocking "1";',
        // As root, apt drops to a user who can't write here.
        'APT::Sandbox::User "root";',
        'APT::Install-Recommends "false";',
        'Acquire::Languages "none";',
        'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";',
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
        'Acquire::Retries "2";',
        'Acquire::http::Timeout "20";',
        'Acquire::https::Timeout "20";',
        'APT::Update::Error-Mode "any";',
        '',
      ].join('\n'),
    )
  }

  /** Fetches the package lists. */
  async update(): Promise<void> {
    await this.#apt('apt-get', ['update', '-q'])
  }

  /** The version that would be fetched, or `undefined` when there is no such package. */
  async candidate(name: string): Promise<string | undefined> {
    const text = await this.#apt('apt-cache', ['policy', name])
    const version = /^ {2}Candidate: (\S+)$/m.exec(text)?.[1]
    return version === '(none)' ? undefined : version
  }

  /** The packages that this one depends on directly. */
  async dependencies(name: string): Promise<string[]> {
    const text = await this.#apt('apt-cache', ['depends', name])
    return [...text.matchAll(/^ +(?:\|?)(?:Pre)?Depends: (\S+)$/gm)].map((match) => match[1] ?? '')
  }

  /** The first of these names that is a package here. */
  async firstAvailable(names: readonly string[]): Promise<string | undefined> {
    for (const name of names) if ((await this.candidate(name)) !== undefined) return name
    return undefined
  }

  /** Downloads just these packages, whatever they depend on. Gives the paths of the .deb files. */
  async download(names: readonly string[]): Promise<string[]> {
    const folder = join(this.#folder, 'debs')
    mkdirSync(folder, { recursive: true })
    await this.#apt('apt-get', ['download', '-q', ...names], folder)
    const files = readdirSync(folder)
    return names.map((name) => {
      const file = files.find(
        (candidate) => candidate.startsWith(`${name.split('=')[0]}_`) && candidate.endsWith('.deb'),
      )
      if (file === undefined)
        throw new DTraceError('ERR_DTRACE_SETUP', `apt-get download left no file of ${name}`)
      return join(folder, file)
    })
  }

  /** Downloads these packages and every one that they depend on which the host doesn't have. */
  async downloadMissing(names: readonly string[]): Promise<string[]> {
    const install = ['install', '-q', '-y', '--no-install-recommends']
    // Files that are there already aren't listed: the plan is made as if there were none.
    const plan = await this.#apt('apt-get', [
      ...install,
      '--print-uris',
      '-o',
      'Dir::Cache::archives=/nonexistent',
      ...names,
    ])
    const files = [...plan.matchAll(/^'[^']*' (\S+\.deb) \d+/gm)].map((match) => match[1] ?? '')
    await this.#apt('apt-get', [...install, '--download-only', ...names])
    return files.map((file) => join(this.#folder, 'cache', 'archives', file))
  }

  async #apt(command: string, args: readonly string[], cwd?: string): Promise<string> {
    return await run(command, ['-c', this.#config, ...args], cwd === undefined ? {} : { cwd })
  }
}

/** Name and version of a downloaded package, from its file name. */
export function packageOf(deb: string): { name: string; version: string } {
  const [name = '', version = ''] = basename(deb).split('_')
  // apt writes the colon of an epoch as %3a.
  return { name, version: decodeURIComponent(version) }
}

/**
 * Unpacks a package's files below a folder. Nothing of it is run. Where the folder has a link to a folder (`lib` to
 * `usr/lib`), files go where it points, which `dpkg -x` wouldn't do.
 */
export async function unpack(deb: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink --no-same-owner -C "$2"'
  await run('sh', ['-c', script, 'sh', deb, folder])
}

/**
 * Makes the folder of a helper: a session's program that root lets others use, with everything that it loads. All of it is
 * root's copy, which nobody else can change. See docs/hosts.md.
 */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { DTraceError } from '../errors.js'
import { locateHost } from '../host/locate.js'
import { prepareDLibraries } from '../platform/dlibs.js'
import { type LibraryLocation, locateLibrary } from '../platform/locate.js'
import { run } from './run.js'
import { activate, makeStaging } from './staging.js'

export interface HelperOptions {
  /** The folder to make, or to make anew, e.g. `/usr/local/lib/dtrace-consumer`. */
  folder: string
  /** Members of this group may start it, and it gets the capabilities by itself. Without a group it is root's alone: for sudo or systemd. */
  group?: string
  log?: (message: string) => void
}

export interface HelperResult {
  /** The program. */
  host: string
  /** The libdtrace that it loads. */
  library: string
  group: string | undefined
}

/** capabilities(7): BPF programs, their probes, tracefs (which is root's alone), kernel symbols. */
const CAPABILITIES = 'cap_bpf,cap_perfmon,cap_dac_override,cap_syslog+ep'

/** @throws `ERR_DTRACE_SETUP`, `ERR_DTRACE_ARGUMENT`, and what looking for libdtrace throws */
export async function setupHelper({ folder, group, log = () => {} }: HelperOptions): Promise<HelperResult> {
  if (process.platform !== 'linux')
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `there are no helpers on ${process.platform}: run the service as root`,
    )
  if (process.getuid?.() !== 0)
    throw new DTraceError('ERR_DTRACE_SETUP', 'a helper is root’s: run this as root (sudo)')
  const prefix = resolve(folder)
  const gid = group === undefined ? 0 : groupNumber(group)
  checkParents(dirname(prefix))
  if (existsSync(prefix) && !existsSync(join(prefix, `${HOST}.conf`)))
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `${prefix} is there already and is no helper’s folder: name one that is not there yet`,
    )
  const program = locateHost()
  const library = locateLibrary()

  log(`copying the program, libdtrace ${library.version ?? ''} and its D libraries into ${prefix}`)
  const staging = makeStaging(prefix)
  chmodSync(staging, 0o755)
  const configuration = [
    '# What the helper loads. Made by dtrace-watch setup --helper; make it anew after an update of the kernel.',
    ...(await copyLibrary(library, staging, prefix)),
    '',
  ]
  writeFileSync(join(staging, `${HOST}.conf`), configuration.join('\n'), { mode: 0o644 })
  const host = join(staging, HOST)
  cpSync(program, host)
  chownSync(host, 0, gid)
  chmodSync(host, 0o750)
  if (group !== undefined) {
    log(`giving it ${CAPABILITIES.replace('+ep', '')} for members of group ${group}`)
    await run('setcap', [CAPABILITIES, host], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    })
  }
  activate(staging, prefix)
  return { host: join(prefix, HOST), library: library.path, group }
}

const HOST = 'dtrace-consumer-host'

/** @returns the lines of the configuration */
async function copyLibrary(library: LibraryLocation, staging: string, prefix: string): Promise<string[]> {
  const copy = (file: string): string => {
    const name = basename(file)
    cpSync(file, join(staging, name), { dereference: true })
    chownSync(join(staging, name), 0, 0)
    chmodSync(join(staging, name), 0o644)
    return join(prefix, name)
  }
  const lines = [`library ${copy(library.path)}`, ...library.preload.map((file) => `preload ${copy(file)}`)]
  const copies = join(staging, 'dtrace')
  const copyFolder = (from: string, to: string): void =>
    cpSync(from, to, { recursive: true, dereference: true })
  copyFolder(library.syslibdir ?? join(dirname(library.path), 'dtrace'), copies)
  // What this kernel can't compile is taken out once for all sessions: a client may not bring libraries of its own. What is left
  // out must not be there, so each folder is another one.
  const libraries = await prepareDLibraries(library)
  try {
    const changed = libraries.syslibdir === library.syslibdir ? undefined : libraries.syslibdir
    for (const name of changed === undefined ? [] : readdirSync(changed)) {
      rmSync(join(copies, name), { recursive: true })
      copyFolder(join(changed as string, name), join(copies, name))
    }
  } finally {
    libraries.dispose()
  }
  return [...lines, `syslibdir ${join(prefix, 'dtrace')}`]
}

function groupNumber(group: string): number {
  const entry = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === group)
  const number = Number(entry?.[2])
  if (entry === undefined || !Number.isInteger(number))
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `there is no group ${group}: \`groupadd --system ${group}\` makes one`,
    )
  return number
}

/** Whoever can rename a folder on the way can put another in its place. */
function checkParents(folder: string): void {
  for (let at = folder; ; at = dirname(at)) {
    const status = existsSync(at) ? statSync(at) : undefined
    const sticky = status !== undefined && (status.mode & 0o1000) !== 0
    if (status !== undefined && (status.uid !== 0 || ((status.mode & 0o022) !== 0 && !sticky)))
      throw new DTraceError(
        'ERR_DTRACE_SETUP',
        `${at} can be changed by others than root, so a helper is not safe in it: name a folder such as /usr/local/lib/dtrace-consumer`,
      )
    if (at === dirname(at)) return
  }
}

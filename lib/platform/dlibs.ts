/**
 * The D libraries (`io.d`, `tcp.d`, …) that this kernel can compile.
 *
 * libdtrace compiles all of them with the first program, and one that fails fails every program. What is known to fail is
 * looked for beforehand, in the kernel's symbols and types: see {@link KNOWN}. What isn't known is learnt from libdtrace's message when the first program fails in a library. In both
 * cases the session gets a folder of its own: links to the libraries, and repaired copies of those that need it. Where the kernel is
 * slow to verify what libdtrace makes, its library of BPF functions is in there as a quicker copy, too: see bpf-library.ts.
 */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { atExit } from '../at-exit.js'
import { DTraceError } from '../errors.js'
import { quickerBpfLibrary } from './bpf-library.js'
import { definitions, dependencies, dropLine, dropMentions, failedPlace } from './dlib-repair.js'
import { SESSION_FOLDER } from './leftovers.js'
import type { LibraryLocation } from './locate.js'

/** A part of DTrace that this system lacks. */
export interface Limitation {
  /** What is left out, e.g. `io.d` or `devinfo_t.dev_name`. */
  what: string
  /** What its absence means. */
  meaning: string
  /** Why it cannot be had here. */
  reason: string
}

/** The D libraries for a session. */
export interface DLibraries {
  /** Value of the option `syslibdir`; undefined: libdtrace's own. */
  readonly syslibdir: string | undefined
  readonly limitations: readonly Limitation[]
  /**
   * Takes out what libdtrace's message says does not compile.
   *
   * @returns whether there was something to take out: then a new session with the new {@link syslibdir} may get further
   */
  repair: (reason: string) => Promise<boolean>
  /** Removes what was made for the session, behind; libdtrace needs it until tracing has started. Any number of times. */
  dispose: () => void
}

interface KnownName {
  name: string
  /** Every kernel before this one has it: there is no need to look. */
  since?: string
  isThere: (name: string, look: SymbolLookup) => Promise<boolean>
  /** Why it is not there. */
  reason: string
}

/** Whether the kernel has a symbol of this name. */
export type SymbolLookup = (name: string) => Promise<boolean>

/** Names in D libraries that not every kernel has. */
const KNOWN: readonly KnownName[] = [
  {
    name: 'major_names',
    isThere: (name, look) => look(name),
    reason: 'the kernel was built without CONFIG_KALLSYMS_ALL, so it has no data symbol major_names',
  },
  {
    name: 'b_end_io',
    // 6.18 has it, 7.2 has not.
    since: '6.19',
    // BTF keeps each name once, ended by a zero: one that isn't there is no member of anything.
    isThere: (name) => mentions('/sys/kernel/btf/vmlinux', `\0${name}\0`),
    reason: 'this kernel’s struct buffer_head has no member b_end_io',
  },
]

/** For those who may have no addon: in JavaScript, through libuv's pool, it takes 0.2 s of CPU. */
const lookInKallsyms: SymbolLookup = (name) => mentions('/proc/kallsyms', ` ${name}\n`)

function mentions(file: string, mark: string): Promise<boolean> {
  return readFile(file).then(
    (content) => content.includes(mark),
    // Without the file libdtrace itself will say what is wrong.
    () => true,
  )
}

/** libdtrace's BPF functions, beside the D libraries. */
const BPF_LIBRARY = 'bpf_dlib.o'
/** Verifies functions anew for each call: 7.2 does, 6.18 does not. */
const SLOW_TO_VERIFY = '6.19'

/** What was learnt from libdtrace's messages, by library folder: the process' next session begins with it. */
const learnt = new Map<string, Failure[]>()

interface Failure {
  /** Path below the library folder, e.g. `6.10/io.d`. */
  path: string
  line: number
  problem: string
}

/** Does the kernel have it? It does not change while it runs. */
const answers = new Map<string, Promise<boolean>>()
function kernelHas({ name, since, isThere }: KnownName, look: SymbolLookup): Promise<boolean> {
  if (since !== undefined && isBefore(release(), since)) return Promise.resolve(true)
  let answer = answers.get(name)
  if (answer === undefined) {
    answer = isThere(name, look)
    answers.set(name, answer)
    // What could not be asked is asked the next time.
    answer.catch(() => answers.delete(name))
  }
  return answer
}

function isBefore(kernel: string, version: string): boolean {
  return (versionOf(kernel) ?? 0) < (versionOf(version) ?? 0)
}

/** Finds out what this kernel can compile, and makes an overlay of the D libraries where that is not everything. */
export async function prepareDLibraries(
  library: LibraryLocation,
  look: SymbolLookup = lookInKallsyms,
  platform: NodeJS.Platform = process.platform,
): Promise<DLibraries> {
  if (platform !== 'linux') {
    return { syslibdir: library.syslibdir, limitations: [], repair: async () => false, dispose: () => {} }
  }
  const overlay = new Overlay(library)
  await overlay.applyKnown(look)
  return overlay
}

/** A D library's state: its text, and whether it is left out. */
interface DLibrary {
  text: string
  original: string
  omitted: boolean
}

class Overlay implements DLibraries {
  readonly #location: LibraryLocation
  #source = ''
  /** The folder in it that is for this kernel. */
  #version: string | undefined
  /** By path below the folder. */
  readonly #libraries = new Map<string, DLibrary>()
  readonly #limitations = new Map<string, Limitation>()
  #bpfLibrary: Buffer | undefined
  #folder: string | undefined
  #forgetExit = (): void => {}
  readonly dispose = (): void => {
    const folder = this.#folder
    const forgetExit = this.#forgetExit
    this.#folder = undefined
    // Dozens of links, and nobody waits for it.
    if (folder !== undefined) rm(folder, { recursive: true, force: true }).then(forgetExit, () => {})
  }

  constructor(location: LibraryLocation) {
    this.#location = location
  }

  get syslibdir(): string | undefined {
    return this.#folder ?? this.#location.syslibdir
  }

  get limitations(): readonly Limitation[] {
    return [...this.#limitations.values()]
  }

  async applyKnown(look: SymbolLookup): Promise<void> {
    const [has] = await Promise.all([Promise.all(KNOWN.map((known) => kernelHas(known, look))), this.#read()])
    const missing = KNOWN.filter((_, index) => has[index] === false)
    const slow = !isBefore(release(), SLOW_TO_VERIFY)
    if (missing.length === 0 && learnt.size === 0 && !slow) return
    // Where it can't be read libdtrace says so.
    const object = slow ? await readFile(join(this.#source, BPF_LIBRARY)).catch(() => undefined) : undefined
    if (object !== undefined) this.#bpfLibrary = quickerBpfLibrary(object)
    for (const { name, reason } of missing) this.#takeOut(name, reason)
    for (const failure of learnt.get(this.#source) ?? []) this.#takeOutAt(failure)
    await this.#write()
  }

  async repair(reason: string): Promise<boolean> {
    const place = failedPlace(reason)
    if (place === undefined) return false
    await this.#read()
    // libdtrace names the file as it found it: VERSION/NAME.d below its folder.
    const path = join(basename(dirname(place.file)), basename(place.file))
    const failure = { path, line: place.line, problem: place.problem }
    if (!this.#takeOutAt(failure)) return false
    learnt.set(this.#source, [...(learnt.get(this.#source) ?? []), failure])
    await this.#write()
    return true
  }

  /** Everything that mentions a name which this kernel lacks. */
  #takeOut(name: string, reason: string): void {
    const word = new RegExp(`\\b${name}\\b`)
    for (const [path, library] of this.#libraries) {
      if (!word.test(library.text)) continue
      const { text, dropped } = dropMentions(library.text, name)
      library.text = text
      for (const { what, from } of dropped) this.#limitMember(what, from, reason)
      // A comment may mention it, too, and it doesn't matter.
      if (dropped.length === 0 && !isComment(text, word)) this.#omit(path, reason)
    }
  }

  /** What is at a line; where it is no assignment of a translator, or was taken out already, the whole library. */
  #takeOutAt({ path, line, problem }: Failure): boolean {
    const library = this.#libraries.get(path)
    if (library === undefined || library.omitted) return false
    const { text, dropped } = dropLine(library.text, line)
    library.text = text
    for (const { what, from } of dropped) this.#limitMember(what, from, `${path}: ${problem}`)
    if (dropped.length === 0) this.#omit(path, `${path}, line ${line}: ${problem}`)
    return true
  }

  #limitMember(what: string, from: string, reason: string): void {
    this.#limitations.set(`${what} ${from}`, {
      what,
      meaning: `a program that uses this member of what is translated from ${from.replace(/\s+\*/, ' *').trim()} does not compile`,
      reason,
    })
  }

  /** Leaves a library out, and those that can't do without it. */
  #omit(path: string, reason: string): void {
    const library = this.#libraries.get(path)
    if (library === undefined || library.omitted) return
    library.omitted = true
    const name = basename(path)
    const defined = definitions(library.original)
    this.#limitations.set(name, {
      what: name,
      meaning:
        defined.length === 0 ? 'what it defines is not there' : `${defined.join(', ')} are not defined`,
      reason,
    })
    for (const [other, { original }] of this.#libraries) {
      if (dirname(other) === dirname(path) && dependencies(original).includes(name))
        this.#omit(other, `it needs ${name}, which is left out`)
    }
  }

  /** The texts of the libraries for this kernel. */
  async #read(): Promise<void> {
    if (this.#libraries.size > 0) return
    this.#source = this.#location.syslibdir ?? join(dirname(await realpath(this.#location.path)), 'dtrace')
    try {
      const version = await versionFolder(this.#source)
      this.#version = version
      if (version === undefined) return
      for (const name of await readdir(join(this.#source, version))) {
        if (!name.endsWith('.d')) continue
        const text = await readFile(join(this.#source, version, name), 'latin1')
        this.#libraries.set(join(version, name), { text, original: text, omitted: false })
      }
    } catch (cause) {
      throw new DTraceError(
        'ERR_DTRACE_OPEN',
        `the D libraries of ${this.#source} can't be read: ${(cause as Error).message}; \`dtrace-watch setup\` gets a new copy`,
        { cause },
      )
    }
  }

  /** The same layout once more, of what is for this kernel, with links to what is unchanged. */
  async #write(): Promise<void> {
    const changed = [...this.#libraries.values()].some(
      ({ text, original, omitted }) => omitted || text !== original,
    )
    if (!changed && this.#bpfLibrary === undefined) return
    this.dispose()
    const folder = await makeFolder()
    this.#folder = folder
    this.#forgetExit = atExit(() => rmSync(folder, { recursive: true, force: true }))
    try {
      for (const name of await readdir(this.#source)) {
        if (versionOf(name) !== undefined) continue
        if (name === BPF_LIBRARY && this.#bpfLibrary !== undefined)
          await writeFile(join(folder, name), this.#bpfLibrary)
        else await symlink(join(this.#source, name), join(folder, name))
      }
      const version = this.#version
      if (version === undefined) return
      await mkdir(join(folder, version))
      for (const name of await readdir(join(this.#source, version))) {
        const path = join(version, name)
        const library = this.#libraries.get(path)
        if (library?.omitted) continue
        if (library === undefined || library.text === library.original)
          await symlink(join(this.#source, path), join(folder, path))
        else await writeFile(join(folder, path), library.text, 'latin1')
      }
    } catch (cause) {
      this.dispose()
      throw new DTraceError(
        'ERR_DTRACE_OPEN',
        `the D libraries of ${this.#source} can't be linked in ${folder}: ${(cause as Error).message}`,
        { cause },
      )
    }
  }
}

async function versionFolder(folder: string): Promise<string | undefined> {
  const entries = await readdir(folder, { withFileTypes: true })
  return versionFor(
    release(),
    entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
  )
}

/** Of folders named by versions, the one that libdtrace takes: the newest that is not newer than the kernel (dt_find_kernpath()). */
export function versionFor(kernel: string, folders: readonly string[]): string | undefined {
  const own = versionOf(kernel)
  if (own === undefined) return undefined
  return folders
    .map((name) => ({ name, version: versionOf(name) ?? Number.POSITIVE_INFINITY }))
    .filter(({ version }) => version <= own)
    .sort((a, b) => a.version - b.version)
    .at(-1)?.name
}

/** A version as a number, to compare. */
function versionOf(name: string): number | undefined {
  const [, major, minor, micro = 0] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(name) ?? []
  return major === undefined ? undefined : (Number(major) * 1e4 + Number(minor)) * 1e4 + Number(micro)
}

function isComment(text: string, word: RegExp): boolean {
  return !word.test(text.replace(/\/\*[\s\S]*?\*\//g, ''))
}

async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), `${SESSION_FOLDER}${process.pid}-`))
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_OPEN',
      `a session needs a temporary folder: ${(cause as Error).message}; set TMPDIR to a folder that can be written to`,
      { cause },
    )
  }
}

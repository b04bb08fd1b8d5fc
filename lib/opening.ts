/**
 * Opens a consumer's session; and another in its place, where the first program shows that a D library does not compile on
 * this kernel. libdtrace loads the libraries once per handle, so there is no second try in the same session.
 */
import type { RecordOptions } from './consumer-options.js'
import { DTraceError } from './errors.js'
import { type HostOptions, hostFree, startHost } from './host/choice.js'
import type { NativeFailure, SessionMessage } from './host/messages.js'
import { loadAddon } from './native.js'
import { type OptionValue, optionText } from './options.js'
import { type DLibraries, prepareDLibraries } from './platform/dlibs.js'
import type { LibraryLocation } from './platform/locate.js'
import { preflight } from './preflight.js'
import { Session } from './session.js'

/** Options that say where the kernel's types are. */
const OWN_TYPES = ['btfpath', 'ctfpath', 'modpath', 'procfspath', 'libdir']
/** Failures in D libraries that are repaired one after the other before the program is given up. */
const MOST_REPAIRS = 20

export interface Opened {
  session: Session
  /** libdtrace's version. */
  version: string
  /** The process in which libdtrace runs. */
  pid: number
}

/** What a consumer's sessions are opened with. */
export class Opening {
  readonly #library: LibraryLocation
  readonly #host: HostOptions
  readonly #receive: (message: SessionMessage) => void
  /** In the order in which they were set. */
  readonly #settings: [name: string, value: string | null][]
  readonly #ownFolder: boolean
  /** What does not compile may be the fault of the user's types, not of the D libraries. */
  #ownTypes: boolean
  readonly #records: RecordOptions
  #later = 0
  #libraries: DLibraries | undefined
  #limitations: DLibraries['limitations'] = []
  #repairs = 0

  constructor(
    library: LibraryLocation,
    host: HostOptions,
    options: Readonly<Record<string, OptionValue>>,
    records: RecordOptions,
    receive: (message: SessionMessage) => void,
  ) {
    this.#records = records
    this.#library = library
    this.#host = host
    this.#receive = receive
    this.#ownFolder = options.syslibdir !== undefined
    this.#ownTypes = OWN_TYPES.some((name) => options[name] !== undefined)
    this.#settings = Object.entries(options).flatMap(
      // Off is what a flag is that is not set, and libdtrace takes no value for those of the compiler.
      ([name, value]) =>
        value === false ? [] : [[name, optionText(name, value)] as [string, string | null]],
    )
    this.#later = this.#settings.length
  }

  get limitations(): DLibraries['limitations'] {
    return this.#libraries?.limitations ?? this.#limitations
  }

  /** @throws what `Consumer.open` throws */
  async open(): Promise<Opened> {
    await hostFree(this.#host)
    const session = this.#start()
    try {
      // A helper has what this process lacks.
      if (this.#host.helper === undefined) preflight()
    } catch (error) {
      session.dispose()
      throw error
    }
    const opening = session.request(
      'open',
      [process.pid, this.#library.path, this.#library.preload, this.#settings.slice(0, this.#later)],
      (failure) => explainOpen(failure, this.#library),
    )
    // Meanwhile it is found out which of the D libraries this kernel can compile.
    const [opened, libraries] = await Promise.allSettled([opening, this.#prepare()])
    try {
      if (opened.status === 'rejected') throw opened.reason
      if (libraries.status === 'rejected') throw libraries.reason
      const folder = this.#libraries?.syslibdir
      if (folder !== undefined)
        await session.request('setOption', ['syslibdir', folder], ({ reason }) => reason)
      const { text = false, flow = false, order } = this.#records
      if (text || flow || order !== undefined)
        await session.request('recordExtras', [text, flow, order === 'time'], ({ reason }) => reason)
      for (const [name, value] of this.#settings.slice(this.#later))
        await session.request('setOption', [name, value], ({ reason }) => `option ${name}: ${reason}`)
    } catch (error) {
      this.dispose()
      if (isHostExited(error)) throw explainNoHost(error)
      if (opened.status === 'fulfilled')
        await session.request('close', [], ({ reason }) => reason).catch(() => {})
      session.dispose()
      throw error
    }
    return { session, ...opened.value }
  }

  #start(): Session {
    try {
      return new Session((receive) => startHost(receive, this.#host), this.#receive)
    } catch (error) {
      throw isHostExited(error) ? explainNoHost(error) : error
    }
  }

  /** In the order in which they were set. */
  get settings(): readonly (readonly [name: string, value: string | null])[] {
    return this.#settings
  }

  /** An option that was set later: another session needs it, too. */
  addSetting(name: string, value: string | null): void {
    this.#settings.push([name, value])
    if (OWN_TYPES.includes(name)) this.#ownTypes = true
  }

  /**
   * Closes a session whose first program failed, and opens another without what failed, if that was in a D library.
   *
   * @returns the new session; undefined, with the old one as it was, when the failure is the program's own
   */
  async replace(session: Session, reason: string): Promise<Opened | undefined> {
    if (this.#libraries === undefined || this.#ownTypes || this.#repairs >= MOST_REPAIRS) return undefined
    if (!(await this.#libraries.repair(reason))) return undefined
    this.#repairs++
    return await this.renew(session)
  }

  /** Closes a session, and opens another with the same settings. */
  async renew(session: Session): Promise<Opened> {
    await session.request('close', [], (failure) => failure.reason)
    session.dispose()
    return await this.open()
  }

  /** Removes the folder that was made for the session; the next open makes another. */
  dispose(): void {
    this.#limitations = this.limitations
    this.#libraries?.dispose()
    this.#libraries = undefined
  }

  async #prepare(): Promise<void> {
    // With a folder of the user's choice, what is in it is his; a helper loads what root has chosen for it.
    if (!this.#ownFolder && this.#host.helper === undefined)
      this.#libraries ??= await prepareDLibraries(this.#library, loadAddon().hasKernelSymbol)
  }
}

function isHostExited(error: unknown): error is DTraceError {
  return error instanceof DTraceError && error.code === 'ERR_DTRACE_HOST_EXITED'
}

function explainNoHost(error: DTraceError): DTraceError {
  return new DTraceError(
    error.code,
    `there is no process to trace in: ${error.reason ?? error.message}; docs/hosts.md says what it needs`,
    error.reason === undefined ? { cause: error } : { cause: error, reason: error.reason },
  )
}

function explainOpen(failure: NativeFailure, library: LibraryLocation): string {
  const { code, reason } = failure
  switch (code) {
    case 'ERR_DTRACE_LIBRARY_NOT_FOUND':
      return `${library.path} does not load: ${reason}; run \`dtrace-watch doctor\``
    case 'ERR_DTRACE_PERMISSION':
      return `no permission to use DTrace: ${reason}; run as root`
    case 'ERR_DTRACE_OPTION':
      return `an option is not accepted: ${reason}; docs/options.md has their names, and what each takes`
    default:
      return `libdtrace can't be opened: ${reason}; run \`dtrace-watch doctor\` to see what it lacks`
  }
}

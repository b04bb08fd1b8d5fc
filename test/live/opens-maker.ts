/** Opens files in many ways (fixtures/opens.c), knows what is to be told of each call, and what bcc's opensnoop told. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { lexical } from '../../lib/watch/paths/resolve-path.js'

const run = promisify(execFile)
const SOURCE = join(import.meta.dirname, 'fixtures', 'opens.c')
/** The name under which it opens what is to be told: fixtures/opens.c sets it. */
export const EXECNAME = 'opens-maker'

/** What the maker says of a call; strings have one character per byte. */
export interface Made {
  phase: string
  pid: number
  tid: number
  uid: number
  op: string
  flags: number
  mode: number
  result: number
  text: string
  path: string
  base: string
}

export class OpensMaker {
  private constructor(
    /** Without symbolic links in its path. */
    readonly folder: string,
    readonly program: string,
  ) {}

  static async make(): Promise<OpensMaker> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'dtrace-consumer-opens-')))
    const program = join(folder, 'opens')
    await run('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, SOURCE])
    return new OpensMaker(folder, program)
  }

  /** Makes at least so many opens. Its processes stay until `end` is called. */
  async open(count: number): Promise<{ made: Made[]; end: () => Promise<void> }> {
    const box = await realpath(await mkdtemp(join(this.folder, 'box-')))
    const child = spawn(this.program, [box, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    const made: Made[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === '{}') break
      const one = JSON.parse(line) as Made
      for (const name of ['text', 'path', 'base'] as const) {
        one[name] = Buffer.from(one[name], 'hex').toString('latin1')
      }
      made.push(one)
    }
    const end = async () => {
      child.stdin.end()
      const [status] = (await ended) as [number | null]
      if (status !== 0) throw new Error(`the opens-maker ended with ${status}`)
    }
    return { made, end }
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Where an open was, or would have been, by what the kernel says in /proc; with one character per byte. */
export function whereMade({ result, text, path, base }: Made): { path: string; unlinked: boolean } {
  if (result >= 0) {
    const bare = path.replace(/ \(deleted\)$/, '').replace(/(?<=.)\/$/, '')
    return { path: bare, unlinked: path.endsWith(' (deleted)') }
  }
  const from = base.replace(/ \(deleted\)$/, '')
  const nowhere = '\xe2\x80\xa6'
  if (text.startsWith('/'))
    return {
      path: from === '/' ? lexical(text) : from + (lexical(text) === '/' ? '' : lexical(text)),
      unlinked: false,
    }
  // A bad address has no string, and a bad descriptor no directory.
  if (text === '') return { path: result === -14 ? '' : from, unlinked: false }
  if (from === '') return { path: nowhere + lexical(`/${text}`), unlinked: false }
  return { path: from.startsWith('/') ? lexical(`${from}/${text}`) : `${from}/${text}`, unlinked: false }
}

/** A line of opensnoop's, one character per byte. */
export interface Snooped {
  uid: number
  pid: number
  fd: number
  errno: number
  flags: number
  path: string
}

/** opensnoop of bcc's libbpf-tools, at work. It knows open(2) and openat(2). */
export class Opensnoop {
  readonly #child: ChildProcess
  #text = ''
  #errors = ''

  private constructor() {
    const args = ['-oL', 'opensnoop', '--print-uid', '--extended-fields', '--name', EXECNAME]
    this.#child = spawn('stdbuf', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout?.setEncoding('latin1').on('data', (chunk: string) => {
      this.#text += chunk
    })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += String(chunk)
    })
  }

  /** It has its probes. */
  static async start(): Promise<Opensnoop> {
    const snoop = new Opensnoop()
    const gone = once(snoop.#child, 'exit').then(() => {
      throw new Error(`opensnoop has ended: ${snoop.#errors}${snoop.#text}`)
    })
    while (!snoop.#text.includes('\n')) {
      await Promise.race([once(snoop.#child.stdout as NodeJS.ReadableStream, 'data'), gone])
    }
    gone.catch(() => undefined)
    return snoop
  }

  /** Waits until it has told so many, and ends it. */
  async stop(wanted: number): Promise<Snooped[]> {
    const deadline = performance.now() + 20_000
    while (this.#opens().length < wanted && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    this.#child.kill('SIGINT')
    await once(this.#child, 'close')
    if (this.#errors !== '') throw new Error(`opensnoop said: ${this.#errors}`)
    return this.#opens()
  }

  #opens(): Snooped[] {
    const row = /^(\d+) +(\d+) +(.{16}) +(-?\d+) +(\d+) ([0-7]+) (.*)$/gm
    return [...this.#text.matchAll(row)].map(([, uid, pid, , fd, errno, flags, path = '']) => ({
      uid: Number(uid),
      pid: Number(pid),
      fd: Number(fd),
      errno: Number(errno),
      flags: Number.parseInt(flags as string, 8),
      path,
    }))
  }
}

/** Compiles fixtures/process.c and its libraries, and runs it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

/** What was compiled. */
export class ProcessMaker {
  private constructor(
    readonly folder: string,
    readonly program: string,
    /** A library that the program loads when it is told to. */
    readonly plugin: string,
  ) {}

  static async make(): Promise<ProcessMaker> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'dtrace-consumer-process-')))
    const [program, plugin] = [join(folder, 'process'), join(folder, 'libplugin.so')]
    const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls']
    for (const library of [plugin, join(folder, 'liblinked.so')]) {
      await run('cc', [...flags, '-shared', '-fPIC', '-o', library, fixture('process-library.c')])
    }
    await run('cc', [
      ...flags,
      ...['-o', program, fixture('process.c'), '-L', folder, '-llinked', `-Wl,-rpath,${folder}`, '-ldl'],
    ])
    return new ProcessMaker(folder, program, plugin)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A running one, which does what it is told. */
export class Running implements Disposable {
  readonly child: ChildProcess
  pid = 0
  readonly #lines: Interface
  readonly #said: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.child = child
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    this.#said = this.#lines[Symbol.asyncIterator]()
  }

  static async start(program: string): Promise<Running> {
    // Not a child of this process: see grab()'s refusal.
    const shell = 'exec 3<&0; "$0" - <&3 & wait $!; exit $?'
    const running = new Running(spawn('sh', ['-c', shell, program], { stdio: ['pipe', 'pipe', 'inherit'] }))
    running.pid = Number((await running.line())?.replace('up ', ''))
    return running
  }

  /** The next line it says; undefined at its end. */
  async line(): Promise<string | undefined> {
    const { value, done } = await this.#said.next()
    return done === true ? undefined : value
  }

  async tell(command: string): Promise<string | undefined> {
    this.child.stdin?.write(`${command}\n`)
    return await this.line()
  }

  [Symbol.dispose](): void {
    this.child.stdin?.destroy()
    this.child.kill('SIGKILL')
    this.#lines.close()
  }
}

/** What /proc says of a process; undefined when it is no more. */
export async function status(pid: number): Promise<Record<string, string> | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined)
  if (text === undefined || /^State:\s+[ZX]/m.test(text)) return undefined
  return Object.fromEntries([...text.matchAll(/^(\w+):\s+(\S+)/gm)].map(([, name, value]) => [name, value]))
}

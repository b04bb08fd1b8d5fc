/** The same program and the same load under dtrace(1) and under a consumer; and a process that makes calls. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Consumer, DTraceRecord } from '../../lib/index.js'
import { dtraceCommand } from './dtrace-command.js'

const run = promisify(execFile)

/** Said by BEGIN, which runs when all probes are enabled. */
export const READY = 'ready\n'
export const BEGIN = `BEGIN { printf(${JSON.stringify(READY)}); }\n`

/**
 * What dtrace(1) prints for a program, from BEGIN to its exit(). `load` is called when it is ready, which a program without
 * a load need not say. Without the empty line that it ends with.
 */
export async function dtrace(
  program: string,
  { load, flags = ['-q'] }: { load?: () => Promise<void>; flags?: string[] } = {},
): Promise<Buffer> {
  const child = spawn(dtraceCommand() ?? 'dtrace', [...flags, '-n', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk)
  })
  const closed = once(child, 'close')
  try {
    let ready = load === undefined
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      if (ready || !Buffer.concat(chunks).includes(READY)) continue
      ready = true
      await load?.()
    }
    await closed
  } finally {
    child.kill('SIGKILL')
  }
  if (child.exitCode !== 0) throw new Error(`dtrace ended with ${child.exitCode}: ${errors}`)
  const all = Buffer.concat(chunks)
  return all.at(-1) === 0x0a ? all.subarray(0, -1) : all
}

/** The records of a program that calls exit(); `load` is called when it runs. */
export async function traced(
  consumer: Consumer,
  program: string,
  load?: () => Promise<void>,
): Promise<DTraceRecord[]> {
  await consumer.enable(await consumer.compile(program))
  await consumer.go()
  const records: DTraceRecord[] = []
  const read = (async () => {
    for await (const record of consumer) records.push(record)
  })()
  await load?.()
  await read
  return records
}

/** Makes calls, see fixtures/calls.c. */
export class Calls {
  readonly #child: ChildProcessWithoutNullStreams

  private constructor(program: string, cpu: number | undefined) {
    this.#child = spawn(program, cpu === undefined ? [] : [String(cpu)])
    this.#child.stdout.setEncoding('utf8')
  }

  static async compile(): Promise<{ start: (cpu?: number) => Calls; remove: () => Promise<void> }> {
    const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-calls-'))
    const program = join(folder, 'calls')
    const source = join(import.meta.dirname, 'fixtures', 'calls.c')
    // Frame pointers are what ustack() follows.
    const flags = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls']
    await run('cc', [...flags, '-Wall', '-Wextra', '-Werror', '-o', program, source])
    return {
      start: (cpu) => new Calls(program, cpu),
      remove: async () => await rm(folder, { recursive: true }),
    }
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Makes so many calls; resolves when they have been made. */
  async make(count: number): Promise<void> {
    const said = once(this.#child.stdout, 'data')
    this.#child.stdin.write(`${count}\n`)
    await said
  }

  async end(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.stdin.end()
    await closed
  }
}

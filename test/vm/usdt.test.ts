/** USDT: probes that a program has of its own. dtprobed makes them known; it needs a kernel with CUSE. */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Consumer, type DTraceRecord } from '../../lib/index.js'
import { prepareDLibraries } from '../../lib/platform/dlibs.js'
import { locateLibrary } from '../../lib/platform/locate.js'
import { collect } from '../live/consumers.js'
import { requireDTrace } from '../live/helper.js'

const describe = requireDTrace()
const run = promisify(execFile)
/** Of package libdtrace2-dev, where a compiler doesn't look by itself. */
const HEADERS = '/usr/lib/x86_64-linux-gnu/dtrace/include'
const FIXTURES = join(import.meta.dirname, 'fixtures')

let folder: string
let program: ChildProcessByStdio<Writable, Readable, null>
let records: DTraceRecord[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'user-'))
  const at = (name: string) => join(folder, name)
  // dtrace(1) compiles the D libraries, too, and the kernel's may be among those for which they have to be repaired.
  const libraries = await prepareDLibraries(locateLibrary())
  const dtrace = libraries.syslibdir === undefined ? [] : ['-x', `syslibdir=${libraries.syslibdir}`]
  await run('dtrace', [...dtrace, '-h', '-s', join(FIXTURES, 'work.d'), '-o', at('work.h')])
  await run('cc', [
    '-O1',
    '-g',
    '-I',
    folder,
    '-I',
    HEADERS,
    '-c',
    '-o',
    at('work.o'),
    join(FIXTURES, 'work.c'),
  ])
  await run('dtrace', [...dtrace, '-G', '-s', join(FIXTURES, 'work.d'), '-o', at('probes.o'), at('work.o')])
  await run('cc', ['-o', at('work'), at('work.o'), at('probes.o')])
  libraries.dispose()
  program = spawn(at('work'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(program.stdout)[Symbol.asyncIterator]()
  const pid = Number((await lines.next()).value)

  const consumer = await Consumer.open()
  try {
    await consumer.enable(
      await consumer.compile(
        'laboratory$1:::work { printf("n=%d text=%s pid=%d", (int)arg0, copyinstr(arg1), pid) }',
        { args: [String(pid)] },
      ),
    )
    await consumer.go()
    const all = collect(consumer)
    for (const line of ['first', 'the second']) {
      program.stdin.write(`${line}\n`)
      await lines.next()
    }
    await consumer.stop()
    records = await all
  } finally {
    await consumer.close()
  }
})
afterAll(async () => {
  program?.stdin.end()
  await rm(folder, { recursive: true, force: true })
})

describe('USDT', () => {
  test('a program’s own probe fires, with its arguments', () => {
    expect(records.map(({ fields }) => fields)).toEqual([
      { n: 1, text: 'first', pid: program.pid },
      { n: 2, text: 'the second', pid: program.pid },
    ])
  })

  test('its name is what the program calls it', () => {
    const [probe] = records.map((record) => record.probe)
    expect(probe).toMatchObject({ provider: `laboratory${program.pid}`, function: 'work', name: 'work' })
  })
})

import { execFileSync, spawnSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compare, type Measurement, measure, type Run } from '../../lib/measure/index.js'
import { Cli, cli } from './cli-driver.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

let folder: string
let load: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-measure-'))
  load = join(folder, 'load')
  execFileSync('cc', ['-pthread', '-o', load, join(import.meta.dirname, 'fixtures', 'load.c')])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const first = ({ runs }: Measurement): Run => runs[0] as Run
const call = (run: Run, name: string) => run.syscalls?.find((use) => use.name === name)
const sum = (buckets: readonly { count: number }[]) => buckets.reduce((total, { count }) => total + count, 0)

describe('a command is measured', () => {
  test('what it does is counted exactly, with its threads and processes: as strace counts it', async () => {
    const words = [load, '1000', '500', '8', '40', '7']
    const all = {
      syscalls: true,
      io: true,
      sched: true,
      pageFaults: true,
      signals: true,
      opens: true,
      processes: true,
    }
    const program = 'syscall::write:entry /measured/ { @sizes[execname] = quantize(arg2); @calls = count(); }'
    const measurement = await measure(words, { ...all, program })
    const run = first(measurement)
    expect(measurement.missing).toEqual([])
    expect(run).toMatchObject({ exitCode: 3, signal: null, unfinished: 0, drops: 0, faults: 0 })

    const calls = new Map(run.syscalls?.map((use) => [use.name, [use.calls, sum(use.errors)]]))
    const strace = spawnSync('strace', ['-c', '-f', '-U', 'name,calls,errors', ...words], {
      encoding: 'utf8',
    }).stderr
    const expected = new Map<string, number[]>()
    for (const line of strace.split('\n')) {
      const [, name, number, errors = '0'] = /^(\w+)\s+(\d+)(?:\s+(\d+))?\s*$/.exec(line) ?? []
      if (name !== undefined && name !== 'total') expected.set(name, [Number(number), Number(errors)])
    }
    expect(expected.get('write')).toEqual([1000, 0])
    for (const [name, counts] of expected) {
      // It sees the exec itself, and what returns only. Threads that wait for each other do so as often as it comes.
      if (
        ![
          'execve',
          'exit',
          'exit_group',
          'futex',
          'restart_syscall',
          'madvise',
          'munmap',
          'mmap',
          'mprotect',
        ].includes(name)
      )
        expect([name, ...(calls.get(name) ?? [])]).toEqual([name, ...counts])
    }
    expect(calls.get('exit_group')).toEqual([501, 0])
    expect(call(run, 'close')?.errors).toEqual([{ error: 'EBADF', errno: 9, count: 500 }])
    const naps = call(run, 'clock_nanosleep')
    expect(naps?.calls).toBe(8)
    expect(naps?.time).toBeGreaterThan(8 * 20)
    expect(sum(naps?.distribution ?? [])).toBe(8)
    expect(naps?.distribution[0]?.min).toBeGreaterThanOrEqual(2 ** 24)

    expect(run.processes).toEqual({ forks: 500, threads: 8, execs: [{ execname: 'load', count: 1 }] })
    expect(run.opens?.[0]).toEqual({ path: '/nonexistent', error: 'ENOENT', count: 7 })
    expect(run.io).toMatchObject({ writes: 1000, writtenBytes: 100_500 })
    const pages = (40 * 2 ** 20) / 4096
    expect(run.pageFaults?.minor).toBeGreaterThan(pages)
    expect(run.pageFaults?.minor).toBeLessThan(pages + 500 * 200)
    expect(run.maxRss).toBeGreaterThan(40 * 2 ** 20)
    expect(run.maxRss).toBeLessThan(48 * 2 ** 20)
    expect(run.sched?.voluntary).toBeGreaterThan(8)
    expect(run.sched?.offCpu).toBeGreaterThan(8 * 20)
    expect(run.wall).toBeGreaterThan(20)
    // All its time on CPUs is in both, measured in two ways.
    const cpu = run.user + run.system
    expect(run.sched?.onCpu).toBeGreaterThan(cpu * 0.7 - 2)
    expect(run.sched?.onCpu).toBeLessThan(cpu * 1.5 + 10)
    expect(run.aggregations.map(({ name, key, value }) => [name, key, value])).toEqual([
      ['@sizes', ['load'], [{ min: 64, max: 127, count: 1000 }]],
      ['@calls', [], 1000],
    ])
  })

  test('signals, what goes on after it, and each run by itself', async () => {
    const line = 'kill -USR1 $$; sleep 60 & echo $! >> pids; exit 0'
    const script = `trap : USR1; ${line}`
    const { runs } = await measure(script, {
      signals: true,
      syscalls: true,
      processes: true,
      runs: 2,
      overhead: false,
      cwd: folder,
    })
    for (const pid of readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n')) process.kill(Number(pid))
    for (const run of runs) {
      expect(run).toMatchObject({ exitCode: 0, unfinished: 1, signals: [{ signal: 'SIGUSR1', count: 1 }] })
      expect(call(run, 'kill')?.calls).toBe(1)
      expect(run.processes?.forks).toBe(1)
    }
  })

  test('operations of block devices, where there is one', async ({ skip }) => {
    const own = mkdtempSync(join(import.meta.dirname, '..', '..', 'build-measure-'))
    try {
      // An anonymous device (tmpfs, overlay) has none below it that could be told.
      if (statSync(own).dev < 256) skip('the checkout is not on a block device')
      const dd = [
        'dd',
        'if=/dev/zero',
        `of=${join(own, 'big')}`,
        'bs=64k',
        'count=20',
        'oflag=direct',
        'status=none',
      ]
      const { io } = first(await measure(dd, { io: true }))
      expect(io?.writtenBytes).toBe(20 * 65536)
      expect(io?.device?.write.operations).toBeGreaterThanOrEqual(20)
      expect(io?.device?.write.bytes).toBeGreaterThanOrEqual(20 * 65536)
      expect(io?.device?.write.bytes).toBeLessThan(30 * 65536)
      expect(sum(io?.device?.write.distribution ?? [])).toBeGreaterThanOrEqual(20)
    } finally {
      rmSync(own, { recursive: true })
    }
  })

  test('two commands take turns; what the probes cost is found without them', async () => {
    const log = join(folder, 'order')
    const words = (letter: string, writes: number) => [
      'sh',
      '-c',
      `printf ${letter} >> ${log}; exec ${load} ${writes} 0 0 0 0`,
    ]
    const { a, b, differences } = await compare(words('a', 100), words('b', 300), {
      syscalls: true,
      runs: 3,
      warmup: 1,
    })
    // One to warm up; three without probes; three with them.
    expect(readFileSync(log, 'utf8')).toBe(`ab${'abbaab'}${'abbaab'}`)
    expect(a.runs.map((run) => call(run, 'write')?.calls)).toEqual([101, 101, 101])
    expect(differences.find(({ name }) => name === 'syscalls.write.calls')).toEqual({
      name: 'syscalls.write.calls',
      a: 101,
      b: 301,
      ratio: 301 / 101,
      apart: true,
    })
    for (const { overhead, runs, summary } of [a, b]) {
      expect(overhead?.ratio).toBeCloseTo((overhead?.with.median ?? 0) / (overhead?.without.median ?? 0))
      expect(overhead?.without.min).toBeGreaterThan(0)
      expect(summary.wall?.median).toBe([...runs].sort((x, y) => x.wall - y.wall)[1]?.wall)
    }
  })

  test('aborted, it is ended, and nothing is left', async () => {
    const abort = new AbortController()
    const { signal } = abort
    const script = `echo $$ > ${join(folder, 'pid')}; echo up > ${join(folder, 'up')}; exec sleep 60`
    execFileSync('mkfifo', [join(folder, 'up')])
    const measuring = expect(measure(script, { signal })).rejects.toThrow('enough')
    // Opening it waits for the other end.
    await readFile(join(folder, 'up'))
    abort.abort(new Error('enough'))
    await measuring
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await expect(measure('true', { signal })).rejects.toThrow('enough')
  })

  test('what makes no sense is refused before anything is opened', async () => {
    const target = { code: 'ERR_DTRACE_TARGET' }
    await expect(measure(['no-such-program-here'])).rejects.toMatchObject(target)
    await expect(measure([folder])).rejects.toMatchObject(target)
    const argument = { code: 'ERR_DTRACE_ARGUMENT' }
    await expect(measure([])).rejects.toMatchObject(argument)
    await expect(measure(['true'], { runs: 0 })).rejects.toMatchObject(argument)
    await expect(measure(['true'], { syscall: true } as never)).rejects.toMatchObject(argument)
    await expect(compare(['true'], () => {})).rejects.toMatchObject(argument)
  })
})

describe('a function is measured', () => {
  test('with all threads of the process, and without the session’s', async () => {
    const fd = openSync('/dev/null', 'w')
    try {
      const write = async () => {
        for (let i = 0; i < 500; i++) writeSync(fd, 'x'.repeat(10))
        return Buffer.alloc(32 * 2 ** 20, 1).length
      }
      const sections = { syscalls: true, pageFaults: true, io: true, sched: true }
      const measurement = await measure(write, { ...sections, runs: 2, overhead: false })
      expect(measurement.label).toBe('write')
      for (const run of measurement.runs) {
        expect(run.result).toBe(32 * 2 ** 20)
        const writes = call(run, 'write')?.calls ?? 0
        expect(writes).toBeGreaterThanOrEqual(500)
        expect(writes).toBeLessThan(550)
        expect(run.io?.writtenBytes).toBeGreaterThanOrEqual(5000)
        expect(run.pageFaults?.minor).toBeGreaterThan(0)
        expect(run.wall).toBeGreaterThan(0)
      }
      const failing = async () => {
        throw new Error('its own')
      }
      await expect(measure(failing)).rejects.toThrow('its own')
    } finally {
      closeSync(fd)
    }
  })
})

describe('dtrace-watch measure', () => {
  test('prints a table, shows the output on request, and ends as the command did', async () => {
    const { code, stdout, stderr } = await cli(['measure', '--show', '--', load, '300', '2', '0', '0', '7'])
    expect(stdout).toMatch(/^\S*load 300 2 0 0 7 {3}1 run\n/)
    expect(stdout).toMatch(/^writes +300$/m)
    expect(stdout).toMatch(/^write +300 +[\d.]+ [µm]s/m)
    expect(stdout).toMatch(/^openat .* ENOENT 7$/m)
    expect(stdout).toMatch(/^processes started +2$/m)
    expect(stderr).toMatch(/1 of 1 runs failed \(exit status 3\)/)
    expect(code).toBe(3)
  })

  test('compares two commands, as JSON', async () => {
    const watch = new Cli([
      'measure',
      '--json',
      '--syscalls',
      '-n',
      '3',
      '--no-overhead',
      '--',
      load,
      '1',
      '0',
      '0',
      '0',
      '0',
      '--vs',
      load,
      '5',
      '0',
      '0',
      '0',
      '0',
    ])
    expect((await watch.ended).code).toBe(3)
    expect(watch.events.map(({ type }) => type)).toEqual([
      'failed',
      'failed',
      'measurement',
      'measurement',
      'comparison',
    ])
    const { differences } = watch.events.at(-1) as unknown as {
      differences: { name: string; a: number; b: number }[]
    }
    expect(differences.find(({ name }) => name === 'syscalls.write.calls')).toMatchObject({
      a: 1,
      b: 5,
      ratio: 5,
      apart: true,
    })
  })

  test('refuses what makes no sense', async () => {
    expect(await cli(['measure'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/after --/) })
    expect(await cli(['measure', '--', 'true', '--vs'])).toMatchObject({ code: 2 })
    expect(await cli(['measure', '-n', '0', '--', 'true'])).toMatchObject({ code: 2 })
    expect(await cli(['measure', '--', 'no-such-program'])).toMatchObject({ code: 2 })
  })
})

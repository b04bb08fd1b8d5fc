/** Records that come fast: the kernel wakes nobody for each of them, and none is left behind. See native/platform/linux/buffers.h. */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Consumer } from '../../lib/index.js'
import { open } from './consumers.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'

const describe = requireDTrace()
const run = promisify(execFile)

const MANY = 300_000
/** What fires is counted in the kernel as well, whatever becomes of its record. */
const PROGRAM = `syscall::write:entry /execname == "dtc-bursts" && (arg2 == 100 || arg2 == 101)/
{ printf("size=%d", (int)arg2); @fired = count(); }`

let folder: string
let load: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dtc-bursts-test-'))
  load = join(folder, 'dtc-bursts')
  execFileSync('cc', ['-pthread', '-o', load, join(import.meta.dirname, 'fixtures', 'load.c')])
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Writes 100 and 101 bytes in turn, so many times, and ends with status 3. */
async function write(times: number): Promise<void> {
  await run(load, [String(times), '0', '0', '0', '0']).catch(() => {})
}

interface Seen {
  consumer: Consumer
  records: number
  bytes: number
  drops: number
}

/**
 * Each write numbered, among what only libdtrace can take: clear() at every thousandth, and two clauses that fire in the middle of it all
 * for the first time.
 */
const NUMBERED = `syscall::write:entry /execname == "dtc-bursts" && (arg2 == 100 || arg2 == 101)/
{ self->n++; printf("n=%d", self->n); @fired = count(); @cleared = count(); }
syscall::write:entry /self->n && self->n % 1000 == 0/ { clear(@cleared); }
syscall::write:entry /self->n == 150000/ { printf("middle=%d", self->n); }
syscall::write:return /self->n == 150000/ { printf("after=%d", self->n); }`

async function trace(host: 'in-process' | 'process'): Promise<Seen> {
  const consumer = await open({ host, options: { switchrate: '10ms' } })
  const seen: Seen = { consumer, records: 0, bytes: 0, drops: 0 }
  consumer.on('batch', (batch) => {
    seen.records += batch.length
    for (const size of batch.column('size')) seen.bytes += size as number
  })
  consumer.on('drop', ({ count }) => {
    seen.drops += count
  })
  await consumer.enable(await consumer.compile(PROGRAM))
  await consumer.go()
  return seen
}

/** Buffers that a process has mapped: libdtrace each CPU's, and the session each of them again. */
function buffersMapped(pid: number): number {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => line.includes('[perf_event]')).length
}

/** Interrupts that the kernel raised for itself, on all processors (irq_work). */
function ownInterrupts(): number {
  const line = readFileSync('/proc/interrupts', 'utf8')
    .split('\n')
    .find((text) => /^\s*IWI:/.test(text))
  return (line?.match(/\b\d+\b/g) ?? []).reduce((sum, count) => sum + Number(count), 0)
}

describe.each(['in-process', 'process'] as const)('a burst, %s', (host) => {
  test(
    'comes whole, without an interrupt for each record, and what comes after it does not wait',
    async () => {
      const seen = await trace(host)
      // One by one first: each of them wakes the session.
      for (let i = 1; i <= 3; i++) {
        await write(2)
        await expect.poll(() => seen.records, { timeout: patience(5_000) }).toBe(2 * i)
      }

      // Else libdtrace would read all of them, and nobody would notice.
      expect(buffersMapped(seen.consumer.hostPid)).toBe(2 * cpus().length)
      const before = ownInterrupts()
      await write(MANY)
      await expect.poll(() => seen.records + seen.drops, { timeout: patience(10_000) }).toBe(MANY + 6)
      expect(ownInterrupts() - before).toBeLessThan(MANY / 2)
      expect(seen.records).toBeGreaterThan(MANY / 2)
      if (seen.drops === 0) expect(seen.bytes).toBe((MANY + 6) * 100.5)

      for (let i = 1; i <= 3; i++) {
        await write(2)
        await expect
          .poll(() => seen.records + seen.drops, { timeout: patience(5_000) })
          .toBe(MANY + 6 + 2 * i)
      }
    },
    patience(60_000),
  )

  test(
    'comes in order, whoever of the two takes a record out of the buffer',
    async () => {
      const consumer = await open({ host, options: { switchrate: '10ms' } })
      const numbers: bigint[] = []
      let drops = 0
      consumer.on('batch', (batch) => {
        for (const { values } of batch) if (values.length === 1) numbers.push(values[0] as bigint)
      })
      consumer.on('drop', ({ count }) => {
        drops += count
      })
      await consumer.enable(await consumer.compile(NUMBERED))
      await consumer.go()
      // One processor: the order of two buffers is anybody's.
      await run('taskset', ['-c', '0', load, String(MANY), '0', '0', '0', '0']).catch(() => {})
      await consumer.stop()
      const [fired] = await consumer.aggregations({ names: ['@fired'] })
      expect(fired?.value).toBe(BigInt(MANY))
      expect(numbers.every((n, i) => i === 0 || n >= (numbers[i - 1] as bigint))).toBe(true)
      if (drops > 0) return
      expect(numbers.length).toBe(MANY + 2)
      expect(numbers.slice(149_998, 150_003)).toEqual([149_999n, 150_000n, 150_000n, 150_000n, 150_001n])
    },
    patience(60_000),
  )

  test.each(['listener', 'loop'])(
    'leaves the event loop to others, however slow its %s is',
    async (reader) => {
      const { consumer } = await trace(host)
      let batches = 0
      let turns = 0
      const work = (): void => {
        for (const end = performance.now() + 3; performance.now() < end; );
      }
      consumer.on('batch', () => {
        batches++
        if (reader === 'listener') work()
      })
      if (reader === 'loop')
        void (async () => {
          let records = 0
          for await (const _ of consumer) if (++records % 1_000 === 0) work()
        })()
      const count = (): void => {
        turns++
        immediate = setImmediate(count)
      }
      let immediate = setImmediate(count)
      await write(MANY)
      await consumer.stop()
      clearImmediate(immediate)
      // Two of 3 ms are more than the 2 ms that they may take together.
      expect(batches).toBeGreaterThan(10)
      expect(turns).toBeGreaterThan(batches / 3)
    },
    patience(60_000),
  )

  test(
    'whose reader stands still for longer than anybody waits for it goes on afterwards, and all is accounted for',
    async () => {
      const seen = await trace(host)
      // Some 6,000 records are a batch, and 64 of them may wait: three bursts are more, and than the buffers hold.
      const writing = (async () => {
        for (let i = 0; i < 3; i++) await write(MANY)
      })()
      await expect.poll(() => seen.records, { timeout: patience(10_000) }).toBeGreaterThan(0)
      for (const end = performance.now() + 1_500; performance.now() < end; );
      await writing
      await expect.poll(() => seen.records + seen.drops, { timeout: patience(20_000) }).toBe(3 * MANY)
      const { records } = seen
      await write(2)
      await expect.poll(() => seen.records, { timeout: patience(5_000) }).toBe(records + 2)
    },
    patience(60_000),
  )

  test(
    'that is cut off by stop() is accounted for to the last record',
    async () => {
      const seen = await trace(host)
      const writing = write(MANY)
      await expect.poll(() => seen.records, { timeout: patience(10_000) }).toBeGreaterThan(1_000)
      await seen.consumer.stop()
      const [fired] = await seen.consumer.aggregations()
      expect(seen.records + seen.drops).toBe(Number(fired?.value))
      await writing
    },
    patience(60_000),
  )
})

import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { Consumer, type Drop, type DTraceError, type Restart } from '../../lib/index.js'
import { keepAwake } from './awake.js'
import { collect, once, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'

const describe = requireDTrace()
keepAwake()

const TICKS = 'tick-20hz { printf("tick=%d", 1); }'

async function running(options: Parameters<typeof open>[0], source = TICKS): Promise<Consumer> {
  const consumer = await open({ host: 'process', ...options })
  await consumer.enable(await consumer.compile(source))
  await consumer.go()
  return consumer
}

const record = (consumer: Consumer): Promise<unknown> =>
  once('a record', (resolve) => consumer.once('batch', resolve))
const failure = (consumer: Consumer): Promise<DTraceError> =>
  once('an error event', (resolve) => consumer.once('error', resolve))

async function uprobes(): Promise<string> {
  return readFile('/sys/kernel/debug/tracing/uprobe_events', 'utf8')
}

/** What ends behind another process's back is gone a little later. */
async function until(what: string, holds: () => Promise<boolean> | boolean, seconds = 20): Promise<void> {
  const end = Date.now() + seconds * 1000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a session in a child process', () => {
  test("'auto' is in this process while that is free, else in a child; $pid is this process in both", async () => {
    const first = await open({ host: 'auto' })
    const second = await open({ host: 'auto' })
    expect([first.host, second.host]).toEqual(['in-process', 'process'])
    expect(first.hostPid).toBe(process.pid)
    expect(second.hostPid).not.toBe(process.pid)
    for (const consumer of [first, second]) {
      const [seen] = await collect(consumer.run('BEGIN { printf("me=%d host=%d", $pid, pid); exit(0); }'))
      expect(seen?.fields).toEqual({ me: process.pid, host: consumer.hostPid })
    }
  })

  test.each(['SIGABRT', 'SIGKILL', 'SIGSEGV'] as const)(
    '%s in the child is an error event, and the consumer is stopped; others go on',
    async (signal) => {
      const other = await running({ host: 'in-process' })
      const consumer = await running({})
      await record(consumer)
      const failed = failure(consumer)
      process.kill(consumer.hostPid, signal)
      const error = await failed
      expect(error).toMatchObject({ name: 'DTraceError', code: 'ERR_DTRACE_HOST_EXITED' })
      expect(error.message).toContain(signal)
      expect(consumer.state).toBe('stopped')
      await expect(consumer.getOption('bufsize')).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED' })
      await record(other)
      await consumer.close()
    },
  )

  test('a reader is told by its loop, after the records that had come', async () => {
    const consumer = await running({})
    let records = 0
    await expect(
      (async () => {
        for await (const { fields } of consumer) {
          expect(fields.tick).toBe(1)
          if (++records === 3) process.kill(consumer.hostPid, 'SIGKILL')
        }
      })(),
    ).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED' })
    expect(records).toBeGreaterThanOrEqual(3)
  })

  test('a command under way is rejected', async () => {
    const consumer = await open({ host: 'process' })
    const compiling = consumer.compile(TICKS)
    process.kill(consumer.hostPid, 'SIGKILL')
    await expect(compiling).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED' })
    await expect(consumer.compile(TICKS)).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED' })
  })

  test('its end before tracing is an error event, too, where somebody listens, and every later call says why', async () => {
    for (const listens of [true, false]) {
      const consumer = await open({ host: 'process' })
      const program = await consumer.compile(TICKS)
      const told = listens ? failure(consumer) : undefined
      process.kill(consumer.hostPid, 'SIGKILL')
      if (told !== undefined) expect((await told).message).toContain('SIGKILL')
      else await expect.poll(() => consumer.state).toBe('stopped')
      for (const call of [() => consumer.enable(program), () => consumer.go(), () => consumer.compile(TICKS)])
        await expect(call()).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED' })
      await consumer.close()
    }
  })

  test('restart means a child process', async () => {
    const consumer = await Consumer.open({ restart: true })
    expect(consumer.host).toBe('process')
    await consumer.close()
  })

  test('a helper that is none is told as that', async () => {
    for (const helper of [{ command: ['/no/such/helper'] as const }, { socket: '/no/such/socket' }])
      await expect(Consumer.open({ helper })).rejects.toMatchObject({
        code: 'ERR_DTRACE_HOST_EXITED',
        message: expect.stringMatching(/^there is no process to trace in: .*ENOENT/),
      })
  })

  test('a child that hangs is killed', async () => {
    const consumer = await running({ hangTimeout: 1000 })
    await record(consumer)
    const failed = failure(consumer)
    process.kill(consumer.hostPid, 'SIGSTOP')
    const error = await failed
    expect(error.code).toBe('ERR_DTRACE_HOST_EXITED')
    expect(error.message).toContain('not answered for 1000 ms')
    await until('the end of the child', () => !isAlive(consumer.hostPid))
  })

  test('restart: true traces the same again, options included; what was read is not lost', async () => {
    const consumer = await open({ host: 'process', restart: true, options: { switchrate: '3ms' } })
    const ticks = await consumer.compile('tick-50hz { printf("what=%s", $$1); }', { args: ['tick'] })
    const other = await consumer.compile('tick-50hz { printf("what=%s", "other"); }')
    await consumer.setOption('strsize', '128')
    await consumer.enable(ticks)
    await consumer.enable(other)
    await consumer.go()
    const seen = new Set<unknown>()
    consumer.on('batch', (batch) => {
      for (const { fields } of batch) seen.add(fields.what)
    })
    for (let round = 1; round <= 2; round++) {
      seen.clear()
      await until('records of both programs', () => seen.size === 2)
      const first = consumer.hostPid
      const told = Promise.all([
        failure(consumer),
        once<Restart>('a restart', (resolve) => consumer.once('restart', resolve)),
      ])
      process.kill(first, 'SIGKILL')
      const [error, restart] = await told
      expect(error.code).toBe('ERR_DTRACE_HOST_EXITED')
      expect(restart).toMatchObject({ error, count: round })
      expect(restart.gap).toBeGreaterThan(0)
      expect(consumer.hostPid).not.toBe(first)
      expect(await consumer.getOption('strsize')).toBe(128)
    }
    seen.clear()
    await until('records of both programs', () => seen.size === 2)
    await consumer.stop()
    expect(consumer.state).toBe('stopped')
  })

  test('closing while it restarts gives it up', async () => {
    const consumer = await running({ restart: true })
    await record(consumer)
    const failed = failure(consumer)
    process.kill(consumer.hostPid, 'SIGKILL')
    await failed
    await consumer.close()
    expect(consumer.state).toBe('closed')
  })

  test(
    'what it had begun to send when it was killed is counted',
    async () => {
      // Where the socket was full is sometimes between two batches: until it was in the middle of one.
      let told = 0
      for (let i = 0; i < 20 && told === 0; i++) told = await toldOfCutBatch()
      expect(told).toBeGreaterThan(0)
    },
    patience(60_000),
  )

  /** How many records of a batch are told as lost, of which the child has sent a part when it dies. */
  async function toldOfCutBatch(): Promise<number> {
    const consumer = await running(
      {},
      'syscall::chdir:entry /execname == "sh"/ { printf("time=%d", timestamp); tracemem(curthread, 1024); }',
    )
    const drops: Drop[] = []
    consumer.on('drop', (drop) => drops.push(drop))
    const load = spawn('sh', ['-c', 'while :; do cd /; done'], { stdio: 'ignore' })
    await record(consumer)
    const failed = failure(consumer)
    // Nobody reads meanwhile, and the socket fills.
    for (const end = performance.now() + 300; performance.now() < end; );
    process.kill(consumer.hostPid, 'SIGKILL')
    await failed
    load.kill('SIGKILL')
    const told = drops.filter(({ kind }) => kind === 'host').reduce((sum, { count }) => sum + count, 0)
    expect(consumer.stats().drops).toBe(told)
    return told
  }

  test('ten consumers at once, each with its own program, and all that was fired arrives', async () => {
    const consumers = await Promise.all(Array.from({ length: 10 }, () => open({ host: 'auto' })))
    expect(consumers.filter(({ host }) => host === 'process')).toHaveLength(9)
    const counts = consumers.map(() => 0)
    await Promise.all(
      consumers.map(async (consumer, i) => {
        consumer.on('batch', (batch) => {
          for (const { fields } of batch) if (fields.number === i) counts[i] = (counts[i] ?? 0) + 1
        })
        await consumer.enable(
          await consumer.compile(
            'syscall::chdir:entry /execname == "ten-at-once"/ { printf("number=%d", $1); }',
            { args: [String(i)] },
          ),
        )
        await consumer.go()
      }),
    )
    await run('sh', [
      '-c',
      'ln -s "$(command -v dash || command -v sh)" "$0/ten-at-once" && "$0/ten-at-once" -c "i=0; while [ \\$i -lt 500 ]; do cd /; i=\\$((i+1)); done"; rm "$0/ten-at-once"',
      (await run('mktemp', ['-d'])).stdout.trim(),
    ])
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    expect(counts).toEqual(counts.map(() => 500))
  })
})

describe('the child and its parent', () => {
  const fixture = new URL('fixtures/host-parent.mjs', import.meta.url).pathname

  test.each([
    ['SIGKILL', null],
    ['exit', 7],
    ['throw', 1],
    ['worker', 0],
  ])('when the parent ends by %s, the child goes too, and its probes', async (way, code) => {
    const parent = spawn(process.execPath, [fixture, way], { stdio: ['ignore', 'pipe', 'ignore'] })
    const child = await once<number>('the number of the child', (resolve) =>
      parent.stdout.setEncoding('utf8').once('data', (text: string) => resolve(Number(text))),
    )
    expect(isAlive(child)).toBe(true)
    if (way === 'SIGKILL') parent.kill('SIGKILL')
    expect(await once('the end of the parent', (resolve) => parent.once('exit', resolve))).toBe(code)
    await until('the end of the child', () => !isAlive(child))
    await until('the end of its probes', async () => !(await uprobes()).includes(`dt_${child}_`))
  })

  test('a consumer that was killed leaves probes, which the next open takes away; those of the living stay', async () => {
    const living = await running({})
    const killed = await running({})
    const failed = failure(killed)
    process.kill(killed.hostPid, 'SIGKILL')
    await failed
    expect(await uprobes()).toContain(`dt_${killed.hostPid}_`)
    await open({ host: 'process' })
    expect(await uprobes()).not.toContain(`dt_${killed.hostPid}_`)
    expect(await uprobes()).toContain(`dt_${living.hostPid}_`)
    await record(living)
  })

  test.each(
    (['in-process', 'process'] as const).flatMap((host) =>
      ['opening', 'opened', 'compiling', 'enabled', 'starting', 'running', 'stopping', 'closing'].map(
        (step) => [host, step] as const,
      ),
    ),
  )('a worker with a consumer %s is terminated while %s: no crash, nothing left', async (host, step) => {
    const worker = new Worker(new URL('fixtures/worker-at.mjs', import.meta.url), {
      workerData: { host, step },
    })
    const pid = await once<number>(`the worker's step ${step}`, (resolve, reject = () => {}) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    if (pid !== process.pid && pid !== 0) await until('the end of the child', () => !isAlive(pid))
    expect(await uprobes()).not.toContain(`dt_${pid === 0 ? process.pid : pid}_`)
  })

  test('after all these workers the process is free for another consumer', async () => {
    expect((await open({ host: 'auto' })).host).toBe('in-process')
  })
})

/**
 * One short life of a session, for scripts/sanitize.mjs: `node test/native/live-session.mjs STEP`. Prints `done STEP`
 * as its last act where the step ends by itself.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Consumer } from '../../dist/index.js'

/**
 * Every kind of value there is, and a clause that fails at each firing. Not ustack() at openat: to name the addresses
 * libdtrace opens files itself, in this very process, and each of those would have a stack again.
 */
const everything = `
  BEGIN { trace("begin"); }
  syscall::openat:entry /pid == $pid/ {
    printf("pid=%d execname=%s path=%s cpu=%u", pid, execname, copyinstr(arg1), cpu);
    trace(timestamp);
    tracemem(curthread, 64);
    stack(4);
    sym(arg1);
  }
  syscall::prctl:entry /pid == $pid && arg0 == 0x44545243/ { printf("mark=%d", arg1); ustack(4); usym(arg1); }
  syscall::close:entry /pid == $pid/ { trace(*(int *)0); }
  END { printf("end=%d", 1); }`

const scenarios = {
  /** The whole life, twice: the library is loaded anew, and nothing of the first may be left. */
  async life() {
    for (let round = 0; round < 2; round++) {
      const { consumer, seen } = await running(everything)
      for (let i = 0; i < 20; i++) consumer.mark(i)
      await load(() => seen.records >= 500 && seen.faults >= 500)
      await consumer.setOption('switchrate', '1ms')
      assert.equal(await consumer.getOption('switchrate'), 1_000_000)
      await consumer.stop()
      const before = seen.records
      await consumer.close()
      assert.equal(seen.records, before, 'no record after stop')
    }
  },

  /** What is refused, and by whom, on both threads. */
  async refusals() {
    const consumer = await Consumer.open()
    await assert.rejects(Consumer.open({ host: 'in-process' }), { code: 'ERR_DTRACE_BUSY' })
    await assert.rejects(consumer.setOption('nonsense', 1), { code: 'ERR_DTRACE_OPTION' })
    await assert.rejects(consumer.compile('BEGIN { syntax error }'), { code: 'ERR_DTRACE_COMPILE' })
    await Promise.all([consumer.close(), consumer.close()])
    await assert.rejects(consumer.compile('BEGIN {}'), { code: 'ERR_DTRACE_STATE' })
  },

  /** The program ends by itself. */
  async exit() {
    const consumer = await Consumer.open()
    await consumer.enable(await consumer.compile('BEGIN { trace(1); exit(7); }'))
    const exit = once(consumer, 'exit')
    await consumer.go()
    assert.equal((await exit)[0].status, 7)
    await consumer.close()
  },

  /** Closing from inside a listener, with commands still under way. */
  async 'close in a listener'() {
    const { consumer } = await running(everything)
    const closed = new Promise((resolve) => {
      consumer.once('batch', () => {
        void consumer.getOption('bufsize').catch(() => {})
        void consumer.stop().catch(() => {})
        resolve(consumer.close())
      })
    })
    let isClosed = false
    void closed.then(() => {
      isClosed = true
    })
    await load(() => isClosed)
  },

  /** The process ends with data in flight. */
  async 'process.exit while running'() {
    const { seen } = await running(everything)
    await load(() => seen.records > 0)
    open(200)
    console.log('done process.exit while running')
    process.exit(0)
  },

  /** The process ends while the thread is inside libdtrace. */
  async 'process.exit while opening'() {
    void Consumer.open()
    setTimeout(() => {
      console.log('done process.exit while opening')
      process.exit(0)
    }, 20)
  },

  /** A worker's environment is torn down under a running session. */
  async 'worker terminated while running'() {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: 'run' })
    worker.on('error', (error) => {
      throw error
    })
    const [message] = await once(worker, 'message')
    assert.equal(message, 'running')
    open(200)
    await worker.terminate()
    // The thread is gone with the worker, so that this one can have its turn.
    const consumer = await Consumer.open()
    await consumer.close()
  },
}

async function running(source) {
  const seen = { records: 0, faults: 0 }
  const consumer = await Consumer.open({ int64: 'bigint' })
  consumer.on('batch', (batch) => {
    for (const record of batch) {
      assert.equal(typeof record.probe.name, 'string')
      seen.records++
    }
  })
  consumer.on('fault', (fault) => {
    seen.faults += fault.count
  })
  await consumer.enable(await consumer.compile(source))
  await consumer.go()
  return { consumer, seen }
}

function open(times) {
  for (let i = 0; i < times; i++) closeSync(openSync('/dev/null', 'r'))
}

/** Opens and closes files until it is enough. */
async function load(isEnough) {
  const deadline = Date.now() + 60_000
  while (!isEnough()) {
    assert.ok(Date.now() < deadline, 'the records that were waited for did not come in 60 s')
    open(50)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

if (!isMainThread && workerData === 'run') {
  const { seen } = await running(everything)
  await load(() => seen.records > 0)
  parentPort.postMessage('running')
  setInterval(() => open(20), 1)
} else {
  const name = process.argv[2] ?? ''
  const scenario = scenarios[name]
  if (scenario === undefined) {
    console.log(JSON.stringify(Object.keys(scenarios)))
  } else {
    await scenario()
    if (!name.startsWith('process.exit')) console.log(`done ${name}`)
  }
}

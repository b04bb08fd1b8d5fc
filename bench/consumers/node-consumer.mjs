/**
 * `dtrace-consumer` under measurement.
 *
 *   node node-consumer.mjs JSON    { file, options, args?, host?, fields?, read: 'records' | 'columns' | 'iterate' | 'count',
 *                                    latency?: field, pauses?: true, memoryEvery?: records }
 *
 * `read` is how the records are taken: `records`, each record's typed object from a batch, every field used; `columns`,
 * a column at a time; `iterate`, `for await` over the consumer; `count`, not decoded. `fields` are the program's, as readers.mjs
 * takes them; those of opens.d by default. With `latency`, that field is a CLOCK_MONOTONIC time in nanoseconds, and the time
 * from there to the JavaScript callback is sampled. With `pauses`, the event loop's delay is; with `memoryEvery`, memory each
 * time that so many records have come.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Consumer } from '../../dist/index.js'
import { median, quantile } from '../harness/statistics.mjs'
import { serve, startClock } from './protocol.mjs'
import { makeReaders } from './readers.mjs'

const run = JSON.parse(process.argv[2])
const { file, options, args = [], host = 'in-process', read, latency, pauses = false, memoryEvery } = run
const readers = makeReaders(run.fields ?? { execname: 'string', pid: 4, path: 'string' })
const tally = { records: 0, bytes: 0, drops: 0, errors: 0 }
const samples = []
const memory = []
const loopDelay = pauses ? monitorEventLoopDelay({ resolution: 1 }) : undefined

const clock = startClock()
const consumer = await Consumer.open({ options, host, int64: 'number' })
clock.step('open')
const program = await consumer.compile({ file }, { args })
clock.step('compile')
// Asked before tracing, when the DTrace thread has nothing to wait for; libdtrace has it in nanoseconds.
const switchrateMicroseconds = Number(await consumer.getOption('switchrate')) / 1e3
await consumer.enable(program)
clock.step('enable')

let progress = () => {}
function arrived(records, bytes) {
  const before = tally.records
  tally.records += records
  tally.bytes += bytes
  if (memoryEvery !== undefined) noteMemory(before)
  progress()
}

function noteMemory(before) {
  if (Math.floor(before / memoryEvery) === Math.floor(tally.records / memoryEvery)) return
  const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
  memory.push({ records: tally.records, rss, heapUsed, heapTotal, external, arrayBuffers })
}

consumer.on('drop', ({ count }) => {
  tally.drops += count
  progress()
})
consumer.on('fault', () => {
  tally.errors++
})

if (latency !== undefined) {
  consumer.on('batch', (batch) => {
    const now = Number(process.hrtime.bigint())
    for (const { fields } of batch) samples.push(now - fields[latency])
    arrived(batch.length, 0)
  })
} else if (read === 'iterate') {
  void (async () => {
    for await (const { fields } of consumer) arrived(1, readers.record(fields))
  })()
} else {
  const readBatch = readers[read]
  consumer.on('batch', (batch) => arrived(batch.length, readBatch(batch)))
}

await consumer.go()
clock.step('go')

/** Nanoseconds, as perf_hooks has them, to milliseconds. */
const loopDelays = () => ({
  medianMilliseconds: loopDelay.percentile(50) / 1e6,
  p99Milliseconds: loopDelay.percentile(99) / 1e6,
  p999Milliseconds: loopDelay.percentile(99.9) / 1e6,
  longestMilliseconds: loopDelay.max / 1e6,
})

progress = serve(tally, {
  children: consumer.host === 'process' ? [consumer.hostPid] : [],
  reset() {
    Object.assign(tally, { records: 0, bytes: 0, drops: 0, errors: 0 })
    samples.length = 0
    memory.length = 0
    loopDelay?.enable()
    loopDelay?.reset()
  },
  result() {
    return {
      ...(loopDelay === undefined ? {} : { loopDelay: loopDelays() }),
      ...(memoryEvery === undefined ? {} : { memory }),
      ...(latency === undefined
        ? {}
        : {
            latency: {
              samples: samples.length,
              medianMicroseconds: median(samples) / 1e3,
              p90Microseconds: quantile(samples, 0.9) / 1e3,
              p99Microseconds: quantile(samples, 0.99) / 1e3,
              p999Microseconds: quantile(samples, 0.999) / 1e3,
            },
          }),
    }
  },
  async stop() {
    loopDelay?.disable()
    await consumer.stop()
    await consumer.close()
  },
})
clock.ready({ switchrateMicroseconds })

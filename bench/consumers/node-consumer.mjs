/**
 * `dtrace-consumer` under measurement.
 *
 *   node node-consumer.mjs JSON    { file, options, args?, read: 'records' | 'columns' | 'iterate', latency?: field }
 *
 * `read` is how the records are taken: `records`, each record's typed object from a batch, every field used; `columns`,
 * a column at a time; `iterate`, `for await` over the consumer. With `latency`, that field is a CLOCK_MONOTONIC time
 * in nanoseconds, and the time from there to the JavaScript callback is sampled.
 */
import { Consumer } from '../../dist/index.js'
import { median, quantile } from '../harness/statistics.mjs'
import { serve, startClock } from './protocol.mjs'

const { file, options, args = [], read, latency } = JSON.parse(process.argv[2])
const tally = { records: 0, bytes: 0, drops: 0, errors: 0 }
const samples = []

const clock = startClock()
const consumer = await Consumer.open({ options, int64: 'number' })
clock.step('open')
const program = await consumer.compile({ file }, { args })
clock.step('compile')
// Asked before tracing, when the DTrace thread has nothing to wait for; libdtrace has it in nanoseconds.
const switchrateMicroseconds = Number(await consumer.getOption('switchrate')) / 1e3
await consumer.enable(program)
clock.step('enable')

const readers = {
  /** Uses every field, so that nothing that is left undecoded until asked for goes unpaid. */
  records(batch) {
    let bytes = 0
    for (const { fields } of batch)
      bytes += fields.execname.length + fields.path.length + (fields.pid > 0 ? 4 : 0)
    tally.bytes += bytes
  },
  /** Decodes nothing: what the way costs without the records. */
  count() {},
  columns(batch) {
    let bytes = 0
    for (const execname of batch.column('execname')) bytes += execname.length
    for (const path of batch.column('path')) bytes += path.length
    for (const pid of batch.column('pid')) bytes += pid > 0 ? 4 : 0
    tally.bytes += bytes
  },
  latency(batch) {
    const now = Number(process.hrtime.bigint())
    for (const { fields } of batch) samples.push(now - fields[latency])
  },
}

let progress = () => {}
consumer.on('drop', ({ count }) => {
  tally.drops += count
  progress()
})
consumer.on('fault', () => {
  tally.errors++
})
if (read === 'iterate') {
  void (async () => {
    for await (const { fields } of consumer) {
      tally.records++
      tally.bytes += fields.execname.length + fields.path.length + (fields.pid > 0 ? 4 : 0)
      progress()
    }
  })()
} else {
  const readBatch = readers[latency === undefined ? read : 'latency']
  consumer.on('batch', (batch) => {
    tally.records += batch.length
    readBatch(batch)
    progress()
  })
}

await consumer.go()
clock.step('go')

progress = serve(tally, {
  reset() {
    Object.assign(tally, { records: 0, bytes: 0, drops: 0, errors: 0 })
    samples.length = 0
  },
  result() {
    if (latency === undefined) return {}
    return {
      latency: {
        samples: samples.length,
        medianMicroseconds: median(samples) / 1e3,
        p99Microseconds: quantile(samples, 0.99) / 1e3,
      },
    }
  },
  async stop() {
    await consumer.stop()
    await consumer.close()
  },
})
clock.ready({ switchrateMicroseconds })

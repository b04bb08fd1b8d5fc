/** A consumer's records as a stream: Node's, or the web's. */
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import type { Abortable } from './abort.js'
import type { Consumer } from './consumer.js'
import type { DTraceRecord, Int64 } from './record/decoder.js'
import { Run } from './run.js'

export interface StreamOptions extends Abortable {
  /** Records that the stream itself keeps for its reader. Default 16, as streams of objects have it. */
  highWaterMark?: number
}

export function recordStream(consumer: Consumer<Int64>, options: StreamOptions): Readable {
  return Readable.from(reading(consumer), { ...options, objectMode: true })
}

export function webRecordStream(consumer: Consumer<Int64>): ReadableStream<DTraceRecord> {
  return ReadableStream.from(reading(consumer))
}

/** Reads when it is read from; its end, however it comes, stops the tracing. */
function reading(consumer: Consumer<Int64>): Run<DTraceRecord> {
  const records = consumer[Symbol.asyncIterator]()
  const run = new Run({
    begin: async () => records,
    end: async () => {
      await records.return?.()
      if (consumer.state === 'running') await consumer.stop()
    },
  })
  return run.start()
}

/**
 * A consumer or a rescan watcher that is closed when it is told to.
 *
 *   node node-close.mjs JSON    { host, file, options } or { host, directory }
 *
 *   ready → ; close ← → closed: milliseconds that the caller waited. Then nothing holds the process any more.
 */
import { createInterface } from 'node:readline'
import { Consumer } from '../../dist/index.js'
import { RescanWatcher } from '../../dist/watch/index.js'

const { host, file, options, directory } = JSON.parse(process.argv[2])
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

async function startConsumer() {
  const consumer = await Consumer.open({ options, host })
  await consumer.enable(await consumer.compile({ file }))
  consumer.on('batch', () => {})
  await consumer.go()
  return () => consumer.close()
}

async function startWatcher() {
  const watcher = await RescanWatcher.start({ paths: [directory], host })
  return () => watcher[Symbol.asyncDispose]()
}

const close = await (directory === undefined ? startConsumer() : startWatcher())
send({ event: 'ready' })
// 'close', or the end of input when the benchmark has gone.
for await (const _ of createInterface({ input: process.stdin })) break
const begun = performance.now()
await close()
send({ event: 'closed', milliseconds: performance.now() - begun })
process.stdin.destroy()

/**
 * `watchOpens` under measurement, with its default options; or bcc's opensnoop, whose lines are read.
 *
 *   node node-opens.mjs JSON    { process, opensnoop?: command }
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { serve, startClock } from './protocol.mjs'

const { process: name, opensnoop } = JSON.parse(process.argv[2])
const tally = { records: 0, drops: 0 }
const clock = startClock()
let progress = () => {}
const reset = () => Object.assign(tally, { records: 0, drops: 0 })

if (opensnoop === undefined) {
  const { watchOpens } = await import('../../dist/watch/index.js')
  const watcher = await watchOpens({ processes: name })
  clock.step('start')
  watcher.on('open', () => {
    tally.records++
    progress()
  })
  watcher.on('drop', ({ count }) => {
    tally.drops += count
    progress()
  })
  progress = serve(tally, { reset, stop: () => watcher[Symbol.asyncDispose]() })
} else {
  const child = spawn('stdbuf', ['-oL', opensnoop, '--name', name], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  clock.step('start')
  lines.on('line', () => {
    tally.records++
    progress()
  })
  // "lost %llu events on CPU #%d!"
  createInterface({ input: child.stderr }).on('line', (line) => {
    tally.drops += Number(/lost (\d+) events/i.exec(line)?.[1] ?? 0)
    progress()
  })
  progress = serve(tally, {
    children: [child.pid],
    reset,
    async stop() {
      child.kill('SIGINT')
      if (child.exitCode === null) await once(child, 'close')
    },
  })
}
clock.ready()

/**
 * What people do without this package: start a tracer, read its output, split the lines.
 *
 *   node node-pipe.mjs JSON    { tracer: name in tracers.mjs, path, file?, options, probe: command, prefix }
 *
 * `probe` makes a few opens: the first of them that the tracer tells says that it is tracing. Only paths that begin with `prefix`
 * count: a tracer may tell of others of the same process. CPU and memory are those of both processes.
 */
import { execFile, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { serve, startClock } from './protocol.mjs'
import { tracers } from './tracers.mjs'

const run = JSON.parse(process.argv[2])
const { prefix, probe } = run
const tracer = tracers[run.tracer](run)
const tally = { records: 0, bytes: 0, drops: 0, errors: 0 }

/** It prints the rest of the probe's opens before it is asked to measure. */
const SETTLE_MS = 500

const clock = startClock()
const [command, ...args] = tracer.command
const child = spawn(command, args, {
  env: { ...process.env, ...tracer.env },
  stdio: ['ignore', 'pipe', 'pipe'],
})
const ended = new Promise((resolve) => child.on('close', resolve))
let errors = ''
let progress = () => {}

function read(line) {
  const record = tracer.parse(line)
  if (record === undefined) {
    tally.drops += tracer.lost(line)
  } else if (record.path.startsWith(prefix)) {
    tally.records++
    tally.bytes += record.execname.length + record.path.length + (record.pid > 0 ? 4 : 0)
  }
}

/** Calls `use` with each whole line. */
function eachLine(stream, use) {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) use(line)
    progress()
  })
}
eachLine(child.stdout, read)
eachLine(child.stderr, (line) => {
  errors += `${line}\n`
  tally.drops += tracer.lost(line)
})

while (tally.records === 0) {
  if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${errors}`)
  await promisify(execFile)(probe[0], probe.slice(1))
  await delay(100)
}
await delay(SETTLE_MS)
clock.step('start')

progress = serve(tally, {
  children: [child.pid],
  reset() {
    Object.assign(tally, { records: 0, bytes: 0, drops: 0, errors: 0 })
  },
  async stop() {
    child.kill('SIGINT')
    await ended
  },
})
clock.ready()

/**
 * What people do without this package: start dtrace(1), read its output, split the lines.
 *
 *   node node-pipe.mjs JSON    { command, file, options }
 *
 * CPU is that of both processes: this one's, and dtrace's from /proc.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { serve, startClock } from './protocol.mjs'

const { command, file, options } = JSON.parse(process.argv[2])
const tally = { records: 0, bytes: 0, drops: 0, errors: 0 }

const clock = startClock()
const flags = Object.entries(options).flatMap(([name, value]) => ['-x', `${name}=${value}`])
const dtrace = spawn(command, ['-q', ...flags, '-s', file], { stdio: ['ignore', 'pipe', 'pipe'] })
const ended = new Promise((resolve) => dtrace.on('close', resolve))

let progress = () => {}
// dtrace says nothing when it is tracing: it is when its BEGIN and END probes are in place.
while (
  !readFileSync('/sys/kernel/debug/tracing/uprobe_events', 'utf8').includes(`dt_${dtrace.pid}_dtrace/`)
) {
  if (dtrace.exitCode !== null)
    throw new Error(`dtrace ended with ${dtrace.exitCode}: ${dtrace.stderr.read()}`)
  await delay(10)
}
await delay(500)
clock.step('start')

dtrace.stderr.setEncoding('utf8').on('data', (text) => {
  for (const [, count] of text.matchAll(/(\d+) drops/g)) tally.drops += Number(count)
})
const line = /^execname=(.*) pid=(\d+) path=(.*)$/
let rest = ''
dtrace.stdout.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop()
  for (const text of lines) {
    const match = line.exec(text)
    if (match === null) continue
    const record = { execname: match[1], pid: Number(match[2]), path: match[3] }
    tally.records++
    tally.bytes += record.execname.length + record.path.length + (record.pid > 0 ? 4 : 0)
  }
  progress()
})

/** Microseconds of CPU that dtrace's threads have used: the first number of each schedstat, in nanoseconds. */
function dtraceCpu() {
  const tasks = `/proc/${dtrace.pid}/task`
  const used = readdirSync(tasks).map((task) =>
    Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return used.reduce((sum, time) => sum + time, 0) / 1e3
}

let begun = 0
progress = serve(tally, {
  reset() {
    Object.assign(tally, { records: 0, bytes: 0, drops: 0, errors: 0 })
    begun = dtraceCpu()
  },
  result: () => ({ childCpuMicroseconds: dtraceCpu() - begun }),
  async stop() {
    dtrace.kill('SIGINT')
    await ended
  },
})
clock.ready()

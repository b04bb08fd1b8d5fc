/**
 * Polling under measurement: a list of what runs is asked for again and again, and two lists in a row are compared.
 *
 *   node zones-poll.mjs JSON    { command: 'runc' | 'lsns', interval }    milliseconds from one list to the next
 *
 * The CPU of the programs that it runs is counted too: it is most of it.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { serve, startClock } from './protocol.mjs'

const run = promisify(execFile)
const { command, interval } = JSON.parse(process.argv[2])

/** Each gives the names of what is there. */
const lists = {
  async runc() {
    const { stdout } = await run('runc', ['list', '--quiet'])
    return stdout.split('\n').filter((line) => line !== '')
  },
  async lsns() {
    // A namespace's number is used again at once, so its first process belongs to its name.
    const { stdout } = await run('lsns', ['--type', 'pid', '--noheadings', '--raw', '--output', 'NS,PID'])
    return stdout.split('\n').filter((line) => line !== '' && !line.endsWith(' 1'))
  },
}

const tally = { records: 0, drops: 0, boots: 0, shutdowns: 0, lists: 0, failures: 0 }
/** User and system time of children that have ended, in microseconds: fields 16 and 17 of proc_pid_stat(5), ticks of 10 ms. */
function childMicroseconds() {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10_000
}

const clock = startClock()
let before = new Set(await lists[command]())
clock.step('start')
let spent = childMicroseconds()
let stopped = false

const progress = serve(tally, {
  reset() {
    Object.assign(tally, { records: 0, drops: 0, boots: 0, shutdowns: 0, lists: 0, failures: 0 })
    spent = childMicroseconds()
  },
  result: () => ({ childMicroseconds: childMicroseconds() - spent }),
  async stop() {
    stopped = true
    clearTimeout(timer)
  },
})

async function poll() {
  const began = performance.now()
  // runc list fails when a container goes while it is looking; such a list says nothing.
  const listed = await lists[command]().catch(() => undefined)
  if (listed === undefined) tally.failures++
  const now = listed === undefined ? before : new Set(listed)
  const boots = [...now].filter((name) => !before.has(name)).length
  const shutdowns = [...before].filter((name) => !now.has(name)).length
  before = now
  tally.lists++
  tally.boots += boots
  tally.shutdowns += shutdowns
  tally.records += boots + shutdowns
  if (boots + shutdowns > 0) progress()
  if (!stopped) timer = setTimeout(poll, Math.max(0, interval - (performance.now() - began)))
}
let timer = setTimeout(poll, interval)
clock.ready()

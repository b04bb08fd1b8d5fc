/**
 * What tracing costs when nothing happens: the rescan watcher, and for comparison a consumer and the bare C consumer. They wait
 * side by side, each with probes of its own; none fires.
 *
 * Wake-ups are the voluntary context switches of all threads of the process (/proc/PID/task/TID/status): each is one time that
 * a thread went to sleep, and was woken before that or will be.
 *
 * Other processes of the machine make records that the watcher must look at. So wake-ups are counted in windows, too, and the
 * quietest is the one that counts; on a machine that does nothing else all windows are alike.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { threadsOf, withSubject } from '../consumers/subject.mjs'
import { commonOptions } from '../harness/context.mjs'

const SECONDS = 60
const QUICK_SECONDS = 20
/** The longest time between two looks of a watcher: every window has one. */
const WINDOW_SECONDS = 10
/** V8 clears up after the start when the program has been quiet for 8 s: about 30 ms of CPU, once. */
const SETTLE_SECONDS = 15
const GOAL_PERCENT = 0.05
/**
 * A second's share of what docs/rescan.md says: every 3 s it looks at each watched directory (the event loop wakes for the timer, a
 * thread of libuv's for stat(2), the event loop for its answer). With the DTrace thread, which wakes from dtrace_work() after a second
 * without data, that is 2; a lock that is waited for counts, too.
 */
const DOCUMENTED = 2.5

/** @param {import('../harness/context.mjs').Context} context */
export async function idle(context) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: '10ms' } }
  const consumers = [
    { name: 'RescanWatcher', command: context.node('node-watcher', { directory: context.folder }) },
    { name: 'Consumer, opens.d', command: context.node('node-consumer', { ...run, read: 'records' }) },
    { name: 'bare C, opens.d', command: context.bare(run) },
  ]
  const seconds = context.quick ? QUICK_SECONDS : SECONDS
  context.progress(`idle: ${SETTLE_SECONDS + seconds} s`)
  const results = await Promise.all(
    consumers.map(async ({ name, command }) => ({ name, ...(await once(name, command, seconds)) })),
  )
  const [{ percent, quietest }] = results
  return {
    name: 'idle',
    title: 'While nothing happens',
    setting:
      'RescanWatcher: default options, one directory, nothing below it changes; the others: switchrate 10ms; ' +
      `${seconds} s side by side, ${SETTLE_SECONDS} s after the start; CPU in percent of one processor\n` +
      `wake-ups: voluntary context switches of all threads; in the quietest window of ${WINDOW_SECONDS} s; and of which threads (E: the one with the ` +
      'event loop)\n' +
      'what the rest of the machine does to files is looked at, and costs (last column): measure on a quiet one',
    columns: [
      'consumer',
      'CPU ms',
      'CPU %',
      'wake-ups/s',
      'quietest',
      'of the threads, /s',
      'records looked at',
    ],
    rows: results.map((result) => [
      result.name,
      (result.cpuMicroseconds / 1e3).toFixed(1),
      result.percent.toFixed(3),
      result.wakeUps.toFixed(1),
      result.quietest.toFixed(1),
      threadsText(result.threads),
      String(result.looked ?? result.records),
    ]),
    verdicts: [
      {
        goal: `the watcher uses at most ${GOAL_PERCENT} %`,
        value: `${percent.toFixed(3)} %`,
        met: percent <= GOAL_PERCENT,
      },
      {
        goal: `it wakes up no oftener than documented: ${DOCUMENTED} times a second`,
        value: `${quietest.toFixed(1)}`,
        met: quietest <= DOCUMENTED,
      },
    ],
    data: { unit: 'percent of one processor; wake-ups a second', seconds, results },
  }
}

async function once(name, command, seconds) {
  return withSubject(name, command, async (consumer) => {
    await consumer.expect('ready')
    await delay(SETTLE_SECONDS * 1_000)
    consumer.send('begin')
    await consumer.expect('begun')
    const counts = [{ time: performance.now(), threads: threadsOf(consumer.pid) }]
    for (let left = seconds; left > 0; left -= WINDOW_SECONDS) {
      await delay(Math.min(left, WINDOW_SECONDS) * 1_000)
      counts.push({ time: performance.now(), threads: threadsOf(consumer.pid) })
    }
    consumer.send('finish 0')
    const result = await consumer.expect('result')
    await consumer.expect('stopped')
    await consumer.exited()
    const windows = counts.slice(1).map((count, i) => rate(counts[i], count))
    return {
      ...result,
      percent: result.cpuMicroseconds / result.seconds / 1e4,
      wakeUps: sum(rate(counts[0], counts.at(-1))),
      quietest: Math.min(...windows.map(sum)),
      threads: rate(counts[0], counts.at(-1)),
      windows,
    }
  })
}

/** Of each thread, in a second. The first is the one with the event loop. */
function rate(from, to) {
  const seconds = (to.time - from.time) / 1_000
  return [...to.threads].map(([task, { name, switches, cpu }], i) => {
    const before = from.threads.get(task) ?? { switches: 0, cpu: 0 }
    return {
      name: i === 0 ? `${name}, event loop` : name,
      perSecond: (switches - before.switches) / seconds,
      cpuMicrosecondsPerSecond: (cpu - before.cpu) / 1e3 / seconds,
    }
  })
}

const sum = (threads) => threads.reduce((all, { perSecond }) => all + perSecond, 0)

/** Those that wake at all. */
function threadsText(threads) {
  return threads
    .map(({ perSecond, cpuMicrosecondsPerSecond: cpu }, i) => ({ i, perSecond, cpu }))
    .filter(({ perSecond }) => perSecond >= 0.05)
    .map(({ i, perSecond, cpu }) => `${i === 0 ? 'E ' : ''}${perSecond.toFixed(1)} (${cpu.toFixed(0)} µs)`)
    .join(', ')
}

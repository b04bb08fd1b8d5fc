/**
 * How long it takes to close: what the caller waits for, and what goes on behind, until the process and all that it has started
 * are gone.
 *
 * Bare C has no caller to be let go early: its dtrace_stop() with a last dtrace_work(), then its dtrace_close() and the end of
 * the process.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { rescanProgram } from '../consumers/rescan-program.mjs'
import { cpuOf, withSubject } from '../consumers/subject.mjs'
import { commonOptions } from '../harness/context.mjs'
import { median } from '../harness/statistics.mjs'

const GOAL_MS = 50
/** Traces for a while, as one does. */
const TRACING_MS = 500
const LOOK_MS = 20
const GONE_MS = 60_000
const PROBES = '/sys/kernel/debug/tracing/uprobe_events'

/** @param {import('../harness/context.mjs').Context} context */
export async function close(context) {
  const run = { file: context.program('opens'), options: { ...commonOptions, switchrate: '10ms' } }
  const directory = context.folder
  const node = (name, argument) => ({ name, goal: true, command: context.node('node-close', argument) })
  const subjects = [
    { name: 'bare C, opens.d', command: context.bare(run) },
    node('Consumer, in-process', { ...run, host: 'in-process' }),
    node("Consumer, host: 'process'", { ...run, host: 'process' }),
    { name: 'bare C, the watcher’s program', command: context.bare(await rescanProgram(directory)) },
    node('RescanWatcher, in-process', { directory, host: 'in-process' }),
    node("RescanWatcher, host: 'process'", { directory, host: 'process' }),
  ].map((subject) => ({ ...subject, runs: [] }))
  for (let round = 1; round <= context.rounds; round++) {
    for (const { name, goal, command, runs } of subjects) {
      context.progress(`close, round ${round}/${context.rounds}: ${name}`)
      runs.push(await withSubject(name, command, (subject) => once(subject, goal ? closeNode : closeBare)))
    }
  }
  const results = subjects.map(({ name, goal, runs }) => {
    const waits = runs.map(({ milliseconds }) => milliseconds)
    return {
      name,
      goal,
      milliseconds: median(waits),
      spread: [Math.min(...waits), Math.max(...waits)],
      behindMilliseconds: median(runs.map(({ behindMilliseconds }) => behindMilliseconds)),
      cpuMilliseconds: median(runs.map(({ cpuMilliseconds }) => cpuMilliseconds)),
      probesLeft: Math.max(...runs.map(({ probesLeft }) => probesLeft)),
      runs,
    }
  })
  return {
    name: 'close',
    title: 'Time to close',
    setting:
      `after ${TRACING_MS} ms of tracing; ${context.rounds} interleaved rounds, medians\n` +
      'as the caller sees it: await close() or await watcher[Symbol.asyncDispose](); of bare C, dtrace_stop() to the end of its process\n' +
      `behind: from then until the process and its children are gone, looked at every ${LOOK_MS} ms; CPU: of all of them, from the call on (counted in 10 ms)\n` +
      "probes left: entries of the session's own in uprobe_events when the caller goes on",
    columns: ['', 'caller waits, ms', 'spread', 'behind, ms', 'CPU, ms', 'probes left'],
    rows: results.map(({ name, milliseconds, spread, behindMilliseconds, cpuMilliseconds, probesLeft }) => [
      name,
      milliseconds.toFixed(1),
      spread.map((end) => end.toFixed(1)).join(' to '),
      behindMilliseconds.toFixed(0),
      cpuMilliseconds.toFixed(0),
      String(probesLeft),
    ]),
    verdicts: results
      .filter(({ goal }) => goal)
      .map(({ name, milliseconds }) => ({
        goal: `${name}: at most ${GOAL_MS} ms`,
        value: `${milliseconds.toFixed(1)} ms`,
        met: milliseconds <= GOAL_MS,
      })),
    chart: {
      kind: 'bars',
      title: 'Time to close, as the caller sees it',
      unit: 'ms',
      log: true,
      groups: [
        {
          label: '',
          bars: results.map(({ name, milliseconds, spread }) => ({
            label: name,
            value: milliseconds,
            spread,
          })),
        },
      ],
    },
    data: { unit: 'milliseconds', results },
  }
}

async function once(subject, closeIt) {
  await subject.expect('ready')
  await delay(TRACING_MS)
  const pids = subject.family()
  const spent = new Map(pids.map((pid) => [pid, cpuOf(pid)]))
  const before = sum(spent)
  // A process that has ended keeps what it had when it was last seen.
  const look = () => {
    for (const pid of pids) spent.set(pid, Math.max(spent.get(pid), cpuOf(pid)))
  }
  const looking = setInterval(look, LOOK_MS)
  try {
    const milliseconds = await closeIt(subject)
    const closed = performance.now()
    const probesLeft = probesOf(pids)
    for (let left = subject.family(); left.length > 0; left = subject.family()) {
      if (performance.now() - closed > GONE_MS)
        throw new Error(`processes ${left.join(', ')} are still there`)
      await delay(LOOK_MS)
    }
    const behindMilliseconds = performance.now() - closed
    await subject.exited()
    return { milliseconds, behindMilliseconds, cpuMilliseconds: sum(spent) - before, probesLeft }
  } finally {
    clearInterval(looking)
  }
}

async function closeNode(subject) {
  subject.send('close')
  return (await subject.expect('closed')).milliseconds
}

async function closeBare(subject) {
  subject.send('finish 0')
  await subject.expect('result')
  const begun = performance.now()
  await subject.expect('stopped')
  await subject.exited()
  return performance.now() - begun
}

const sum = (times) => [...times.values()].reduce((all, time) => all + time, 0)

/** What libdtrace makes for each session: BEGIN, END and ERROR are uprobes in its process. */
function probesOf(pids) {
  const lines = readFileSync(PROBES, 'latin1').split('\n')
  return lines.filter((line) => pids.some((pid) => line.includes(`dt_${pid}_dtrace/`))).length
}

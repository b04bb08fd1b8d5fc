/**
 * How the start, the end and the memory of a session grow with the probes that it enables. The program has one clause for the first
 * N of the syscall provider's probes, which does nothing when they fire: what is measured is the making, not the firing.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peakMemory, withSubject } from '../consumers/subject.mjs'
import { commonOptions } from '../harness/context.mjs'
import { median } from '../harness/statistics.mjs'

const COUNTS = [1, 10, 100, 350, 700]
const GOAL = 1.1
const TIMEOUT_MS = 180_000
/** A round takes three minutes, most of it closing: the kernel takes some 80 ms to let go of each probe. */
const MOST_ROUNDS = 3
/** libdtrace's syscall provider has a probe for each of these. */
const EVENTS = '/sys/kernel/debug/tracing/events/syscalls'

/** @param {import('../harness/context.mjs').Context} context */
export async function enabledProbes(context) {
  const probes = syscallProbes()
  const rounds = Math.min(context.rounds, context.quick ? 1 : MOST_ROUNDS)
  // A kernel for another processor may have fewer.
  const counts = COUNTS.map((count) => Math.min(count, probes.length))
  const options = { ...commonOptions, switchrate: '10ms' }
  const entries = counts.map((count) => {
    const file = join(context.folder, `probes-${count}.d`)
    writeFileSync(file, program(probes.slice(0, count)))
    const run = { file, options }
    return {
      count,
      bare: { name: 'bare C', command: context.bare(run), runs: [] },
      node: {
        name: 'Consumer',
        command: context.node('node-consumer', { ...run, read: 'records' }),
        runs: [],
      },
    }
  })
  for (let round = 1; round <= rounds; round++) {
    for (const { count, bare, node } of entries) {
      for (const { name, command, runs } of [bare, node]) {
        context.progress(`enabled-probes, round ${round}/${rounds}, ${count} probes: ${name}`)
        runs.push(await withSubject(name, command, (subject) => once(subject, count)))
      }
    }
  }
  const results = entries.flatMap(({ count, bare, node }) =>
    [bare, node].map(({ name, runs }) => ({ name, count, ...summary(runs), runs })),
  )
  const of = (name) => results.filter((result) => result.name === name)
  const [bares, ours] = [of('bare C'), of('Consumer')]
  const most = ours.at(-1).milliseconds / bares.at(-1).milliseconds
  const setting = `one clause for the first of the syscall provider's ${probes.length} probes, that never records anything; ${rounds} interleaved rounds, medians`
  return [
    {
      name: 'enabled-probes',
      title: 'Time to ready and enabled probes',
      setting: `${setting}\nfrom the first call to tracing; steps: what is called one after the other, in ms`,
      columns: ['consumer, probes', 'ready, ms', 'spread', 'to bare C', 'peak, MB', 'steps'],
      rows: results.map((result) => [
        `${result.name}, ${result.count}`,
        result.milliseconds.toFixed(0),
        result.spread.map((end) => end.toFixed(0)).join(' to '),
        ratioText(result, bares, 'milliseconds'),
        (result.peak / 1e6).toFixed(1),
        Object.entries(result.steps)
          .map(([name, time]) => `${name} ${time.toFixed(0)}`)
          .join(', '),
      ]),
      verdicts: [
        {
          goal: `with ${counts.at(-1)} probes ready in at most ${GOAL}× bare C's time`,
          value: `${most.toFixed(2)}×`,
          met: most <= GOAL,
        },
      ],
      chart: chart('Time to ready', 'ms', [bares, ours], ({ milliseconds, spread }) => ({
        y: milliseconds,
        spread,
      })),
      // Measured with `strace -T` on the bare consumer with 100 probes, Linux 6.18: of 0.57 s in dtrace_go(), 0.52 were these calls.
      notes:
        'With few probes the time is what every session takes: opening the library, reading the kernel’s types, compiling. From some fifty ' +
        'probes on it is `dtrace_go()`, which loads one BPF program for each probe, one after the other: 5 to 6 ms each, nearly all of it in ' +
        'the `bpf(BPF_PROG_LOAD)` system call. The slope is the same in C and in Node.',
      data: { units: { milliseconds: 'until ready', peak: 'bytes' }, results },
    },
    {
      name: 'enabled-probes-memory',
      title: 'Memory and enabled probes',
      setting: `${setting}\npeak resident memory of the process until it traced (VmHWM)`,
      columns: ['consumer, probes', 'peak, MB', 'to bare C'],
      rows: results.map((result) => [
        `${result.name}, ${result.count}`,
        (result.peak / 1e6).toFixed(1),
        ratioText(result, bares, 'peak'),
      ]),
      verdicts: [],
      chart: chart('Peak memory', 'MB', [bares, ours], ({ peak }) => ({ y: peak / 1e6 })),
      data: { see: 'enabled-probes' },
    },
    {
      name: 'enabled-probes-close',
      title: 'Time to close and enabled probes',
      setting: `${setting}\nstop() and close() as the caller sees them, and the end of the process; of bare C the latter is dtrace_close() and the end`,
      columns: ['consumer, probes', 'stop and close, ms', 'spread', 'to the end of the process, ms'],
      rows: results.map(({ name, count, closeMilliseconds, closeSpread, endMilliseconds }) => [
        `${name}, ${count}`,
        closeMilliseconds.toFixed(0),
        closeSpread.map((end) => end.toFixed(0)).join(' to '),
        endMilliseconds.toFixed(0),
      ]),
      verdicts: [],
      // Measured with `strace -T` and /proc/PID/stack on the bare consumer with 100 probes, Linux 6.18.
      notes:
        'With few probes it is libdtrace’s freeing of the kernel’s types, 2 s of CPU. From some ten on it is the kernel, which lets go of ' +
        'each probe in `close(2)` of its perf event: 70 to 90 ms each, without CPU, in which it waits for all processors twice ' +
        '(`synchronize_rcu_tasks_trace`, in `perf_event_detach_bpf_prog` and in `perf_trace_event_unreg`).',
      chart: chart('Time to close', 'ms', [bares, ours], ({ closeMilliseconds, closeSpread }) => ({
        y: closeMilliseconds,
        spread: closeSpread,
      })),
      data: { see: 'enabled-probes' },
    },
  ]
}

async function once(subject, count) {
  const { milliseconds, steps, matches } = await subject.expect('ready', TIMEOUT_MS)
  // Only the consumer in C says how many there are.
  if (matches !== undefined && matches !== count) throw new Error(`${matches} probes matched, not ${count}`)
  const peak = peakMemory(subject.pid)
  subject.send('finish 0')
  await subject.expect('result', TIMEOUT_MS)
  const begun = performance.now()
  await subject.expect('stopped', TIMEOUT_MS)
  const stopped = performance.now() - begun
  await subject.exited(TIMEOUT_MS)
  const ended = performance.now() - begun
  // 'stopped' comes after close() from the consumer in Node, and before dtrace_close() from the one in C.
  const closeMilliseconds = matches === undefined ? stopped : ended
  return { milliseconds, steps, peak, closeMilliseconds, endMilliseconds: ended }
}

function summary(runs) {
  const times = runs.map(({ milliseconds }) => milliseconds)
  const closes = runs.map(({ closeMilliseconds }) => closeMilliseconds)
  return {
    milliseconds: median(times),
    spread: ends(times),
    steps: Object.fromEntries(
      Object.keys(runs[0].steps).map((name) => [
        name,
        median(runs.map(({ steps }) => steps[name].milliseconds)),
      ]),
    ),
    peak: median(runs.map(({ peak }) => peak)),
    closeMilliseconds: median(closes),
    closeSpread: ends(closes),
    endMilliseconds: median(runs.map(({ endMilliseconds }) => endMilliseconds)),
  }
}

const ends = (values) => [Math.min(...values), Math.max(...values)]

function ratioText(result, bares, what) {
  const bare = bares.find(({ count }) => count === result.count)
  return result === bare ? '' : `${(result[what] / bare[what]).toFixed(2)}×`
}

function chart(title, label, lines, point) {
  return {
    kind: 'lines',
    title: `${title} and enabled probes`,
    x: { label: 'enabled probes' },
    y: { label },
    lines: lines.map((results) => ({
      label: results[0].name,
      points: results.map((result) => ({ x: result.count, ...point(result) })),
    })),
  }
}

/** Entries first. */
function syscallProbes() {
  const events = readdirSync(EVENTS).sort()
  const names = (prefix, end) =>
    events
      .filter((event) => event.startsWith(prefix))
      .map((event) => `syscall::${event.slice(prefix.length)}:${end}`)
  return [...names('sys_enter_', 'entry'), ...names('sys_exit_', 'return')]
}

function program(probes) {
  return `${probes.join(',\n')}\n/execname == "no such process"/\n{\n\tprintf("pid=%d\\n", pid);\n}\n`
}

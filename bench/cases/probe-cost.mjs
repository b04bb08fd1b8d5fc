/**
 * What a watcher adds to system calls that don't concern it: nobody waits for them, and everybody pays for them. The calls are
 * made by ../calls.c on files beside the watched tree, on the same file system; what they take longer than without a
 * watcher is its cost.
 *
 * Against: inotify, which sees no process, and costs nothing elsewhere; fanotify of the whole mount (fatrace), and bpftrace with
 * the same system calls, which both tell the process.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withSubject } from '../consumers/subject.mjs'
import { build } from '../harness/build.mjs'
import { median } from '../harness/statistics.mjs'

export const needs = ['inotifywait', 'fatrace', 'bpftrace']

const PROBED = 'open to read, close'
const BLOCKS = 24
const QUICK_BLOCKS = 12
const CALLS = 250
const PAUSE_MICROSECONDS = 5_000
const TRACEPOINTS = '/sys/kernel/debug/tracing/events/syscalls'

/** `program`, of bpftrace, is made of what each system call needs. The second tells what failed, too, which is no change. */
const watchers = [
  { id: 'rescan', kind: 'rescan', name: 'RescanWatcher' },
  { id: 'inotify', kind: 'inotifywait', name: 'inotifywait -m -r' },
  { id: 'fatrace', kind: 'fatrace', name: 'fatrace' },
  { id: 'bpftrace', kind: 'bpftrace', name: 'bpftrace', program: successes },
  { id: 'attempts', kind: 'bpftrace', name: 'bpftrace, attempts', program: attempts },
]

/** @param {import('../harness/context.mjs').Context} context */
export async function probeCost(context) {
  const { calls } = build()
  const directory = join(context.folder, 'watched')
  const elsewhere = join(context.folder, 'elsewhere')
  for (const path of [directory, elsewhere]) mkdirSync(path)

  // The watchers' own work is done on the other processors.
  const last = availableParallelism() - 1
  const apart = last > 0 ? ['taskset', '--cpu-list', `0-${last - 1}`] : []
  const time = () =>
    timeCalls(calls, { folder: elsewhere, cpu: last, blocks: context.quick ? QUICK_BLOCKS : BLOCKS })

  const rounds = []
  let before = await time()
  for (let round = 1; round <= context.rounds; round++) {
    for (const { id, kind, name, program: make } of watchers) {
      const program = join(context.folder, `${id}.bt`)
      if (make !== undefined) writeFileSync(program, bpftraceProgram(make))
      context.progress(`probe-cost, round ${round}/${context.rounds}: ${name}`)
      const command = context.node('tree-watcher', { kind, directory, last: directory, program })
      const watched = await withSubject(name, [...apart, ...command], async (subject) => {
        const { failed } = await subject.expect('ready')
        if (failed !== undefined) throw new Error(`${name}: ${failed}`)
        return await time()
      })
      const after = await time()
      rounds.push({ id, before, watched, after })
      before = after
    }
  }

  const kinds = Object.keys(before)
  const results = watchers.map(({ id, name }) => {
    const runs = rounds.filter((run) => run.id === id)
    return { id, name, added: Object.fromEntries(kinds.map((call) => [call, added(runs, call)])) }
  })
  const untraced = Object.fromEntries(
    kinds.map((call) => [call, median(rounds.map((run) => median(run.before[call])))]),
  )
  const cost = Object.fromEntries(results.map(({ id, added }) => [id, added[PROBED].value]))
  const ns = (value) => `${value.toFixed(0)} ns`
  return {
    name: 'probe-cost',
    title: 'What a watcher adds to system calls elsewhere',
    setting:
      `files outside the watched directory, on the same file system; blocks of ${CALLS} calls, kinds in turn, on a processor of their own where there ` +
      `are two;\n${context.rounds} interleaved rounds of ${context.quick ? QUICK_BLOCKS : BLOCKS} blocks, each between two without a watcher; ` +
      'medians (lowest to highest round), nanoseconds of the calling thread\n' +
      'paths with a slash, but for "plain name". RescanWatcher passes on such paths of unlink, rename and mkdir, bpftrace tells all\n' +
      'bpftrace tells what has succeeded, as RescanWatcher does, in the other column whatever was attempted\n' +
      'inotifywait sees no process; RescanWatcher, fatrace and bpftrace do',
    columns: ['call', 'alone, ns', ...results.map(({ name }) => `${name} adds`)],
    rows: kinds.map((call) => [
      call,
      untraced[call].toFixed(0),
      ...results.map(({ added }) => {
        const { value, spread } = added[call]
        return `${value.toFixed(0)} (${spread.map((end) => end.toFixed(0)).join(' to ')})`
      }),
    ]),
    verdicts: ['fatrace', 'bpftrace'].map((peer) => ({
      goal: `RescanWatcher adds at most what ${peer} does to an open for reading`,
      value: `${ns(cost.rescan)} against ${ns(cost[peer])}`,
      met: cost.rescan <= cost[peer],
    })),
    chart: {
      kind: 'bars',
      title: 'What a watcher adds to calls that do not concern it',
      unit: 'ns per call (below 1: 1)',
      log: true,
      groups: kinds.map((call) => ({
        label: call,
        bars: results.map(({ name, added }) => ({
          label: name,
          // What is lost in the noise can come out below nothing.
          value: Math.max(1, added[call].value),
          spread: added[call].spread.map((end) => Math.max(1, end)),
        })),
      })),
    },
    data: { unit: 'nanoseconds per call', calls: CALLS, untraced, results, rounds },
  }
}

async function timeCalls(calls, { folder, cpu, blocks }) {
  const options = { folder, cpu, blocks, calls: CALLS, pause: PAUSE_MICROSECONDS }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const { stdout } = await promisify(execFile)(calls, [...args, 'all'], { timeout: 300_000 })
  return JSON.parse(stdout)
}

/** Of a kind of call: each round's watched blocks against those before and after. */
function added(runs, call) {
  const values = runs.map(
    ({ before, watched, after }) => median(watched[call]) - (median(before[call]) + median(after[call])) / 2,
  )
  return { value: median(values), spread: [Math.min(...values), Math.max(...values)] }
}

/**
 * The system calls that dscripts/linux/rescan.d looks at, told with process and path. The flags are all that can be filtered
 * by: a path may be relative, or lead through links, so it would have to be judged afterwards, as there.
 */
function bpftraceProgram(make) {
  // O_ACCMODE | O_CREAT | O_TRUNC.
  const changes = '(args->flags & 0x243) != 0'
  const probes = [
    ['open', 'filename', changes],
    ['openat', 'filename', changes],
    // Its flags are in the caller's memory.
    ['openat2', 'filename'],
    ['creat', 'pathname'],
    ['truncate', 'path'],
    ['unlink', 'pathname'],
    ['unlinkat', 'pathname'],
    ['rmdir', 'pathname'],
    ['mkdir', 'pathname'],
    ['mkdirat', 'pathname'],
    ['mknod', 'filename'],
    ['mknodat', 'filename'],
    ['link', 'newname'],
    ['linkat', 'newname'],
    ['symlink', 'newname'],
    ['symlinkat', 'newname'],
    ['rename', 'newname'],
    ['renameat', 'newname'],
    ['renameat2', 'newname'],
  ]
  const all = [...probes, ['ftruncate']]
  return all
    .filter(([call]) => existsSync(join(TRACEPOINTS, `sys_enter_${call}`)))
    .map(([call, path, filter]) => make(call, path, filter === undefined ? '' : `/${filter}/ `))
    .join('')
}

const tell = (call, path) => `printf("${call} %s %d %d %s\\n", comm, pid, uid, ${path});`

function attempts(call, path, filter) {
  const text = path === undefined ? '""' : `str(args->${path})`
  return `tracepoint:syscalls:sys_enter_${call} ${filter}{ ${tell(call, text)} }\n`
}

/** The path is read at the return, as the watcher does: at the entry its page need not be there. */
function successes(call, path, filter) {
  const pointer = path === undefined ? '1' : `(uint64)args->${path}`
  const text = path === undefined ? '""' : 'str(@path[tid])'
  return (
    `tracepoint:syscalls:sys_enter_${call} ${filter}{ @path[tid] = ${pointer}; }\n` +
    `tracepoint:syscalls:sys_exit_${call} /@path[tid]/ ` +
    `{ if (args->ret >= 0) { ${tell(call, text)} } delete(@path[tid]); }\n`
  )
}

/**
 * Watchers of a directory tree, of 10 to 100,000 directories with a file in each: how long until they watch, and how much memory they
 * have had by then. A watcher that sets something up for each directory grows with them; `RescanWatcher` asks the kernel about the
 * directories above a file when the file is changed.
 *
 * Each is put to the proof: consumers/tree-watcher.mjs. All trees are there before the first round, and every round has all of
 * them, so that the large and the small are measured side by side. The kernel has seen every directory a moment ago: nothing is
 * read from a disk.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withSubject } from '../consumers/subject.mjs'
import { median } from '../harness/statistics.mjs'

const SIZES = [10, 100, 1_000, 10_000, 100_000]
const GOAL = 1.1
/** chokidar takes more than a minute for the largest tree. */
const TIMEOUT_MS = 600_000
/** What takes longer than this is measured once. */
const ONCE_MS = 20_000
const LIMIT = '/proc/sys/fs/inotify/max_user_watches'
/** Enough for every directory and every file of the largest tree. */
const ENOUGH = 2 ** 20

export const needs = ['chokidar', '@parcel/watcher', 'inotifywait', 'fatrace']

const watchers = [
  { kind: 'rescan', name: 'RescanWatcher' },
  { kind: 'chokidar', name: 'chokidar' },
  { kind: 'parcel', name: '@parcel/watcher' },
  { kind: 'fs.watch', name: 'fs.watch, recursive' },
  { kind: 'inotifywait', name: 'inotifywait -m -r' },
  { kind: 'fatrace', name: 'fatrace -c' },
]

/** @param {import('../harness/context.mjs').Context} context */
export async function tree(context) {
  const trees = SIZES.map((size) => {
    context.progress(`tree: making ${size.toLocaleString('en')} directories`)
    return { size, ...makeTree(join(context.folder, `tree-${size}`), size) }
  })
  const before = Number(readFileSync(LIMIT, 'latin1'))
  const results = watchers.map(({ kind, name }) => ({
    kind,
    name,
    sizes: SIZES.map((size) => ({ size, runs: [] })),
  }))
  for (let round = 1; round <= context.rounds; round++) {
    for (const [i, { size, directory, last }] of trees.entries()) {
      for (const { kind, name, sizes } of results) {
        const { runs } = sizes[i]
        if (runs.some(({ failed, milliseconds }) => failed !== undefined || milliseconds > ONCE_MS)) continue
        context.progress(`tree, round ${round}/${context.rounds}, ${size} directories: ${name}`)
        const more = runs.some(({ raised }) => raised !== undefined)
        runs.push(await measure(context, name, { kind, directory, last }, more))
      }
    }
  }
  for (const { sizes } of results) for (const entry of sizes) Object.assign(entry, summary(entry.runs))

  const [ours] = results
  const [least, most] = [ours.sizes[0], ours.sizes.at(-1)]
  const rounds = `${context.rounds} interleaved rounds, medians (once where it takes longer than ${ONCE_MS / 1000} s)`
  const setting = `trees of ${SIZES.map(english).join(', ')} directories, ten in each, a file in each; ${rounds}`
  const limits = `fs.inotify.max_user_watches is ${english(before)} here; what failed with that was given ${english(ENOUGH)} (marked *)`
  return [
    {
      name: 'tree',
      title: 'Watching a tree: time to ready',
      setting:
        `${setting}\nfrom the first call (of a program: from its start) until it watches; each then told of a file made at the end of the tree. ` +
        `fatrace watches the whole file system\n${limits}`,
      columns: ['watcher, directories', 'ready, ms', 'spread', 'to 10'],
      rows: results.flatMap(({ name, sizes }) =>
        sizes.flatMap((entry) =>
          rowsOf(name, entry, before, 3, () => [
            fixed(entry.milliseconds),
            entry.spread.map(fixed).join(' to '),
            times(entry.milliseconds / sizes[0].milliseconds),
          ]),
        ),
      ),
      verdicts: [verdict('time to ready', least.milliseconds, most.milliseconds)],
      chart: chart('Time to ready', 'ms', results, ({ milliseconds, spread }) => ({
        y: milliseconds,
        spread,
      })),
      notes:
        'The lines of those that use inotify (chokidar, @parcel/watcher, fs.watch, inotifywait) go up with the directories, as each ' +
        'needs a watch. `RescanWatcher` and fatrace set up nothing for a directory: their lines are level.',
      data: { unit: 'milliseconds', limit: before, results },
    },
    {
      name: 'tree-memory',
      title: 'Watching a tree: memory',
      setting:
        `${setting}\npeak resident memory of the watching process until it was ready (VmHWM). What the kernel keeps for inotify's watches, some 1 kB ` +
        `each, is not in it\n${limits}`,
      columns: ['watcher, directories', 'peak, MB', 'to 10'],
      rows: results.flatMap(({ name, sizes }) =>
        sizes.flatMap((entry) =>
          rowsOf(name, entry, before, 2, () => [
            (entry.peak / 1e6).toFixed(1),
            times(entry.peak / sizes[0].peak),
          ]),
        ),
      ),
      verdicts: [verdict('peak memory', least.peak, most.peak)],
      chart: chart('Peak memory', 'MB', results, ({ peak }) => ({ y: peak / 1e6 })),
      data: { unit: 'bytes', see: 'tree' },
    },
  ]
}

const english = (number) => number.toLocaleString('en')
const fixed = (value) => value.toFixed(value < 100 ? 1 : 0)
const times = (ratio) => `${ratio.toFixed(2)}×`

/** One row, of so many figures. A watcher that failed with the machine's own limit has a row of its own for that. */
function rowsOf(name, { size, failed, raised }, limit, count, figures) {
  const label = `${name}, ${english(size)}`
  const failure = (why) => [`failed: ${why}`, ...Array(count - 1).fill('')]
  const last = failed === undefined ? figures() : failure(failed)
  if (raised === undefined) return [[label, ...last]]
  return [
    [`${label}, ${english(limit)} watches`, ...failure(raised)],
    [`${label} *`, ...last],
  ]
}

/**
 * With the limit that the machine has, at first: what happens to those whom that is not enough is a result, too. Some say
 * ENOSPC, others say nothing and miss changes. @param more whether it is known already
 */
async function measure(context, name, run, more) {
  const limit = readFileSync(LIMIT, 'latin1')
  const first = more ? { failed: 'as before' } : await once(context, name, run)
  if (first.failed === undefined || Number(limit) >= ENOUGH) return first
  try {
    writeFileSync(LIMIT, String(ENOUGH))
    return { ...(await once(context, name, run)), raised: first.failed }
  } finally {
    writeFileSync(LIMIT, limit)
  }
}

function once(context, name, run) {
  return withSubject(name, context.node('tree-watcher', run), async (subject) => {
    let result
    try {
      result = await subject.expect('ready', TIMEOUT_MS)
    } catch (error) {
      // One that runs out of memory says nothing more.
      return { failed: error.message.split('\n')[0] }
    }
    return { ...result, fromStart: subject.age }
  })
}

function summary(runs) {
  const failed = runs.find(({ failed }) => failed !== undefined)?.failed
  if (failed !== undefined) return { failed }
  const times = runs.map(({ milliseconds }) => milliseconds)
  return {
    milliseconds: median(times),
    spread: [Math.min(...times), Math.max(...times)],
    peak: median(runs.map(({ peak }) => peak)),
    raised: runs.find(({ raised }) => raised !== undefined)?.raised,
  }
}

function verdict(what, ten, most) {
  const ratio = most / ten
  return {
    goal: `RescanWatcher's ${what} at ${english(SIZES.at(-1))} directories at most ${GOAL}× that at ${SIZES[0]}`,
    value: times(ratio),
    met: ratio <= GOAL,
  }
}

/** Both axes logarithmic: where each watch costs something, the line goes up as steeply as the directories. */
function chart(title, label, results, point) {
  return {
    kind: 'lines',
    title: `Watching a tree: ${title.toLowerCase()}`,
    x: { label: 'directories' },
    y: { label },
    lines: results.map(({ name, sizes }) => ({
      label: name,
      points: sizes
        .filter(({ failed }) => failed === undefined)
        .map((entry) => ({ x: entry.size, ...point(entry) })),
    })),
  }
}

/** Each directory is in the one whose number is a tenth of its own. @returns the top, and a directory as deep as it gets */
function makeTree(directory, size) {
  const paths = [directory]
  mkdirSync(directory)
  writeFileSync(join(directory, 'file'), '')
  for (let i = 1; i < size; i++) {
    const path = join(paths[Math.floor((i - 1) / 10)], `directory-${i}`)
    mkdirSync(path)
    writeFileSync(join(path, 'file'), '')
    paths.push(path)
  }
  return { directory, last: paths.at(-1) }
}

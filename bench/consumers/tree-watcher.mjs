/**
 * A watcher of a directory tree under measurement: this package's, or one that people use instead.
 *
 *   node tree-watcher.mjs JSON    { kind, directory, last, program? }
 *       kind       'rescan', 'chokidar', 'parcel', 'fs.watch', 'inotifywait', 'fatrace' or 'bpftrace'
 *       last       the directory at the end of the tree, in which the proof is made
 *       program    of bpftrace
 *
 * It is ready when it says so and is then put to the proof: a file is made at the end of the tree, by another process, and its
 * event is waited for. One that says nothing, or too early, gets a new file every 100 ms, and was ready when the first was made
 * that it told.
 *
 *   ready    → { milliseconds from the first call, claimed: whether it was ready when it said so, peak: bytes },
 *              or { failed: why }
 *   end of input ← → stopped
 */
import { execFile, spawn } from 'node:child_process'
import { watch } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { importPeer, peer } from '../harness/peers.mjs'
import { peakMemory } from './subject.mjs'

const PROOF_MS = 100
const PROOFS = 300

const { kind, directory, last, program } = JSON.parse(process.argv[2])
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

/** Names of the files that were told. */
const told = new Set()
let onTold = () => {}
function tell(path) {
  told.add(basename(path))
  onTold()
}

/**
 * Each resolves when the watcher says that it is watching (one that never does: at once). `pid` is the process that watches;
 * `cause()` why it failed, where that does not come as an error.
 */
const kinds = {
  async rescan() {
    const { RescanWatcher } = await import('../../dist/watch/index.js')
    started = performance.now()
    const watcher = await RescanWatcher.start({ paths: [directory] })
    watcher.on('change', ({ path }) => tell(path))
    return { pid: process.pid, stop: () => watcher[Symbol.asyncDispose]() }
  },

  async chokidar() {
    const { watch: start } = await importPeer('chokidar')
    started = performance.now()
    const watcher = start(directory, { ignoreInitial: true })
    watcher.on('all', (_event, path) => tell(path))
    await new Promise((resolve, reject) => {
      watcher.once('ready', resolve)
      watcher.once('error', reject)
    })
    return { pid: process.pid, stop: () => watcher.close() }
  },

  async parcel() {
    const { subscribe } = await importPeer('@parcel/watcher')
    started = performance.now()
    const { unsubscribe } = await subscribe(directory, (error, events) => {
      if (error) fail(error)
      for (const { path } of events ?? []) tell(path)
    })
    return { pid: process.pid, stop: unsubscribe }
  },

  async 'fs.watch'() {
    started = performance.now()
    const watcher = watch(directory, { recursive: true }, (_event, path) => path && tell(path))
    watcher.on('error', fail)
    return { pid: process.pid, stop: async () => watcher.close() }
  },

  inotifywait() {
    // Everything that a rescan watcher tells; without it inotifywait asks for reads and closes, too.
    const events = 'create,delete,modify,move,attrib,close_write'
    return child('inotifywait', ['-m', '-r', '-e', events, '--format', '%w%f', directory], (line) =>
      line.includes('Watches established'),
    )
  },

  // Of the whole file system that it is started on; it can't be told a directory, and never says that it has begun.
  fatrace: () => child('fatrace', ['-c', '-f', 'W+D<>'], undefined, directory),

  bpftrace: () => child('bpftrace', ['-q', program]),
}

/** A program that prints a path at the end of each line. @param says whether a line of its errors says that it watches */
async function child(command, args, says, cwd = '/') {
  started = performance.now()
  const watcher = spawn(peer(command), args, {
    cwd,
    // bpftrace cuts strings at 64 bytes, and at most at 200.
    env: { ...process.env, BPFTRACE_STRLEN: '200' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  const ended = new Promise((resolve) => {
    watcher.on('error', (error) => resolve(error.message))
    watcher.on('exit', (code, signal) => resolve(`${errors.trim()} (${signal ?? `exit code ${code}`})`))
  })
  createInterface({ input: watcher.stdout }).on('line', (line) => tell(line.trim()))
  await new Promise((resolve, reject) => {
    createInterface({ input: watcher.stderr }).on('line', (line) => {
      if (says?.(line)) resolve()
      // Beginnings are enough to tell why.
      else if (errors.length < 500) errors += `${line}\n`
    })
    if (says === undefined) watcher.once('spawn', resolve)
    void ended.then((why) => {
      reject(new Error(why))
      fail(new Error(why))
    })
  })
  return {
    pid: watcher.pid,
    async stop() {
      failed = undefined
      watcher.kill('SIGINT')
      await ended
    },
  }
}

let started = performance.now()
let failed
function fail(error) {
  failed ??= error
  onTold()
}

/** @returns whether it was ready by then, and when it was */
async function prove() {
  const made = []
  for (let i = 0; i < PROOFS && failed === undefined; i++) {
    const name = `proof-${kind}-${process.pid}-${i}`
    made.push([name, performance.now()])
    await promisify(execFile)('touch', [join(last, name)])
    await Promise.race([new Promise((resolve) => (onTold = resolve)), delay(PROOF_MS)])
    const first = made.find(([name]) => told.has(name))
    if (first !== undefined) return { late: first[0] !== made[0][0], when: first[1] }
  }
  throw failed ?? new Error('tells nothing, and no error')
}

let watcher
try {
  watcher = await kinds[kind]()
  const claimed = performance.now()
  // Later it also has what the proof costs.
  const peak = peakMemory(watcher.pid)
  const { late, when } = await prove()
  const silent = kind === 'fatrace' || kind === 'bpftrace'
  send({
    event: 'ready',
    milliseconds: (late || silent ? when : claimed) - started,
    claimed: !late && !silent,
    peak: late || silent ? peakMemory(watcher.pid) : peak,
  })
} catch (error) {
  send({ event: 'ready', failed: why(error) })
}
process.stdin.resume()
process.stdin.on('end', async () => {
  await watcher?.stop()
  send({ event: 'stopped' })
  // What still holds this process is the watcher's; it has been measured.
  process.exit()
})

/** In a word or a line: libuv's and inotifywait's names of what happens when there are no watches left. */
function why(error) {
  if (error.code === 'ENOSPC' || /upper limit on inotify watches|No space left/.test(error.message))
    return 'ENOSPC'
  const [first] = `${error.code ?? ''} ${error.message}`.trim().split('\n')
  return first.replaceAll(directory, 'DIRECTORY')
}

#!/usr/bin/env node
/**
 * The main job, shown once from beginning to end: a media server that scans only on SIGHUP, files that arrive in several
 * ways, and a watcher that sees each of them by DTrace and sends the server one SIGHUP for all.
 *
 * `npm start` runs it. It ends by itself: with 0 when everything happened as it should, else with 1 (3: no DTrace here).
 */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pc from 'picocolors'
import { DTraceError } from '../dist/index.js'
import { RescanWatcher } from '../dist/watch/index.js'
import { tone } from './lib/wav.mjs'

const { bold, cyan, dim, green, magenta, red, yellow } = pc.createColors(
  process.stdout.isTTY === true && process.env.TERM !== 'dumb' && !process.env.NO_COLOR,
)
const run = promisify(execFile)
const SERVER = join(dirname(fileURLToPath(import.meta.url)), '..', 'examples', 'media-server', 'server.mjs')
/** Quiet for this long means that the files are all there. */
const QUIET = '1500ms'
const TIMEOUT = 30_000

/** What to undo at the end, the last first. */
const cleanUp = []
let step = 0

try {
  await demonstrate()
} catch (error) {
  console.error(red(`\nThe demonstration failed: ${error.message}`))
  if (!(error instanceof DTraceError)) console.error(dim(error.stack ?? ''))
  process.exitCode = error instanceof DTraceError ? 3 : 1
} finally {
  for (const undo of cleanUp.reverse()) await undo()
}

async function demonstrate() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt(signal))
  const folder = await mkdtemp(join(tmpdir(), 'dtrace-demo-'))
  cleanUp.push(() => rm(folder, { recursive: true, force: true }))
  const media = join(folder, 'media')
  const inbox = join(folder, 'inbox')
  const tracks = await makeTracks(media, inbox)

  title('A media server, which scans its directory at its start and on SIGHUP, and never else')
  const pidfile = join(folder, 'media-server.pid')
  const server = await startServer(media, pidfile)
  await showList(server.url, 'Its list')

  title('A watcher on the directory, by DTrace: no polling, nothing set up per file or folder')
  const began = performance.now()
  const changes = []
  const signals = []
  const watcher = await RescanWatcher.start({
    paths: [media],
    include: ['*.wav'],
    target: { pidfile },
    signal: 'SIGHUP',
    debounce: QUIET,
    maxWait: '20s',
  })
  cleanUp.push(() => watcher.stop())
  const failed = new Promise((_resolve, reject) => watcher.on('error', reject))
  failed.catch(() => {})
  watcher.on('change', (change) => {
    changes.push(change)
    const who = `${change.execname} (pid ${change.pid}, uid ${change.uid})`
    say(`${cyan(change.op.padEnd(8))} ${relative(media, change.path)}  ${dim('by')} ${yellow(who)}`)
  })
  watcher.on('drop', ({ message }) => say(red(`dropped: ${message}`)))
  watcher.on('signal', (signal) => signals.push(signal))
  say(`ready after ${(performance.now() - began).toFixed(0)} ms`)

  title('Files arrive, and one goes')
  const scanned = server.nextScan()
  const acted = once(watcher, 'signal')
  const ways = await changeFiles(media, inbox)
  // Records come a few milliseconds after the programs have ended.
  await within(
    seen(watcher, changes, ({ execname }) => execname === 'rm'),
    'the last change',
  )

  title(`Quiet for ${QUIET.replace('ms', ' ms')}: one SIGHUP for all of it`)
  await within(Promise.race([Promise.all([acted, scanned]), failed]), 'the SIGHUP and the scan that follows')
  const [signal] = signals
  say(magenta(`${signal.signal} to pid ${signal.pid}, for ${signal.changes} changes`))
  const listed = await showList(server.url, 'The list of the server now')
  await play(server.url, listed)

  say(dim('the watcher stops'))
  await watcher.stop()
  const gone = await probesGone()
  console.log()
  check('every file that arrived was seen, with who brought it', sawAll(changes, ways, media))
  check('one SIGHUP, and no more', signals.length === 1)
  check('the list is that of the directory', sameNames(listed, tracks))
  check('no probe is left behind', gone)
  if (process.exitCode === undefined) console.log(green(bold('\nDone: all as it should be.')))
  console.log(dim('Your own directory: npm start -- rescan DIRECTORY --process NAME  (Ctrl-C stops it)'))
}

/** One track is there already; the others wait to be brought in. */
async function makeTracks(media, inbox) {
  await mkdir(media)
  await mkdir(join(inbox, 'Scale'), { recursive: true })
  await mkdir(join(inbox, 'Chord'), { recursive: true })
  await writeFile(join(media, 'old hum.wav'), tone(100, 0.5))
  await writeFile(join(inbox, 'a4.wav'), tone(440, 1))
  await writeFile(join(inbox, 'a5.wav'), tone(880, 1))
  for (const [name, pitch] of Object.entries({ c: 261.63, d: 293.66, e: 329.63 })) {
    await writeFile(join(inbox, 'Scale', `${name}.wav`), tone(pitch, 0.5))
  }
  for (const [name, pitch] of Object.entries({ 'e minor': 164.81, 'g major': 196 })) {
    await writeFile(join(inbox, 'Chord', `${name}.wav`), tone(pitch, 0.5))
  }
  return [
    'Chord/e minor.wav',
    'Chord/g major.wav',
    'Scale/c.wav',
    'Scale/d.wav',
    'Scale/e.wav',
    'a4.wav',
    'a5.wav',
    'written.wav',
  ]
}

/** Brings the files in by different programs. Says by which program each path must have been changed. */
async function changeFiles(media, inbox) {
  const does = async (command, ...args) => {
    say(dim(`$ ${[command, ...args].map((arg) => arg.replace(`${dirname(media)}/`, '')).join(' ')}`))
    await run(command, args)
  }
  await does('cp', join(inbox, 'a4.wav'), join(inbox, 'a5.wav'), media)
  // A rename: nothing is opened, and the files in the folder are not touched at all.
  await does('mv', join(inbox, 'Scale'), media)
  const rsync = await run('rsync', ['--version']).then(
    () => true,
    () => false,
  )
  const copier = rsync ? 'rsync' : 'cp'
  await does(copier, rsync ? '-a' : '-r', join(inbox, 'Chord'), media)
  // A relative path, and a program that only writes.
  say(dim('$ cd media; dd of=written.wav'))
  const dd = execFile('dd', ['of=written.wav', 'status=none'], { cwd: media })
  dd.stdin.end(tone(523.25, 0.5))
  await once(dd, 'exit')
  await does('rm', join(media, 'old hum.wav'))
  return new Map([
    ['a4.wav', 'cp'],
    ['a5.wav', 'cp'],
    ['Scale', 'mv'],
    ['Chord/e minor.wav', copier],
    ['Chord/g major.wav', copier],
    ['written.wav', 'dd'],
    ['old hum.wav', 'rm'],
  ])
}

async function startServer(media, pidfile) {
  const child = fork(SERVER, ['--port', '0', '--pidfile', pidfile, media], { silent: true })
  cleanUp.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const waiting = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      say(green(line))
      if (/ on SIGHUP: /.test(line)) for (const resolve of waiting.splice(0)) resolve()
    })
  }
  const ended = once(child, 'exit').then(() => {
    throw new Error('the media server ended')
  })
  ended.catch(() => {})
  const [{ port }] = await within(Promise.race([once(child, 'message'), ended]), 'the media server')
  return {
    url: `http://127.0.0.1:${port}`,
    nextScan: () => new Promise((resolve) => waiting.push(resolve)),
  }
}

async function showList(url, what) {
  const { tracks, scans } = await (await fetch(`${url}/tracks.json`)).json()
  say(bold(`${what}, after scan ${scans}: ${tracks.length} track${tracks.length === 1 ? '' : 's'}`))
  for (const { path, size } of tracks) say(`  ${path}  ${dim(`${Math.round(size / 1024)} KiB`)}`)
  return tracks
}

/** Part of one of the new tracks, as a player asks for it. */
async function play(url, tracks) {
  const track = tracks.find(({ path }) => path === 'Scale/c.wav') ?? tracks.at(-1)
  if (track === undefined) return
  const response = await fetch(url + track.url, { headers: { Range: 'bytes=0-43' } })
  const head = Buffer.from(await response.arrayBuffer())
  const isWave = head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WAVE'
  const rate = head.length === 44 ? head.readUInt32LE(24) : 0
  say(`streams ${track.path}: ${response.status} ${response.headers.get('content-range')}, ${rate} Hz`)
  check('the server streams a new track', response.status === 206 && isWave)
}

async function seen(watcher, changes, fits) {
  while (!changes.some(fits)) await once(watcher, 'change')
}

function sawAll(changes, ways, media) {
  const seen = new Set(changes.map(({ path, execname }) => `${execname} ${relative(media, path)}`))
  const missing = [...ways].filter(([path, program]) => !seen.has(`${program} ${path}`))
  for (const [path, program] of missing) console.error(red(`    not seen: ${path} by ${program}`))
  return missing.length === 0
}

function sameNames(listed, expected) {
  return JSON.stringify(listed.map(({ path }) => path).sort()) === JSON.stringify(expected)
}

function check(what, holds) {
  console.log(`${holds ? green('  ✓') : red('  ✗')} ${what}`)
  if (!holds) process.exitCode = 1
}

function title(text) {
  step += 1
  console.log(`\n${bold(`${step}. ${text}`)}`)
}

function say(line) {
  console.log(`   ${line}`)
}

async function within(promise, what) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(reject, TIMEOUT, new Error(`waited ${TIMEOUT / 1000} s for ${what}`))
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function interrupt(signal) {
  console.log(`\n${signal}: cleaning up`)
  for (const undo of cleanUp.splice(0).reverse()) await undo()
  process.exit(130)
}

/** The kernel lets go of them behind stop(), for which nobody has to wait: some seconds for a watcher's fifty. */
async function probesGone() {
  for (let i = 0; i < 200; i++) {
    const probes = await readFile('/sys/kernel/debug/tracing/uprobe_events', 'utf8')
    if (!probes.includes(`dt_${process.pid}_`)) return true
    await delay(100)
  }
  return false
}

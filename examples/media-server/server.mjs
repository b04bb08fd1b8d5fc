#!/usr/bin/env node
/**
 * A small media server: lists and streams the audio files of a directory, as its last scan found them.
 *
 *   node server.mjs [--port 8200] [--host 127.0.0.1] [--pidfile FILE] DIRECTORY
 *
 *   GET /                the list, with players
 *   GET /tracks.json     { scans, scanned_at, tracks: [{ path, size, modified, url }] }
 *   GET /media/<path>    a file, with byte ranges
 *
 * Like many a real one it doesn't notice new files: it scans when it starts and when it gets SIGHUP, and never else.
 * No dependencies.
 */
import { createReadStream } from 'node:fs'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'

const MIME_TYPES = new Map([
  ['.aac', 'audio/aac'],
  ['.flac', 'audio/flac'],
  ['.m4a', 'audio/mp4'],
  ['.mp3', 'audio/mpeg'],
  ['.oga', 'audio/ogg'],
  ['.ogg', 'audio/ogg'],
  ['.opus', 'audio/ogg'],
  ['.wav', 'audio/wav'],
])

const { root, host, port, pidfile } = readArguments()
let library = { scans: 0, scannedAt: new Date(0), tracks: new Map() }

await scan('at start')
const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    // A listener that hangs up in the middle of a song is no fault.
    if (error.code === 'ERR_STREAM_PREMATURE_CLOSE') return
    log(`${request.method} ${request.url}: ${error.message}`)
    if (response.headersSent) response.destroy()
    else send(response, 500, 'text/plain', 'The server failed; its log says how.\n')
  })
})
server.on('error', (error) => fail(`can't listen on ${host}:${port}: ${error.message}`))
server.listen(port, host, async () => {
  // Before the pidfile: whoever reads our pid from it may send SIGHUP at once, and unhandled it would end us.
  process.on('SIGHUP', () => requestScan('on SIGHUP'))
  if (pidfile !== undefined) await writeFile(pidfile, `${process.pid}\n`)
  const address = server.address()
  log(`serving ${root} at http://${host}:${address.port}/ (pid ${process.pid})`)
  // A parent that started this as a child needn't read the log to know the port.
  process.send?.({ type: 'ready', port: address.port })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)

function readArguments() {
  const usage = 'usage: server.mjs [--port 8200] [--host 127.0.0.1] [--pidfile FILE] DIRECTORY'
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        port: { type: 'string', default: '8200' },
        host: { type: 'string', default: '127.0.0.1' },
        pidfile: { type: 'string' },
      },
    })
    const port = Number(values.port)
    if (positionals.length !== 1) fail(usage)
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      fail(`--port ${values.port} is no port\n${usage}`)
    return { ...values, port, root: resolve(positionals[0]) }
  } catch (error) {
    return fail(`${error.message}\n${usage}`)
  }
}

/** One scan at a time; a request during a scan leads to one more after it. */
let scanning
let again
function requestScan(why) {
  if (scanning !== undefined) {
    again = why
    return
  }
  scanning = scan(why).finally(() => {
    scanning = undefined
    if (again === undefined) return
    const next = again
    again = undefined
    requestScan(next)
  })
}

async function scan(why) {
  const began = performance.now()
  const tracks = new Map()
  try {
    await collect('', tracks)
  } catch (error) {
    if (library.scans === 0) fail(`can't read ${root}: ${error.message}`)
    log(`scan ${why} failed, the list stays as it was: ${error.message}`)
    return
  }
  const added = [...tracks.keys()].filter((path) => !library.tracks.has(path)).length
  const gone = [...library.tracks.keys()].filter((path) => !tracks.has(path)).length
  library = { scans: library.scans + 1, scannedAt: new Date(), tracks }
  const took = (performance.now() - began).toFixed(0)
  log(`scan ${library.scans} ${why}: ${counted(tracks.size)} (${added} new, ${gone} gone) in ${took} ms`)
}

async function collect(folder, tracks) {
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // Unfinished downloads and rsync's temporary files begin with a dot.
    if (entry.name.startsWith('.')) continue
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    try {
      if (entry.isDirectory()) await collect(path, tracks)
      else if (MIME_TYPES.has(extname(entry.name).toLowerCase())) {
        const { size, mtime } = await stat(join(root, path))
        tracks.set(path, { path, size, modified: mtime.toISOString(), url: urlOf(path) })
      }
    } catch (error) {
      // Removed while we looked.
      if (error.code !== 'ENOENT') throw error
    }
  }
}

function urlOf(path) {
  return `/media/${path.split('/').map(encodeURIComponent).join('/')}`
}

async function answer(request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    return send(response, 405, 'text/plain', 'Only GET and HEAD.\n')
  }
  const [pathname] = request.url.split('?', 1)
  if (pathname === '/') return send(response, 200, 'text/html', page(), request)
  if (pathname === '/tracks.json') {
    const { scans, scannedAt, tracks } = library
    const body = { scans, scanned_at: scannedAt.toISOString(), tracks: [...tracks.values()] }
    return send(response, 200, 'application/json', `${JSON.stringify(body, null, 2)}\n`, request)
  }
  if (pathname.startsWith('/media/')) {
    // What isn't in the list isn't served: no other check of the path is needed.
    const track = library.tracks.get(decode(pathname.slice('/media/'.length)))
    if (track !== undefined) return stream(request, response, track)
  }
  return send(response, 404, 'text/plain', 'Not in the list. New files appear after a scan (SIGHUP).\n')
}

function decode(path) {
  try {
    return decodeURIComponent(path)
  } catch {
    return ''
  }
}

function send(response, status, type, body, request) {
  response.writeHead(status, {
    'Content-Type': type.startsWith('text/') ? `${type}; charset=utf-8` : type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-cache',
  })
  response.end(request?.method === 'HEAD' ? undefined : body)
}

async function stream(request, response, track) {
  const file = join(root, track.path)
  let info
  try {
    info = await stat(file)
  } catch {
    return send(response, 404, 'text/plain', 'The file has gone since the last scan.\n')
  }
  const etag = `"${info.size.toString(16)}-${Math.round(info.mtimeMs).toString(16)}"`
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('ETag', etag)
  response.setHeader('Last-Modified', info.mtime.toUTCString())
  if (request.headers['if-none-match'] === etag) return response.writeHead(304).end()
  // A range of a file that has changed since the client got its first part would give it a mixture.
  const changed = request.headers['if-range'] !== undefined && request.headers['if-range'] !== etag
  const range = changed ? undefined : parseRange(request.headers.range, info.size)
  if (range === null) {
    response.setHeader('Content-Range', `bytes */${info.size}`)
    return send(response, 416, 'text/plain', 'No such range.\n')
  }
  const { start, end } = range ?? { start: 0, end: info.size - 1 }
  if (range !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end}/${info.size}`)
  response.writeHead(range === undefined ? 200 : 206, {
    'Content-Type': MIME_TYPES.get(extname(track.path).toLowerCase()),
    'Content-Length': end - start + 1,
  })
  if (request.method === 'HEAD' || end < start) return response.end()
  await pipeline(createReadStream(file, { start, end }), response)
}

/** RFC 9110, 14.2: undefined for none, or one that may be ignored; null for one that can't be satisfied. */
function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const [, from, to] = match
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length === 0 ? null : { start: size - length, end: size - 1 }
  }
  const start = Number(from)
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (to !== '' && Number(to) < start) return undefined
  return start >= size ? null : { start, end }
}

function page() {
  const rows = [...library.tracks.values()].map(
    ({ path, size, url }) =>
      `<li><a href="${url}">${escapeHtml(path)}</a> <small>${(size / 1024).toFixed(0)} KiB</small><br>` +
      `<audio controls preload="none" src="${url}"></audio></li>`,
  )
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${counted(rows.length)}</title>
<style>body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: 2rem auto } li { margin: 1rem 0 }</style>
<h1>${counted(rows.length)}</h1>
<p>As of scan ${library.scans}, ${library.scannedAt.toISOString()}. <a href="/tracks.json">JSON</a></p>
<ol>
${rows.join('\n')}
</ol>
</html>
`
}

function counted(tracks) {
  return `${tracks} track${tracks === 1 ? '' : 's'}`
}

function escapeHtml(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character])
}

async function stop() {
  if (pidfile !== undefined) await rm(pidfile, { force: true })
  server.close()
  server.closeAllConnections()
  if (process.connected) process.disconnect()
}

function log(message) {
  console.log(`media-server: ${message}`)
}

function fail(message) {
  console.error(`media-server: ${message}`)
  process.exit(1)
}

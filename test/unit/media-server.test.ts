import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SERVER = join(import.meta.dirname, '..', '..', 'examples', 'media-server', 'server.mjs')

let folder: string
let server: ChildProcess
let url: string
const log: string[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-media-'))
  mkdirSync(join(folder, 'media', 'A & B'), { recursive: true })
  writeFileSync(join(folder, 'media', 'A & B', 'one <1>.wav'), '0123456789')
  writeFileSync(join(folder, 'media', '.hidden.wav'), '')
  writeFileSync(join(folder, 'media', 'notes.txt'), '')
  writeFileSync(join(folder, 'secret.wav'), 'secret')
  const args = ['--port', '0', '--pidfile', join(folder, 'pid'), join(folder, 'media')]
  server = fork(SERVER, args, { silent: true })
  createInterface({ input: server.stdout as NodeJS.ReadableStream }).on('line', (line) => log.push(line))
  const [{ port }] = (await once(server, 'message')) as [{ port: number }]
  url = `http://127.0.0.1:${port}`
})
afterAll(() => {
  server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function tracks(): Promise<{ scans: number; tracks: { path: string; url: string }[] }> {
  return (await (await fetch(`${url}/tracks.json`)).json()) as Awaited<ReturnType<typeof tracks>>
}

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { headers })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

describe('the media server of the example', () => {
  it('lists audio files, as JSON and as a page', async () => {
    const list = await tracks()
    expect(list).toMatchObject({ scans: 1, tracks: [{ path: 'A & B/one <1>.wav' }] })
    const page = await get('/')
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.body).toContain('A &amp; B/one &lt;1&gt;.wav')
  })

  it('streams them, whole or in ranges', async () => {
    const path = '/media/A%20%26%20B/one%20%3C1%3E.wav'
    const whole = await get(path)
    expect(whole).toMatchObject({ status: 200, body: '0123456789' })
    expect(whole.headers.get('content-type')).toBe('audio/wav')
    const etag = whole.headers.get('etag') as string
    const ranges: [string, number, string, string | null][] = [
      ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
      ['bytes=7-', 206, '789', 'bytes 7-9/10'],
      ['bytes=-2', 206, '89', 'bytes 8-9/10'],
      ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
      ['bytes=10-', 416, expect.any(String), 'bytes */10'],
      ['bytes=5-2', 200, '0123456789', null],
      ['lines=1-2', 200, '0123456789', null],
    ]
    for (const [range, status, body, answer] of ranges) {
      const part = await get(path, { Range: range })
      expect(
        { status: part.status, body: part.body, range: part.headers.get('content-range') },
        range,
      ).toEqual({
        status,
        body,
        range: answer,
      })
    }
    expect(await get(path, { Range: 'bytes=0-3', 'If-Range': '"other"' })).toMatchObject({ status: 200 })
    expect(await get(path, { 'If-None-Match': etag })).toMatchObject({ status: 304 })
    expect((await fetch(url + path, { method: 'HEAD' })).headers.get('content-length')).toBe('10')
  })

  it('serves nothing but what is in its list', async () => {
    const raw = (path: string) =>
      new Promise<number | undefined>((resolve) => {
        request(url, { path }, (response) => resolve(response.resume().statusCode)).end()
      })
    expect(await raw('/media/../secret.wav')).toBe(404)
    expect(await raw('/media/..%2Fsecret.wav')).toBe(404)
    expect(await raw('/media/%FF')).toBe(404)
    expect(await raw('/media/.hidden.wav')).toBe(404)
    expect(await raw('//')).toBe(404)
    expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  })

  it('scans on SIGHUP, and not before', async () => {
    writeFileSync(join(folder, 'media', 'two.mp3'), 'two')
    expect((await tracks()).tracks).toHaveLength(1)
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGHUP')
    await expect.poll(() => log.at(-1)).toMatch(/scan 2 on SIGHUP: 2 tracks \(1 new, 0 gone\)/)
    expect((await tracks()).tracks.map(({ path }) => path)).toEqual(['A & B/one <1>.wav', 'two.mp3'])
  })

  it('goes with its pidfile', async () => {
    server.kill('SIGTERM')
    expect(await once(server, 'exit')).toEqual([0, null])
    expect(existsSync(join(folder, 'pid'))).toBe(false)
  })
})

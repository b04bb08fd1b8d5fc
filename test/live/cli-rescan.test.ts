import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { procfs } from '../../lib/act/processes.js'
import { Cli, cli } from './cli-driver.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

let folder: string
let media: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-cli-'))
  media = join(folder, 'media')
  mkdirSync(media)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A process that counts SIGHUPs. */
async function daemon() {
  const script = 'trap "echo hup" HUP; echo ready; while :; do sleep 60 & wait $!; kill $! 2>/dev/null; done'
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid as number,
    hups: () => said.match(/hup/g)?.length ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function probesOf(pid: number): string[] {
  const events = readFileSync('/sys/kernel/debug/tracing/uprobe_events', 'utf8')
  return events.split('\n').filter((line) => line.includes(`dt_${pid}_`))
}

function copy(name: string): string {
  const from = join(folder, 'source')
  writeFileSync(from, 'audio')
  const to = join(media, name)
  execFileSync('cp', [from, to])
  return to
}

describe('dtrace-watch rescan', () => {
  it('reports each change and one signal, and Ctrl-C leaves no probe behind', async () => {
    await using target = await daemon()
    const watch = new Cli(['rescan', media, '--pid', String(target.pid), '--debounce', '500ms', '--json'])
    await watch.event('ready')
    expect(probesOf(watch.pid)).not.toEqual([])
    const paths = ['a.mp3', 'b c.mp3', 'new\nline.mp3'].map(copy)
    for (const path of paths) {
      expect(await watch.event('change', (event) => event.path === path)).toMatchObject({
        execname: 'cp',
        op: expect.any(String),
        pid: expect.any(Number),
        uid: 0,
      })
    }
    const signal = await watch.event('signal')
    expect(signal).toMatchObject({ pid: target.pid, signal: 'SIGHUP' })
    expect(signal.changes).toBeGreaterThanOrEqual(paths.length)
    await expect.poll(target.hups).toBe(1)
    expect(await watch.stop()).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(probesOf(watch.pid)).toEqual([])
    expect(target.hups()).toBe(1)
  })

  it('only reports without a target', async () => {
    const watch = new Cli(['rescan', media, '--json'])
    await watch.event('ready')
    const path = copy('seen.mp3')
    await watch.event('change', (event) => event.path === path)
    expect(await watch.stop()).toMatchObject({ code: 0, stderr: '' })
  })

  it('delivers on Ctrl-C what is still pending', async () => {
    await using target = await daemon()
    const watch = new Cli(['rescan', media, '--pid', String(target.pid), '--every', '1h', '--json'])
    await watch.event('ready')
    const path = copy('late.mp3')
    await watch.event('change', (event) => event.path === path)
    expect(target.hups()).toBe(0)
    expect(await watch.stop('SIGTERM')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"type":"signal"'),
    })
    await expect.poll(target.hups).toBe(1)
    expect(probesOf(watch.pid)).toEqual([])
  })

  it('runs a command, and passes it the changes as JSON lines', async () => {
    const out = join(folder, 'out')
    const args = ['rescan', media, '--debounce', '300ms', '--include', '*.ogg', '--json', '--']
    const watch = new Cli([...args, 'sh', '-c', 'cat >"$1"; echo done', 'sh', out])
    await watch.event('ready')
    copy('unwanted.txt')
    const path = copy('wanted.ogg')
    const action = await watch.event('exec')
    expect(action.changes).toBeGreaterThanOrEqual(1)
    const { code, stdout, stderr } = await watch.stop()
    const lines = readFileSync(out, 'utf8').trim().split('\n')
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ path, execname: 'cp' })
    expect(code).toBe(0)
    // What the command writes must not get between the lines of JSON.
    expect(stdout).not.toMatch(/^done/m)
    expect(stderr).toBe('done\n')
  })

  it('says that a failed command failed, and does it again', async () => {
    const flag = join(folder, 'flag')
    const watch = new Cli([
      'rescan',
      media,
      '--debounce',
      '300ms',
      '--json',
      '--exec',
      `sh -c 'test -e ${flag} || { echo not yet >&2; exit 4; }'`,
    ])
    await watch.event('ready')
    copy('again.mp3')
    expect(await watch.event('error')).toMatchObject({
      code: 'ERR_DTRACE_TARGET',
      message: expect.stringMatching(/exit status 4: not yet/),
    })
    writeFileSync(flag, '')
    await watch.event('exec')
    expect((await watch.stop()).code).toBe(0)
  })

  it('ends at once at a second Ctrl-C, and the command and the probes with it', async () => {
    const note = join(folder, 'note')
    const watch = new Cli([
      ...['rescan', media, '--debounce', '100ms', '--json', '--'],
      ...['sh', '-c', 'echo $$ >"$1"; echo up; exec sleep 600', 'sh', note],
    ])
    await watch.event('ready')
    copy('forced.mp3')
    await watch.until('the command', ({ text }) => /^up$/m.test(text))
    watch.child.kill('SIGINT')
    await watch.event('stopping')
    // Two that are closer than 0.3 s count as one.
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect((await watch.stop()).code).toBe(130)
    expect(probesOf(watch.pid)).toEqual([])
    const command = Number(readFileSync(note, 'utf8'))
    await expect.poll(() => procfs.get(command), { timeout: 5000 }).toBeUndefined()
  })

  it('ends with 1 when the last changes could not be delivered', async () => {
    const target = await daemon()
    const watch = new Cli(['rescan', media, '--pid', String(target.pid), '--every', '1h', '--json'])
    await watch.event('ready')
    copy('undeliverable.mp3')
    await watch.event('change')
    await target[Symbol.asyncDispose]()
    const { code, stderr } = await watch.stop()
    expect(stderr).toMatch(/no process with pid/)
    expect(code).toBe(1)
  })

  it('prints lines to read, in no colour where there is no terminal', async () => {
    await using target = await daemon()
    const watch = new Cli(['rescan', media, '--pid', String(target.pid), '--debounce', '200ms'], {
      env: { ...process.env, CI: 'true' },
    })
    await watch.until('the first line', ({ text }) => text.includes('Ctrl-C'))
    copy('tab\tbed.mp3')
    const text = await watch.until('the signal', ({ text }) => text.includes('SIGHUP to') && text)
    expect(text).toContain('tab\\tbed.mp3')
    expect(text).toMatch(/cp\b.*\b\d+/)
    expect(text).not.toContain('\u001b')
    expect((await watch.stop()).code).toBe(0)
  })

  it('ends quietly when its reader goes away', async () => {
    await using target = await daemon()
    const watch = new Cli(['rescan', media, '--pid', String(target.pid), '--debounce', '200ms', '--json'])
    await watch.event('ready')
    watch.child.stdout?.destroy()
    copy('unread.mp3')
    const { code, stderr } = await watch.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(probesOf(watch.pid)).toEqual([])
  })

  it.each([
    ['a directory that does not exist', ['/no/such/folder', '--', 'true'], /\/no\/such\/folder/, 2],
    ['a pid that does not exist', [tmpdir(), '--pid', '4194305'], /no process with pid 4194305/, 2],
    ['a pidfile that does not exist', [tmpdir(), '--pidfile', '/no.pid'], /no\.pid does not exist/, 2],
    ['a name that nothing has', [tmpdir(), '--process', 'no-such-daemon'], /no process named/, 2],
    ['a command that does not exist', [tmpdir(), '--', 'no-such-command'], /was not found/, 2],
  ])('refuses %s', async (_what, args, message, exit) => {
    const { code, stderr } = await cli(['rescan', ...args])
    expect(stderr).toMatch(message)
    expect(code).toBe(exit)
  })

  it('says to an ordinary user that it takes privileges', async () => {
    const { code, stderr } = await asNobody(['rescan', '/tmp', '--', 'true'])
    expect(stderr).toMatch(/dtrace-watch: .*root/s)
    expect(code).toBe(3)
  })

  it('says what to do when there is no libdtrace', async () => {
    const env = { ...process.env, DTRACE_CONSUMER_LIBDTRACE: '/nonexistent' }
    const { code, stderr } = await cli(['rescan', media, '--', 'true'], { env })
    expect(stderr).toMatch(/DTRACE_CONSUMER_LIBDTRACE/)
    expect(code).toBe(3)
  })
})

/** As an ordinary user; the checkout may be where such a one can't read, so it keeps root's way to files alone. */
async function asNobody(args: string[]) {
  const keep = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
  const search = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search']
  return await cli(args, { command: [...keep, ...search, process.execPath] })
}

/** Which opens are told, in the library and on the command line; and what becomes of those that there is no room for. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once as onceEvent } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OpenEvent, watchOpens } from '../../lib/watch/index.js'
import { Cli, cli } from './cli-driver.js'
import { once, run } from './consumers.js'
import { requireDTrace } from './helper.js'
import { change, makeSandbox, type Sandbox } from './rescan-driver.js'

const describe = requireDTrace()

/** A shell that opens the files that it is told to, itself. */
class Opener {
  readonly #shell: ChildProcess
  constructor() {
    const script = 'while read -r file; do true <"$file"; done 2>/dev/null'
    this.#shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
  }
  get pid(): number {
    return this.#shell.pid as number
  }
  open(file: string): void {
    this.#shell.stdin?.write(`${file}\n`)
  }
  async end(): Promise<void> {
    this.#shell.stdin?.end()
    await onceEvent(this.#shell, 'close')
  }
}

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await makeSandbox()
  folder = join(sandbox.folder, 'folder')
  mkdirSync(join(folder, 'mnt'), { recursive: true })
  writeFileSync(join(folder, 'there'), '')
  symlinkSync('there', join(folder, 'link'))
})
afterAll(() => sandbox.dispose())

describe('a watcher of opens', () => {
  it('has processes and failures chosen in the kernel, more processes than the script has arguments', async () => {
    const openers = Array.from({ length: 12 }, () => new Opener())
    const [stranger, ...chosen] = openers as [Opener, ...Opener[]]
    const pids = chosen.map(({ pid }) => pid)
    await using watcher = await watchOpens({ pids, failedOnly: true })
    const told: OpenEvent[] = []
    const all = once<void>('what all the processes failed to open', (resolve) =>
      watcher.on('open', (open) => {
        told.push(open)
        if (
          open.path.endsWith('/last') &&
          told.filter(({ path }) => path === open.path).length === pids.length
        )
          resolve()
      }),
    )
    for (const opener of [stranger, ...chosen]) {
      for (const name of ['there', 'nope', 'there', 'last']) opener.open(join(folder, name))
    }
    await all
    await Promise.all(openers.map((opener) => opener.end()))
    await watcher.stop()
    for (const pid of pids) {
      const mine = told.filter((open) => open.pid === pid)
      expect(mine.map(({ path, error, fd }) => ({ path, error, fd }))).toEqual([
        { path: join(folder, 'nope'), error: 'ENOENT', fd: undefined },
        { path: join(folder, 'last'), error: 'ENOENT', fd: undefined },
      ])
    }
    expect(told).toHaveLength(2 * pids.length)
    // Nothing else came to JavaScript: somebody may have mounted something meanwhile.
    expect(watcher.stats().records).toBeLessThan(told.length + 50)
  })

  it('has successes chosen there, too', async () => {
    const opener = new Opener()
    await using watcher = await watchOpens({ pids: opener.pid, outcome: 'ok' })
    const told: string[] = []
    const last = once<void>('the last open', (resolve) =>
      watcher.on('open', ({ path }) => {
        told.push(path)
        if (path === join(folder, 'last-ok')) resolve()
      }),
    )
    writeFileSync(join(folder, 'last-ok'), '')
    for (const name of ['there', 'nope', 'last-ok']) opener.open(join(folder, name))
    await last
    expect(told).toEqual([join(folder, 'there'), join(folder, 'last-ok')])
    await opener.end()
  })

  it('says how many were lost where there is no room for them', async () => {
    const count = 60_000
    await using watcher = await watchOpens({
      processes: 'changes',
      options: { bufsize: '64k', switchrate: '200ms' },
    })
    let told = 0
    let dropped = 0
    watcher.on('open', ({ passed }) => {
      if (passed.startsWith(`${folder}/`)) told++
    })
    watcher.on('drop', (drop) => {
      dropped += drop.count
    })
    await change(sandbox, 'flood', folder, String(count), '0')
    await watcher.stop()
    expect(told).toBeGreaterThan(0)
    expect(told).toBeLessThan(count)
    // Those of other processes are dropped, too.
    expect(dropped).toBeGreaterThanOrEqual(count - told)
  })
})

describe('dtrace-watch opens', () => {
  it('tells what was chosen as JSON, and what it can not see', async () => {
    const opener = new Opener()
    const watch = new Cli([
      ...['opens', '--json', '--name', 'sh', '--name', 'changes'],
      ...['--path', `${folder}/**`, '--path', '!unwanted', '--zone', '*', '--user', 'root'],
    ])
    await watch.event('ready')
    for (const name of ['unwanted', 'there', 'link', 'nope']) opener.open(join(folder, name))
    const nope = await watch.event('open', ({ error }) => error === 'ENOENT')
    expect(nope).toMatchObject({
      ...{
        op: expect.stringMatching(/^open/),
        path: join(folder, 'nope'),
        passed: join(folder, 'nope'),
        errno: 2,
      },
      ...{ pid: opener.pid, tid: opener.pid, uid: 0, execname: 'sh', zone_name: expect.any(String) },
      ...{ flag_names: ['O_RDONLY'], flags: 0, timestamp: expect.any(Number), elapsed: expect.any(Number) },
    })
    const opened = await watch.event('open', ({ passed }) => passed === join(folder, 'link'))
    // The file itself, though it was asked for by another name.
    expect(opened).toMatchObject({ path: join(folder, 'there'), fd: expect.any(Number), exact: true })
    expect(watch.events.some(({ passed }) => passed === join(folder, 'unwanted'))).toBe(false)

    // A mount namespace that has gone when the record is read, or has not: the path is the same.
    const mounted = join(folder, 'mnt', 'file')
    await run('unshare', ['-m', 'sh', '-c', `mount -t tmpfs none ${join(folder, 'mnt')}; : >${mounted}`])
    expect(await watch.event('open', ({ path }) => path === mounted)).toMatchObject({
      flag_names: ['O_WRONLY', 'O_CREAT', 'O_TRUNC'],
      mode: 0o666,
    })

    await change(sandbox, 'uring', join(folder, 'ring'))
    expect(await watch.event('blind')).toMatchObject({ operation: 'OPENAT', execname: 'changes' })
    await opener.end()
    const { code, stderr } = await watch.stop()
    expect(stderr).toMatch(/^dtrace-watch: changes \(pid \d+\) uses io_uring for OPENAT/)
    expect(code).toBe(0)
  })

  it('prints a table to read', async () => {
    const opener = new Opener()
    const watch = new Cli(['opens', '--failed', '--pid', String(opener.pid)])
    await watch.until('the first line', ({ text }) => text.includes('Ctrl-C'))
    opener.open(join(folder, 'there'))
    opener.open(join(folder, 'no\tpe'))
    const text = await watch.until('the open', ({ text }) => text.includes('no\\tpe') && text)
    const [head, line] = text.trimEnd().split('\n').slice(-2) as [string, string]
    expect(head).toMatch(/^TIME +ZONE +UID +PID +EXECNAME +FD\/ERROR +FLAGS +PATH$/)
    expect(line.slice(head.indexOf('EXECNAME'))).toBe(
      `${'sh'.padEnd(15)}  ${'ENOENT'.padEnd(8)}  ${'O_RDONLY'.padEnd(20)}  ${folder}/no\\tpe`,
    )
    expect(text).not.toContain('\u001b')
    await opener.end()
    expect(await watch.stop()).toMatchObject({ code: 0, stderr: '' })
  })

  it.each([
    ['a pid that is none', ['--pid', 'one'], /process id is a positive number/],
    ['a process that is not there', ['--pid', '4194301'], /no process with pid 4194301/],
    ['an empty glob', ['--path', ''], /glob "" is empty/],
    ['an unknown user', ['--user', 'nobody-of-that-name'], /no user/],
    ['an argument too many', ['/etc'], /too many arguments/],
    ['an option that DTrace has not', ['-x', 'nonsense=1'], /nonsense/],
  ])('refuses %s', async (_what, args, message) => {
    const { code, stderr } = await cli(['opens', ...args])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

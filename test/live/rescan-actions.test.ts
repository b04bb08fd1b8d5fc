/** What a rescan watcher does with changes: choose, wait, act, and tell what went wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rmdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type RescanChange,
  type RescanExec,
  type RescanFailure,
  type RescanOptions,
  type RescanSignal,
  RescanWatcher,
} from '../../lib/watch/index.js'
import { requireDTrace } from './helper.js'
import { Changes, change, event, makeSandbox, type Sandbox } from './rescan-driver.js'

const describe = requireDTrace()

let sandbox: Sandbox
let dir: string
const children: ChildProcess[] = []

beforeAll(async () => {
  sandbox = await makeSandbox()
  dir = join(sandbox.folder, 'media')
  await mkdir(join(dir, 'marks'), { recursive: true })
  await mkdir(join(sandbox.folder, 'elsewhere', 'album'), { recursive: true })
}, 60_000)
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await sandbox?.dispose()
})

const start = (options: Partial<RescanOptions>): Promise<RescanWatcher> =>
  RescanWatcher.start({ paths: dir, ...options })

/** A process that counts the signals it gets, and can be told to write a file. */
async function server(): Promise<{ child: ChildProcess; line: () => Promise<string> }> {
  const script = `
    process.on('SIGHUP', () => console.log('rescan'))
    process.stdin.on('data', (name) => { require('node:fs').writeFileSync(String(name).trim(), ''); console.log('wrote') })
    console.log('ready')`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const line = async (): Promise<string> => {
    const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    return String(chunk).trim()
  }
  expect(await line()).toBe('ready')
  return { child, line }
}

describe('the changes that count', () => {
  test('are chosen by glob, program and user; a directory counts whatever the files that are asked for', async () => {
    await using watcher = await start({
      include: ['**/*.{mp3,flac}', '*mark-*'],
      exclude: ['tmp/**'],
      processes: ['changes'],
      users: ['root'],
    })
    const changes = new Changes(watcher, sandbox, join(dir, 'marks'))
    await changes.settle()
    await mkdir(join(dir, 'tmp'))
    const of = async (...args: string[]): Promise<string[]> => {
      const { changes: found } = await changes.of(...args)
      return found.map(({ path }) => path)
    }
    expect(await of('openat', '.', `${dir}/a.mp3`)).toEqual([`${dir}/a.mp3`])
    expect(await of('openat', '.', `${dir}/a.txt`)).toEqual([])
    expect(await of('openat', '.', `${dir}/tmp/a.mp3`)).toEqual([])
    expect(await of('mkdirat', '.', `${dir}/album`)).toEqual([`${dir}/album`])
    // As rsync does.
    expect(await of('openat', '.', `${dir}/.b.flac.x7`)).toEqual([])
    expect(await of('renameat', '.', `${dir}/.b.flac.x7`, '.', `${dir}/b.flac`)).toEqual([`${dir}/b.flac`])
    expect(await of('renameat', '.', `${dir}/a.txt`, '.', `${dir}/b.txt`)).toEqual([])
    // A directory that is moved or linked brings its files along.
    const elsewhere = join(sandbox.folder, 'elsewhere', 'album')
    expect(await of('renameat', '.', elsewhere, '.', `${dir}/moved`)).toEqual([`${dir}/moved`])
    expect(await of('symlinkat', `${dir}/moved`, '.', `${dir}/linked`)).toEqual([`${dir}/linked`])
    expect(await of('renameat', '.', `${dir}/moved`, '.', elsewhere)).toEqual([`${dir}/moved`])
  })

  test('can be read one by one, until the watcher stops', async () => {
    const watcher = await start({})
    const read: string[] = []
    const reading = (async () => {
      for await (const { path } of watcher) read.push(path)
    })()
    expect(() => watcher[Symbol.asyncIterator]()).toThrow('another loop is reading')
    const seen = event<RescanChange>(watcher, 'change', ({ path }) => path === `${dir}/2`)
    for (const name of ['1', '2']) await change(sandbox, 'openat', '.', `${dir}/${name}`)
    await seen
    await change(sandbox, 'openat', '.', `${dir}/3`)
    await watcher.stop()
    await reading
    expect(read.filter((path) => /\/\d$/.test(path))).toEqual([`${dir}/1`, `${dir}/2`, `${dir}/3`])
  })

  test('that a slow reader has no room for are counted as dropped', async () => {
    await using watcher = await start({ queueLimit: 2 })
    const reader = watcher[Symbol.asyncIterator]()
    const dropped = event<{ kind: string; total: number }>(watcher, 'drop', ({ total }) => total === 3)
    for (const name of ['1', '2', '3', '4', '5']) await change(sandbox, 'openat', '.', `${dir}/${name}`)
    expect(await dropped).toMatchObject({ kind: 'reader' })
    expect((await reader.next()).value).toMatchObject({ path: `${dir}/1` })
    expect((await reader.next()).value).toMatchObject({ path: `${dir}/2` })
  })
})

describe('a listener that throws', () => {
  /** Runs something, and gives what was thrown meanwhile for which nobody was there to catch it. */
  async function uncaught(run: () => Promise<void>): Promise<string[]> {
    const thrown: string[] = []
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message))
    try {
      await run()
      // What a listener throws comes with the next turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.setUncaughtExceptionCaptureCallback(null)
    }
    return thrown
  }

  test('costs neither the other changes nor a second run of the command', async () => {
    const output = join(sandbox.folder, 'thrown.jsonl')
    const runs = join(sandbox.folder, 'runs')
    await using watcher = await start({
      target: { exec: ['sh', '-c', `echo run >> '${runs}'; cat >> '${output}'`] },
      debounce: 300,
    })
    const files = ['f1', 'f2', 'f3', 'f4', 'f5'].map((name) => `${dir}/${name}`)
    const seen: string[] = []
    const failures: RescanFailure[] = []
    watcher.on('failure', (failure) => failures.push(failure))
    watcher.on('change', ({ path }) => {
      seen.push(path)
      if (path === files[2]) throw new Error('of a change')
    })
    watcher.on('exec', () => {
      throw new Error('of an action')
    })
    const thrown = await uncaught(async () => {
      for (const file of files) await change(sandbox, 'openat', '.', file)
      await watcher.stop()
    })
    expect(seen).toEqual(files)
    const lines = (await readFile(output, 'utf8')).trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).path)).toEqual(files)
    expect(failures).toEqual([])
    expect(new Set(thrown)).toEqual(new Set(['of a change', 'of an action']))
    const ran = (await readFile(runs, 'utf8')).trim().split('\n')
    expect(thrown.filter((message) => message === 'of an action')).toHaveLength(ran.length)
  })
})

describe('a process as the target', () => {
  test('gets one signal for many changes, and its own changes do not count', async () => {
    const { child, line } = await server()
    await using watcher = await start({ target: { pid: child.pid as number }, debounce: 300 })
    const changes = new Changes(watcher, sandbox, join(dir, 'marks'))
    const signal = event<RescanSignal>(watcher, 'signal')
    const got = line()
    for (let i = 0; i < 20; i++) await change(sandbox, 'openat', '.', `${dir}/${i}`)
    expect(await signal).toEqual({ pid: child.pid, signal: 'SIGHUP', changes: 20 })
    expect(await got).toBe('rescan')
    const wrote = line()
    child.stdin?.write(`${dir}/own.db\n`)
    expect(await wrote).toBe('wrote')
    const all = await changes.settle()
    expect(all.filter(({ pid }) => pid === child.pid)).toEqual([])
    // The marks set the flag again, and the watcher ends with that.
    const last = line()
    await watcher.stop()
    expect(await last).toBe('rescan')
    child.kill('SIGKILL')
  })

  test('that is gone keeps the flag, until it is there again', async () => {
    const pidfile = join(sandbox.folder, 'pid')
    const first = await server()
    await writeFile(pidfile, `${first.child.pid}\n`)
    await using watcher = await start({ target: { pidfile }, signal: 'HUP', every: 500 })
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    const failure = event<RescanFailure>(watcher, 'failure')
    await change(sandbox, 'openat', '.', `${dir}/1`)
    const { error, changes, retryIn } = await failure
    expect(error.code).toBe('ERR_DTRACE_TARGET')
    expect(error.message).toContain(pidfile)
    expect(changes).toBe(1)
    expect(retryIn).toBeGreaterThan(0)
    expect(watcher.pending).toBe(1)
    const second = await server()
    const signal = event<RescanSignal>(watcher, 'signal')
    await writeFile(pidfile, `${second.child.pid}\n`)
    expect(await signal).toMatchObject({ pid: second.child.pid, changes: 1 })
    expect(watcher.pending).toBe(0)
    second.child.kill('SIGKILL')
  })

  test('is told of what was changed until the watcher stopped', async () => {
    const { child, line } = await server()
    const watcher = await start({ target: { pid: child.pid as number }, every: '1h' })
    const got = line()
    await change(sandbox, 'openat', '.', `${dir}/last`)
    await watcher.stop()
    expect(await got).toBe('rescan')
    await watcher.stop()
    child.kill('SIGKILL')
  })
})

describe('a command as the target', () => {
  test('gets the changes as JSON lines', async () => {
    const output = join(sandbox.folder, 'changes.jsonl')
    await using watcher = await start({ target: { exec: ['sh', '-c', `cat > '${output}'`] }, debounce: 300 })
    const ran = event<RescanExec>(watcher, 'exec')
    const pid = await change(sandbox, 'openat', '.', `${dir}/%ff.mp3`)
    expect(await ran).toMatchObject({ changes: 1, command: ['sh', '-c', `cat > '${output}'`] })
    const [text = ''] = (await readFile(output, 'utf8')).split('\n')
    expect(JSON.parse(text)).toMatchObject({
      op: 'open',
      path: `${dir}/\ufffd.mp3`,
      path_bytes: Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff]), Buffer.from('.mp3')]).toString(
        'base64',
      ),
      execname: 'changes',
      pid,
    })
  })

  test('that fails keeps the flag', async () => {
    await using watcher = await start({
      target: { exec: ['sh', '-c', 'echo why >&2; exit 3'] },
      debounce: 100,
    })
    const failure = event<RescanFailure>(watcher, 'failure')
    await change(sandbox, 'openat', '.', `${dir}/x`)
    expect((await failure).error.message).toMatch(/exit status 3: why/)
    expect(watcher.pending).toBe(1)
    watcher.on('failure', () => {})
  })
})

describe('stopping while a command runs', () => {
  const target = { exec: ['sh', '-c', 'echo up; exec sleep 60'] } as const
  async function running(options: Partial<RescanOptions>): Promise<RescanWatcher> {
    let resolveUp: () => void = () => {}
    const up = new Promise<void>((resolve) => {
      resolveUp = resolve
    })
    const watcher = await start({ target, debounce: 100, onOutput: () => resolveUp(), ...options })
    await change(sandbox, 'openat', '.', `${dir}/slow`)
    await up
    return watcher
  }

  test('gives it stopTimeout, and then says what was not delivered', async () => {
    const watcher = await running({ stopTimeout: '500ms' })
    const failure = event<RescanFailure>(watcher, 'failure')
    await watcher.stop()
    expect((await failure).error.message).toMatch(/ended because the watcher stops/)
    expect(watcher.pending).toBe(1)
  })

  test('can be forced', async () => {
    const watcher = await running({ stopTimeout: '1h' })
    watcher.on('failure', () => {})
    const stopping = watcher.stop()
    await watcher.stop({ force: true })
    await stopping
    expect(watcher.pending).toBe(1)
  })
})

describe('what makes no sense is refused, with what to do instead', () => {
  const cases: [what: string, options: Partial<RescanOptions>, code: string, message: RegExp][] = [
    [
      'a directory that is not there',
      { paths: '/nowhere/at/all' },
      'ERR_DTRACE_ARGUMENT',
      /\/nowhere\/at\/all.*create it/,
    ],
    ['no directory', { paths: [] }, 'ERR_DTRACE_ARGUMENT', /paths.*name a directory/],
    ['an unknown option', { path: '/tmp' } as Partial<RescanOptions>, 'ERR_DTRACE_ARGUMENT', /path/],
    ['both paces', { every: 1000, debounce: 1000 }, 'ERR_DTRACE_ARGUMENT', /exclude each other/],
    ['maxWait alone', { maxWait: 1000 }, 'ERR_DTRACE_ARGUMENT', /goes with debounce/],
    ['a time that is none', { target: { pid: 1 }, every: 'soon' }, 'ERR_DTRACE_ARGUMENT', /soon/],
    ['an unknown signal', { target: { pid: 1 }, signal: 'SIGNOTHING' }, 'ERR_DTRACE_ARGUMENT', /SIGNOTHING/],
    ['an empty glob', { include: [''] }, 'ERR_DTRACE_ARGUMENT', /include/],
    [
      'a target that is not there',
      { target: { pidfile: '/nowhere.pid' } },
      'ERR_DTRACE_TARGET',
      /nowhere\.pid/,
    ],
    [
      'a command that is not there',
      { target: { exec: ['no-such-command'] } },
      'ERR_DTRACE_TARGET',
      /no-such-command/,
    ],
    ['an unknown DTrace option', { options: { nonsense: 1 } as object }, 'ERR_DTRACE_OPTION', /nonsense/],
  ]
  for (const [what, options, code, message] of cases) {
    test(what, async () => {
      await expect(start(options)).rejects.toMatchObject({
        name: 'DTraceError',
        code,
        message: expect.stringMatching(message),
      })
    })
  }

  test('a file instead of a directory', async () => {
    const file = join(sandbox.folder, 'file')
    await writeFile(file, '')
    await expect(start({ paths: file })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
      message: expect.stringContaining('no directory'),
    })
  })
})

describe('several watched directories', () => {
  test('of which one goes while the watcher starts: that is told once somebody can listen', async () => {
    const going = join(sandbox.folder, 'going')
    await mkdir(going)
    const starting = start({ paths: [dir, going] })
    // The directories have been found when libdtrace is loaded, and it takes seconds from there.
    await expect
      .poll(() => readFile('/proc/self/maps', 'utf8'), {
        interval: 10,
        timeout: 20_000,
        message: 'libdtrace is loaded',
      })
      .toContain('libdtrace.so')
    await rmdir(going)
    await using watcher = await starting
    expect(await event(watcher, 'missing')).toEqual({ path: going })
  })

  test('more than the D program has arguments for, one in another, and one by two names', async () => {
    const many: string[] = []
    for (let i = 0; i < 12; i++) {
      many.push(join(sandbox.folder, 'many', String(i)))
      await mkdir(many[i] as string, { recursive: true })
    }
    const alias = join(sandbox.folder, 'alias')
    const inner = join(many[0] as string, 'inner')
    await symlink(many[1] as string, alias)
    await mkdir(inner)
    await using watcher = await start({ paths: [dir, ...many, alias, inner] })
    const changes = new Changes(watcher, sandbox, join(dir, 'marks'))
    for (const path of [...many, inner]) {
      const { changes: found } = await changes.of('openat', '.', `${path}/f`)
      expect(found.map(({ path: where, directory }) => [where, directory])).toEqual([[`${path}/f`, path]])
    }
    const { changes: found } = await changes.of('mkdirat', '.', `${alias}/d`)
    expect(found).toMatchObject([{ path: `${many[1]}/d` }])
  })
})

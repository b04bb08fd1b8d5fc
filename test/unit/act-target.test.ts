import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createDispatcher } from '../../lib/act/dispatcher.js'
import { type ProcessInfo, procfs } from '../../lib/act/processes.js'
import { parseSignal, sendSignal } from '../../lib/act/signal.js'
import { checkTarget, resolveTarget, type Target } from '../../lib/act/target.js'

const targetError = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_DTRACE_TARGET', message: expect.stringMatching(message) })

let folder: string
const children: ChildProcess[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-target-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

/** A process that prints a line for each SIGHUP; ready when this returns. */
async function daemon(argv0?: string): Promise<{ child: ChildProcess; pid: number; hup(): Promise<string> }> {
  const script = 'trap "echo hup" HUP; echo ready; while :; do sleep 60 & wait $!; kill $! 2>/dev/null; done'
  const child = spawn('bash', ['-c', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(argv0 === undefined ? {} : { argv0 }),
  })
  children.push(child)
  const line = async (): Promise<string> =>
    String((await once(child.stdout as NodeJS.ReadableStream, 'data'))[0])
  expect(await line()).toBe('ready\n')
  return { child, pid: child.pid as number, hup: line }
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const pidfile = (content: string, name = 'x.pid'): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('signals', () => {
  it('are understood by name, short name and number', () => {
    for (const form of ['SIGHUP', 'HUP', 'hup', 'sighup', 1, '1', ' 1 ']) {
      expect(parseSignal(form)).toEqual({ name: 'SIGHUP', number: 1 })
    }
    expect(parseSignal(40)).toEqual({ name: '40', number: 40 })
  })

  it.each(['', '0', 0, -1, 65, 'SIGNOTHING', '1.5', 'HUP; rm'])('%j is refused', (form) => {
    expect(() => parseSignal(form)).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }))
  })
})

describe("a target's form", () => {
  it.each([
    [{}, /exactly one/],
    [{ pid: 5, process: 'x' }, /pid and process/],
    [{ pid: 0 }, /no process id/],
    [{ pid: -1 }, /no process id/],
    [{ pid: 1.5 }, /no process id/],
    [{ pid: '12' }, /no process id/],
    [{ pid: process.pid }, /this very process/],
    [{ pidfile: '' }, /empty/],
    [{ process: '/usr/bin/mpd' }, /not a path/],
    [{ unit: '-x' }, /no unit/],
    [{ exec: [] }, /array/],
    [{ exec: 'mpc update' }, /array/],
    [{ exec: ['mpc', 1] }, /array/],
    [{ exec: ['mpc\0'] }, /array/],
  ])('%j is refused', (target, message) => {
    const act = () => checkTarget(target as Target)
    expect(act).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }))
    expect(act).toThrow(message)
  })
})

describe('a pid', () => {
  it('no longer owns the changes of another process that has got its number', async () => {
    const { pid } = await daemon()
    let startTime = '1'
    const get = (asked: number) => {
      const info = procfs.get(asked)
      return info && { ...info, startTime }
    }
    const dispatcher = createDispatcher({ pid }, { host: { processes: { ...procfs, get }, kill: () => {} } })
    await dispatcher.check()
    startTime = '2'
    expect(dispatcher.owns({ pid })).toBe(false)
  })

  it('is signalled while it is the same process', async () => {
    const { pid, hup } = await daemon()
    const dispatcher = createDispatcher({ pid })
    await dispatcher.check()
    expect([...dispatcher.pids]).toEqual([pid])
    expect(dispatcher.owns({ pid })).toBe(true)
    expect(dispatcher.owns({ pid: process.pid })).toBe(false)
    const seen = hup()
    expect(await dispatcher.act()).toMatchObject({ kind: 'signal', signal: 'SIGHUP', processes: [{ pid }] })
    expect(await seen).toBe('hup\n')
  })

  it('that does not exist, or has ended, is an error', async () => {
    const { child, pid } = await daemon()
    const dispatcher = createDispatcher({ pid })
    await dispatcher.check()
    await end(child)
    await expect(dispatcher.act()).rejects.toEqual(targetError(/no process with pid/))
    await expect(createDispatcher({ pid: 2 ** 22 + 1 }).check()).rejects.toEqual(
      targetError(/no process with pid/),
    )
  })

  it('that ended between the look and the signal is an error', async () => {
    const { child, pid } = await daemon()
    const info = procfs.get(pid) as ProcessInfo
    await end(child)
    expect(() => sendSignal(info, parseSignal(1))).toThrow(targetError(/has ended/))
  })

  it('that another process has taken over is not signalled', async () => {
    const { pid } = await daemon()
    let start = '100'
    const killed: number[] = []
    const host = {
      processes: { ...procfs, get: (p: number) => ({ ...(procfs.get(p) as ProcessInfo), startTime: start }) },
      kill: (p: number) => void killed.push(p),
    }
    const dispatcher = createDispatcher({ pid }, { host })
    await dispatcher.check()
    await dispatcher.act()
    expect(killed).toEqual([pid])
    start = '200'
    await expect(dispatcher.act()).rejects.toEqual(targetError(/another process now.*not signalled/))
    expect(killed).toEqual([pid])
  })

  it('that another process has really taken over is not signalled', async (context) => {
    const first = await daemon()
    const dispatcher = createDispatcher({ pid: first.pid })
    await dispatcher.check()
    await end(first.child)
    // The clock ticks of the start time are 10 ms long.
    await new Promise((resolve) => setTimeout(resolve, 30))
    const other = takePid(first.pid)
    if (other === undefined) return context.skip('this system does not let a test choose a pid')
    await expect(dispatcher.act()).rejects.toEqual(targetError(/another process now/))
    expect(procfs.get(first.pid)?.comm).toBe('sleep')
  })

  it('of a process that this user may not signal says who may', async () => {
    const host = {
      processes: procfs,
      kill: () => {
        throw Object.assign(new Error('kill EPERM'), { code: 'EPERM', errno: -1 })
      },
    }
    const { pid } = await daemon()
    await expect(createDispatcher({ pid }, { host }).act()).rejects.toEqual(
      targetError(/not allowed.*as root/),
    )
  })
})

/** Starts `sleep` with a certain pid (needs root): /proc/sys/kernel/ns_last_pid says which was the last one. */
function takePid(pid: number): ChildProcess | undefined {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1))
    } catch {
      return undefined
    }
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    children.push(child)
    if (child.pid === pid) return child
  }
  return undefined
}

describe('a pidfile', () => {
  it.each([
    ['with a newline', (pid: number) => `${pid}\n`],
    ['without', (pid: number) => String(pid)],
    ['with more lines, as of PostgreSQL', (pid: number) => `${pid}\n/var/lib/postgresql\n1699999999\n5432\n`],
    ['with blanks', (pid: number) => `  ${pid}  \n`],
    ['that is very large', (pid: number) => `${pid}\n${'x'.repeat(1_000_000)}`],
  ])('%s names a process', async (_how, content) => {
    const { pid } = await daemon()
    expect(await resolveTarget({ pidfile: pidfile(content(pid)) }, procfs)).toMatchObject([{ pid }])
  })

  it('that is missing, empty, no pidfile, stale, a folder or a pipe is an error that says so', async () => {
    const { child, pid } = await daemon()
    await end(child)
    const fails = (path: string) => expect(resolveTarget({ pidfile: path }, procfs)).rejects
    await fails(join(folder, 'none')).toEqual(targetError(/does not exist/))
    await fails(pidfile('')).toEqual(targetError(/is empty/))
    await fails(pidfile('\n')).toEqual(targetError(/is empty/))
    await fails(pidfile('#!/bin/sh\n')).toEqual(targetError(/is it a pidfile/))
    await fails(pidfile('-1\n')).toEqual(targetError(/is it a pidfile/))
    await fails(pidfile('0\n')).toEqual(targetError(/is it a pidfile/))
    await fails(pidfile('99999999999\n')).toEqual(targetError(/is it a pidfile/))
    await fails(pidfile(`${pid}\n`)).toEqual(targetError(/stale/))
    await fails(pidfile(`${process.pid}\n`)).toEqual(targetError(/this very process/))
    await fails(folder).toEqual(targetError(/EISDIR/))
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    await fails(pipe).toEqual(targetError(/is empty/))
  })

  it('of a daemon that was restarted leads to the new process', async () => {
    const first = await daemon()
    const path = pidfile(`${first.pid}\n`, 'restart.pid')
    const dispatcher = createDispatcher({ pidfile: path })
    await dispatcher.check()
    await end(first.child)
    await expect(dispatcher.act()).rejects.toEqual(targetError(/stale/))
    const second = await daemon()
    pidfile(`${second.pid}\n`, 'restart.pid')
    const seen = second.hup()
    await dispatcher.act()
    expect(await seen).toBe('hup\n')
    expect([...dispatcher.pids]).toEqual([second.pid])
  })

  it('that was not written again though the process changed is stale; written again it counts', async () => {
    const { pid } = await daemon()
    const path = pidfile(`${pid}\n`, 'reuse.pid')
    let start = '100'
    const killed: number[] = []
    const host = {
      processes: { ...procfs, get: (p: number) => ({ ...(procfs.get(p) as ProcessInfo), startTime: start }) },
      kill: (p: number) => void killed.push(p),
    }
    const dispatcher = createDispatcher({ pidfile: path }, { host })
    await dispatcher.check()
    start = '200'
    await expect(dispatcher.act()).rejects.toEqual(targetError(/stale.*another process/))
    await expect(dispatcher.act()).rejects.toEqual(targetError(/stale.*another process/))
    expect(killed).toEqual([])
    utimesSync(path, new Date(), new Date(Date.now() + 5000))
    await dispatcher.act()
    expect(killed).toEqual([pid])
  })
})

describe('a process by name', () => {
  it('is found by argv[0], even where the kernel keeps only 15 bytes of a name', async () => {
    const name = `a-media-server-with-a-long-name-${process.pid}`
    const { pid } = await daemon(`/opt/${name}`)
    expect(await resolveTarget({ process: name }, procfs)).toMatchObject([{ pid }])
  })

  it('is found by the title that a daemon writes over its arguments', async () => {
    const name = `titled${process.pid}`
    const { pid } = await daemon(`${name}: master process /usr/sbin/${name} -g daemon off;`)
    expect(await resolveTarget({ process: name }, procfs)).toMatchObject([{ pid }])
  })

  it('means every one of that name, but of a family only the eldest', async () => {
    const name = `family${process.pid}`
    const first = await daemon(name)
    const second = await daemon(name)
    const family = spawn(
      'bash',
      ['-c', `(exec -a ${name} sleep 60) & (exec -a ${name} sleep 61) & echo ready; wait`],
      { argv0: name, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    children.push(family)
    await once(family.stdout as NodeJS.ReadableStream, 'data')
    const found = await resolveTarget({ process: name }, procfs)
    expect(found.map((info) => info.pid).sort()).toEqual([first.pid, second.pid, family.pid].sort())
    execFileSync('pkill', ['-P', String(family.pid)])
  })

  it('never means this process or one it descends from', async () => {
    const self = procfs.get(process.pid) as ProcessInfo
    for (const name of procfs.names(self)) {
      const found = await resolveTarget({ process: name }, procfs).catch(() => [])
      expect(found.map((info) => info.pid)).not.toContain(process.pid)
      expect(found.map((info) => info.pid)).not.toContain(process.ppid)
    }
  })

  it('that does not run is an error', async () => {
    await expect(resolveTarget({ process: 'no-such-daemon' }, procfs)).rejects.toEqual(
      targetError(/no process named no-such-daemon/),
    )
  })
})

describe('a systemd unit', () => {
  const path = process.env.PATH
  afterEach(() => {
    process.env.PATH = path
  })
  /** Puts a systemctl in front that answers as systemd's does. */
  function systemctl(body: string): void {
    writeFileSync(join(folder, 'systemctl'), `#!/bin/sh\n${body}\n`)
    chmodSync(join(folder, 'systemctl'), 0o755)
    process.env.PATH = `${folder}:${path}`
  }
  const answer = (pid: number, state: string, load = 'loaded') =>
    systemctl(
      `echo "$*" >${folder}/asked; printf 'MainPID=${pid}\\nLoadState=${load}\\nActiveState=${state}\\n'`,
    )

  it('means its main process', async () => {
    const { pid, hup } = await daemon()
    answer(pid, 'active')
    const seen = hup()
    const dispatcher = createDispatcher({ unit: 'mpd' })
    await dispatcher.act()
    expect(await seen).toBe('hup\n')
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toContain('-- mpd.service')
  })

  it('that is unknown, or not running, is an error that says so', async () => {
    answer(0, 'inactive', 'not-found')
    await expect(createDispatcher({ unit: 'x' }).check()).rejects.toEqual(
      targetError(/knows no unit x.service/),
    )
    answer(0, 'inactive')
    await expect(createDispatcher({ unit: 'x' }).check()).rejects.toEqual(
      targetError(/systemctl start x.service/),
    )
    systemctl('echo "System has not been booted with systemd" >&2; exit 1')
    await expect(createDispatcher({ unit: 'x' }).check()).rejects.toEqual(
      targetError(/not been booted with systemd.*pidfile/),
    )
    process.env.PATH = '/nonexistent'
    await expect(createDispatcher({ unit: 'x' }).check()).rejects.toEqual(
      targetError(/there is no systemctl/),
    )
  })

  it('owns every process of its cgroup', () => {
    const host = {
      processes: {
        ...procfs,
        cgroup: (pid: number) => (pid === 7 ? '0::/system.slice/mpd.service\n' : '0::/\n'),
      },
      kill: () => {},
    }
    const dispatcher = createDispatcher({ unit: 'mpd' }, { host })
    expect(dispatcher.owns({ pid: 7 })).toBe(true)
    expect(dispatcher.owns({ pid: 8 })).toBe(false)
  })
})

describe('a command', () => {
  const sh = (script: string, ...args: string[]) => ({ exec: ['sh', '-c', script, ...args] as const })

  it('gets its arguments as they are and the changes as JSON lines', async () => {
    const out = join(folder, 'input')
    const dispatcher = createDispatcher(sh('cat >"$1"; echo "$2" >>"$1"', 'sh', out, '*; $HOME'))
    expect(dispatcher.wantsChanges).toBe(true)
    await dispatcher.check()
    const changes = [{ path: 'a\nb' }, { path: 'c' }]
    expect(await dispatcher.act(changes)).toMatchObject({ kind: 'exec', pid: expect.any(Number) })
    const lines = readFileSync(out, 'utf8').trim().split('\n')
    expect(lines.slice(0, 2).map((line) => JSON.parse(line))).toEqual(changes)
    expect(lines[2]).toBe('*; $HOME')
  })

  it('may leave its input unread, and the input may be large', async () => {
    const many = Array.from({ length: 100_000 }, (_, i) => ({ path: `file ${i}` }))
    await createDispatcher(sh('exit 0')).act(many)
    const out = join(folder, 'count')
    await createDispatcher(sh('wc -l >"$1"', 'sh', out)).act(many)
    expect(readFileSync(out, 'utf8').trim()).toBe('100000')
  })

  it('that fails is an error with the end of what it said', async () => {
    await expect(createDispatcher(sh('echo oops >&2; exit 3')).act()).rejects.toEqual(
      targetError(/sh failed with exit status 3: oops/),
    )
    await expect(createDispatcher(sh('kill -TERM $$')).act()).rejects.toEqual(targetError(/ended by SIGTERM/))
  })

  it('that takes too long is ended with all that it started', async () => {
    const note = join(folder, 'grandchild')
    const target = { ...sh('sleep 60 & echo $! >"$1"; wait', 'sh', note), timeout: '300ms' }
    await expect(createDispatcher(target).act()).rejects.toEqual(targetError(/longer than 300ms/))
    const grandchild = Number(readFileSync(note, 'utf8'))
    await expect.poll(() => procfs.get(grandchild), { timeout: 2000 }).toBeUndefined()
  })

  it('can be ended while it runs', async () => {
    const dispatcher = createDispatcher(sh('sleep 60'))
    const acting = dispatcher.act()
    dispatcher.abort()
    await expect(acting).rejects.toEqual(targetError(/ended because the watcher stops/))
    await expect(dispatcher.act()).rejects.toEqual(targetError(/not run because the watcher stops/))
  })

  it('that leaves a daemon behind is done when it has itself ended', async () => {
    const note = join(folder, 'left')
    await createDispatcher(sh('sleep 60 & echo $! >"$1"', 'sh', note)).act()
    const left = Number(readFileSync(note, 'utf8'))
    expect(procfs.get(left)).toBeDefined()
    process.kill(left, 'SIGKILL')
  })

  it('is known for some seconds after its end, and for as long as something that it left behind runs', async () => {
    const note = join(folder, 'lingering')
    const quick = createDispatcher(sh('true'))
    const lingering = createDispatcher(sh('sleep 60 >/dev/null 2>&1 & echo $! >"$1"', 'sh', note))
    await Promise.all([quick.act(), lingering.act()])
    const left = Number(readFileSync(note, 'utf8'))
    expect(quick.pids.size).toBe(1)
    await expect.poll(() => quick.pids.size, { timeout: 8000 }).toBe(0)
    expect(lingering.owns({ pid: left })).toBe(true)
    process.kill(left, 'SIGKILL')
  }, 10_000)

  it('that cannot be found or run is an error before and at the time', async () => {
    const none = createDispatcher({ exec: ['no-such-command'] })
    await expect(none.check()).rejects.toEqual(targetError(/was not found/))
    await expect(none.act()).rejects.toEqual(targetError(/not found/))
    const plain = join(folder, 'plain')
    writeFileSync(plain, '')
    await expect(createDispatcher({ exec: [plain] }).check()).rejects.toEqual(targetError(/chmod \+x/))
    expect(existsSync(plain)).toBe(true)
  })

  it('owns what it and its children do', async () => {
    const dispatcher = createDispatcher(sh('sleep 60 & echo $!; wait'), {
      onOutput: (_stream, chunk) => resolveChild(Number(String(chunk))),
    })
    let resolveChild: (pid: number) => void = () => {}
    const child = new Promise<number>((resolve) => {
      resolveChild = resolve
    })
    const acting = dispatcher.act().catch(() => {})
    const pid = await child
    const [own] = dispatcher.pids
    expect(dispatcher.owns({ pid: own as number })).toBe(true)
    expect(dispatcher.owns({ pid })).toBe(true)
    expect(dispatcher.owns({ pid: 999_999_999, pgid: own as number })).toBe(true)
    expect(dispatcher.owns({ pid: process.pid })).toBe(false)
    dispatcher.abort()
    await acting
  })
})

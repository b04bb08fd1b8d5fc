/** The rescan watcher's plan 'vfs': changes that no system call of a 64-bit program makes. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RescanChange, RescanWatcher } from '../../lib/watch/index.js'
import { requireDTrace } from '../live/helper.js'
import { Changes, makeSandbox, type Sandbox } from '../live/rescan-driver.js'
import { NfsServer } from './nfs-server.js'

const describe = requireDTrace()
const run = promisify(execFile)
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

let sandbox: Sandbox
let dir: string
let outside: string
let upper: string
let overlay: string
let uring: string
let thirtyTwo: string
let watcher: RescanWatcher
let changes: Changes
const troubles: unknown[] = []
const ended: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  sandbox = await makeSandbox()
  ended.push(() => sandbox.dispose())
  dir = join(sandbox.folder, 'media')
  outside = join(sandbox.folder, 'outside')
  upper = join(sandbox.folder, 'upper')
  overlay = join(sandbox.folder, 'overlay')
  uring = join(sandbox.folder, 'uring')
  thirtyTwo = join(sandbox.folder, 'thirty-two')
  for (const name of [
    join(dir, 'marks'),
    join(dir, 'a'),
    outside,
    upper,
    overlay,
    `${upper}-work`,
    `${upper}-lower`,
  ])
    await mkdir(name, { recursive: true })
  await writeFile(join(`${upper}-lower`, 'below'), 'text')
  await run('cc', ['-O2', '-Wall', '-Werror', '-o', uring, fixture('uring.c')])
  const bare = [
    '-m32',
    '-O1',
    '-nostdlib',
    '-static',
    '-ffreestanding',
    '-fno-stack-protector',
    '-fno-pie',
    '-no-pie',
  ]
  await run('cc', [...bare, '-Wall', '-Werror', '-o', thirtyTwo, fixture('thirty-two.c')])
  const layers = `lowerdir=${upper}-lower,upperdir=${upper},workdir=${upper}-work`
  await run('mount', ['-t', 'overlay', '-o', layers, 'overlay', overlay])
  ended.push(() => run('umount', ['-l', overlay]))
  // One session for all: it takes its time there.
  watcher = await RescanWatcher.start({ paths: [dir, upper, overlay], plan: 'vfs' })
  ended.push(() => watcher.stop())
  for (const name of ['drop', 'fault', 'blind'] as const)
    watcher.on(name, (what: unknown) => troubles.push(what))
  changes = new Changes(watcher, sandbox, join(dir, 'marks'))
}, 1_200_000)

afterAll(async () => {
  for (const end of ended.reverse()) await end()
}, 120_000)

/** The changes that one run of a program made, and who made them. */
async function by(program: string, ...args: string[]): Promise<RescanChange[]> {
  await changes.settle()
  const running = run(program, args)
  const { pid } = running.child
  await running
  return (await changes.settle()).filter((change) => change.pid === pid)
}

async function of(program: string, ...args: string[]): Promise<unknown[]> {
  return (await by(program, ...args)).map(({ op, path }) => [op, path])
}

test('the plan is possible, and is what auto chooses', () => {
  expect(watcher.plan).toBe('vfs')
})

describe('io_uring', () => {
  for (const how of [[], ['async']]) {
    test(how.length === 0 ? 'by the process itself' : 'by its worker threads', async () => {
      const call = (...args: string[]): Promise<unknown[]> => of(uring, ...how, ...args)
      expect(await call('openat', `${dir}/f`)).toEqual([['open', `${dir}/f`]])
      expect(await call('mkdirat', `${dir}/d`)).toEqual([['mkdir', `${dir}/d`]])
      expect(await call('linkat', `${dir}/f`, `${dir}/d/hard`)).toEqual([['link', `${dir}/d/hard`]])
      expect(await call('symlinkat', 'f', `${dir}/soft`)).toEqual([['symlink', `${dir}/soft`]])
      const [renamed] = await by(uring, ...how, 'renameat', `${dir}/f`, `${dir}/a/f`)
      expect(renamed).toMatchObject({ op: 'rename', from: `${dir}/f`, to: `${dir}/a/f`, execname: 'uring' })
      expect(await call('unlinkat', `${dir}/d/hard`)).toEqual([['unlink', `${dir}/d/hard`]])
      expect(await call('unlinkat', `${dir}/soft`)).toEqual([['unlink', `${dir}/soft`]])
      expect(await call('rmdirat', `${dir}/d`)).toEqual([['rmdir', `${dir}/d`]])
      const [out] = await by(uring, ...how, 'renameat', `${dir}/a/f`, `${outside}/f`)
      expect(out).toMatchObject({ op: 'rename', path: `${dir}/a/f`, from: `${dir}/a/f` })
      expect(out).not.toHaveProperty('to')
    })
  }

  test('elsewhere, or without success, is not reported', async () => {
    expect(await of(uring, 'openat', `${outside}/g`)).toEqual([])
    await expect(of(uring, 'unlinkat', `${dir}/nothing`)).rejects.toThrow('No such file')
    expect(await changes.settle()).toEqual([])
  })
})

test.skipIf(process.arch !== 'x64')('a 32-bit program', async () => {
  const call = (...args: string[]): Promise<unknown[]> => of(thirtyTwo, ...args)
  expect(await call('open', `${dir}/f`)).toEqual([['open', `${dir}/f`]])
  expect(await call('creat', `${dir}/g`)).toEqual([['open', `${dir}/g`]])
  expect(await call('truncate', `${dir}/g`)).toEqual([['truncate', `${dir}/g`]])
  expect(await call('mkdir', `${dir}/d`)).toEqual([['mkdir', `${dir}/d`]])
  expect(await call('link', `${dir}/f`, `${dir}/d/hard`)).toEqual([['link', `${dir}/d/hard`]])
  expect(await call('symlink', 'f', `${dir}/soft`)).toEqual([['symlink', `${dir}/soft`]])
  const [renamed] = await by(thirtyTwo, 'rename', `${dir}/f`, `${dir}/a/f`)
  expect(renamed).toMatchObject({ op: 'rename', from: `${dir}/f`, to: `${dir}/a/f`, execname: 'thirty-two' })
  for (const name of ['d/hard', 'soft', 'g', 'a/f'])
    expect(await call('unlink', `${dir}/${name}`)).toEqual([['unlink', `${dir}/${name}`]])
  expect(await call('rmdir', `${dir}/d`)).toEqual([['rmdir', `${dir}/d`]])
})

describe('an overlay, whose calls contain calls on the file system below', () => {
  /** Of one change, what is told of the overlay and of its upper directory. */
  const both = async (...args: string[]): Promise<{ top: string[]; below: string[] }> => {
    const found = (await by(sandbox.program, ...args)).map(({ op, path }) => `${op} ${path}`)
    return {
      top: found.filter((line) => line.includes(`${overlay}/`)),
      below: found.filter((line) => line.includes(`${upper}/`)),
    }
  }

  test('changes of both are reported, each where it is', async () => {
    const created = await both('openat', '.', `${overlay}/f`)
    expect(created.top).toEqual([`open ${overlay}/f`])
    expect(created.below).toContain(`open ${upper}/f`)
    const renamed = await both('renameat', '.', `${overlay}/f`, '.', `${overlay}/g`)
    expect(renamed).toEqual({ top: [`rename ${overlay}/g`], below: [`rename ${upper}/g`] })
    const made = await both('mkdirat', '.', `${overlay}/d`)
    expect(made.top).toEqual([`mkdir ${overlay}/d`])
    expect(made.below.length).toBeGreaterThan(0)
    const removed = await both('unlinkat', '.', `${overlay}/g`)
    expect(removed).toEqual({ top: [`unlink ${overlay}/g`], below: [`unlink ${upper}/g`] })
    // Copied up from the lower layer first.
    const written = await both('openat', '.', `${overlay}/below`)
    expect(written.top).toEqual([`open ${overlay}/below`])
  })
})

describe('the NFS server', () => {
  let server: NfsServer

  beforeAll(async () => {
    server = await NfsServer.start(dir, join(sandbox.folder, 'nfs'))
    ended.push(() => server.stop())
    await changes.settle()
  }, 600_000)

  test('creates, writes, renames and removes for its clients', async () => {
    const at = (path: string): string => join(server.mountPoint, path)
    const served = async (...args: string[]): Promise<unknown[]> => {
      await changes.settle()
      await run(sandbox.program, args)
      const found = (await changes.settle()).filter(({ execname }) => execname === 'nfsd')
      return found.map(({ op, path }) => `${op} ${path}`)
    }
    expect(await served('openat', '.', at('f'))).toContain(`open ${dir}/f`)
    expect(await served('truncate', at('f'))).toContain(`truncate ${dir}/f`)
    expect(await served('mkdirat', '.', at('d'))).toEqual([`mkdir ${dir}/d`])
    expect(await served('linkat', '.', at('f'), '.', at('d/hard'))).toEqual([`link ${dir}/d/hard`])
    expect(await served('symlinkat', 'f', '.', at('soft'))).toEqual([`symlink ${dir}/soft`])
    expect(await served('renameat', '.', at('f'), '.', at('a/f'))).toEqual([`rename ${dir}/a/f`])
    for (const name of ['d/hard', 'soft', 'a/f'])
      expect(await served('unlinkat', '.', at(name))).toEqual([`unlink ${dir}/${name}`])
    expect(await served('unlinkat', '.', at('d'), 'directory')).toEqual([`rmdir ${dir}/d`])
  })
})

test('nothing was dropped, no clause failed, and nothing was blind', () => {
  expect(troubles).toEqual([])
})

/** Every kind of change and every odd path, each with its exact path and process. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RescanChange, RescanWatcher } from '../../lib/watch/index.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'
import { Changes, change, event, makeSandbox, plan, type Sandbox } from './rescan-driver.js'

const describe = requireDTrace()
const run = promisify(execFile)

let sandbox: Sandbox
/** The watched directory. */
let dir: string
/** Another, given through a symbolic link. */
let link: string
let outside: string
let watcher: RescanWatcher
let changes: Changes
/** arm64 has the …at forms only. */
const hasOpen = process.arch === 'x64'
const troubles: unknown[] = []
const mounts: string[] = []

beforeAll(async () => {
  sandbox = await makeSandbox()
  dir = join(sandbox.folder, 'media')
  link = join(sandbox.folder, 'link')
  outside = join(sandbox.folder, 'outside')
  await mkdir(join(dir, 'marks'), { recursive: true })
  await mkdir(join(dir, 'a', 'b'), { recursive: true })
  await mkdir(outside)
  await mkdir(join(sandbox.folder, 'second'))
  await symlink('second', link)
  watcher = await RescanWatcher.start({ paths: [`${dir}/`, link], plan })
  for (const name of ['drop', 'fault', 'failure'] as const)
    watcher.on(name, (what: { kind?: string }) => {
      // What the kernel passed over on Linux 7.2 in the laboratory (docs/libdtrace.md) was somebody else's, if all changes came.
      if (what.kind !== 'missed') troubles.push(what)
    })
  changes = new Changes(watcher, sandbox, join(dir, 'marks'))
}, patience(120_000))

afterAll(async () => {
  for (const point of mounts.reverse()) await run('umount', ['-l', point])
  await watcher?.stop()
  await sandbox?.dispose()
}, patience(60_000))

/** The op and path of each change that one call made. */
async function of(...args: string[]): Promise<[string, string][]> {
  const { changes: found } = await changes.of(...args)
  return found.map(({ op, path }) => [op, path])
}

describe('a change is reported with who made it', () => {
  test('process, user, host, time and watched directory', async () => {
    const before = Date.now()
    const { pid, changes: found } = await changes.of('openat', '.', `${dir}/a/new`)
    expect(found).toEqual([
      {
        path: `${dir}/a/new`,
        op: 'open',
        execname: 'changes',
        pid,
        uid: 0,
        zone_name: hostname(),
        timestamp: expect.any(Number),
        directory: dir,
      },
    ] satisfies RescanChange[])
    expect(found[0]?.timestamp).toBeGreaterThan(before - 1000)
    expect(found[0]?.timestamp).toBeLessThan(Date.now() + 1000)
  })

  test('a user by number', async () => {
    await chmod(sandbox.folder, 0o755)
    await chmod(join(dir, 'a'), 0o777)
    await changes.settle()
    await run(sandbox.program, ['openat', '.', `${dir}/a/by-nobody`], { uid: 65534, gid: 65534 })
    expect((await changes.settle()).map(({ path, uid }) => [path, uid])).toEqual([
      [`${dir}/a/by-nobody`, 65534],
    ])
  })
})

describe('every system call that changes files', () => {
  test.skipIf(!hasOpen)('the calls that have an …at form as well', async () => {
    expect(await of('open', `${dir}/f`)).toEqual([['open', `${dir}/f`]])
    expect(await of('creat', `${dir}/g`)).toEqual([['creat', `${dir}/g`]])
    expect(await of('mkdir', `${dir}/d`)).toEqual([['mkdir', `${dir}/d`]])
    expect(await of('link', `${dir}/f`, `${dir}/d/hard`)).toEqual([['link', `${dir}/d/hard`]])
    expect(await of('symlink', '../f', `${dir}/d/soft`)).toEqual([['symlink', `${dir}/d/soft`]])
    expect(await of('mknod', `${dir}/d/fifo`)).toEqual([['mknod', `${dir}/d/fifo`]])
    expect(await of('rename', `${dir}/f`, `${dir}/d/f`)).toEqual([['rename', `${dir}/d/f`]])
    expect(await of('unlink', `${dir}/d/f`)).toEqual([['unlink', `${dir}/d/f`]])
    await rm(join(dir, 'd'), { recursive: true })
    await mkdir(join(dir, 'd'))
    expect(await of('rmdir', `${dir}/d`)).toEqual([['rmdir', `${dir}/d`]])
  })

  test('the …at forms, from a directory descriptor', async () => {
    const at = `@${dir}/a`
    expect(await of('openat', at, 'f')).toEqual([['open', `${dir}/a/f`]])
    expect(await of('openat2', at, 'g')).toEqual([['open', `${dir}/a/g`]])
    expect(await of('mkdirat', at, 'd')).toEqual([['mkdir', `${dir}/a/d`]])
    expect(await of('linkat', at, 'f', `@${dir}/a/d`, 'hard')).toEqual([['link', `${dir}/a/d/hard`]])
    expect(await of('symlinkat', 'f', at, 'soft')).toEqual([['symlink', `${dir}/a/soft`]])
    expect(await of('mknodat', at, 'node')).toEqual([['mknod', `${dir}/a/node`]])
    expect(await of('renameat', at, 'f', `@${dir}/a/d`, 'f')).toEqual([['rename', `${dir}/a/d/f`]])
    expect(await of('renameat2', `@${dir}/a/d`, 'f', at, 'f')).toEqual([['rename', `${dir}/a/f`]])
    expect(await of('unlinkat', at, 'soft')).toEqual([['unlink', `${dir}/a/soft`]])
    await rm(join(dir, 'a', 'd', 'hard'))
    expect(await of('unlinkat', at, 'd', 'directory')).toEqual([['rmdir', `${dir}/a/d`]])
  })

  test('truncating by path and by descriptor, and by opening without writing', async () => {
    await writeFile(join(dir, 't'), 'text')
    expect(await of('truncate', `${dir}/t`)).toEqual([['truncate', `${dir}/t`]])
    expect(await of('ftruncate', `${dir}/t`)).toEqual([
      ['open', `${dir}/t`],
      ['truncate', `${dir}/t`],
    ])
    const calls = ['emptied', 'emptied2', 'emptied3', ...(hasOpen ? ['emptied0'] : [])]
    for (const call of calls) {
      await writeFile(join(dir, 't'), 'text')
      expect(await of(call, `${dir}/t`)).toEqual([['open', `${dir}/t`]])
    }
    for (const call of ['created', ...(hasOpen ? ['created0'] : [])]) {
      expect(await of(call, `${dir}/${call}`)).toEqual([['open', `${dir}/${call}`]])
    }
  })

  test('both sides of a rename', async () => {
    await writeFile(join(dir, 'from'), '')
    const inside = await changes.of('renameat', '.', `${dir}/from`, '.', `${dir}/to`)
    expect(inside.changes).toMatchObject([
      { op: 'rename', path: `${dir}/to`, from: `${dir}/from`, to: `${dir}/to` },
    ])
    const out = await changes.of('renameat', '.', `${dir}/to`, '.', `${outside}/to`)
    expect(out.changes).toMatchObject([{ op: 'rename', path: `${dir}/to`, from: `${dir}/to` }])
    expect(out.changes[0]).not.toHaveProperty('to')
    const back = await changes.of('-C', outside, 'renameat', '.', 'to', `@${dir}`, 'back')
    expect(back.changes).toMatchObject([{ op: 'rename', path: `${dir}/back`, to: `${dir}/back` }])
    expect(back.changes[0]).not.toHaveProperty('from')
    await writeFile(join(dir, 'other'), '')
    const exchange = await changes.of('renameat2', '.', `${dir}/back`, '.', `${dir}/other`, '2')
    expect(exchange.changes).toMatchObject([
      { path: `${dir}/other`, from: `${dir}/back`, to: `${dir}/other` },
    ])
  })

  test('between two watched directories', async () => {
    await writeFile(join(dir, 'x'), '')
    const { changes: found } = await changes.of('renameat', '.', `${dir}/x`, '.', `${link}/x`)
    expect(found).toMatchObject([{ path: `${link}/x`, from: `${dir}/x`, to: `${link}/x`, directory: link }])
  })

  test('what is no change is not reported', async () => {
    const calls = ['read', 'read2', 'path', ...(hasOpen ? ['read0'] : [])]
    for (const call of calls) expect(await of(call, `${dir}/t`)).toEqual([])
    expect(await of('tmpfile', dir)).toEqual([])
    await expect(of('unlinkat', '.', `${dir}/nothing`)).rejects.toThrow('No such file')
    await expect(of('mkdirat', '.', `${dir}/a`)).rejects.toThrow('exists')
    expect(await changes.settle()).toEqual([])
  })

  test('what is elsewhere is not reported', async () => {
    expect(await of('openat', '.', `${outside}/f`)).toEqual([])
    expect(await of('-C', outside, 'mkdirat', '.', 'd')).toEqual([])
    expect(await of('mkdirat', '.', `${outside}/e`)).toEqual([])
    // A name that begins like the watched directory's.
    expect(await of('mkdirat', '.', `${dir}-more`)).toEqual([])
    expect(await of('openat', '.', `${dir}-more/f`)).toEqual([])
    expect(await of('unlinkat', '.', `${dir}/../outside/f`)).toEqual([])
  })
})

describe('paths as programs write them', () => {
  test('relative to the working directory', async () => {
    expect(await of('-C', join(dir, 'a'), 'openat', '.', 'b/r')).toEqual([['open', `${dir}/a/b/r`]])
    expect(await of('-C', join(dir, 'a'), 'unlinkat', '.', 'b/r')).toEqual([['unlink', `${dir}/a/b/r`]])
    expect(await of('-C', join(dir, 'a', 'b'), 'mkdirat', '.', 'm')).toEqual([['mkdir', `${dir}/a/b/m`]])
    expect(await of('-C', dir, 'unlinkat', '.', 'a/b/m/', 'directory')).toEqual([['rmdir', `${dir}/a/b/m`]])
    expect(await of('-C', sandbox.folder, 'mkdirat', '.', 'media/n')).toEqual([['mkdir', `${dir}/n`]])
  })

  test('with . and .. and double slashes', async () => {
    expect(await of('mkdirat', '.', `${outside}/..//media/./a/../m`)).toEqual([['mkdir', `${dir}/m`]])
    expect(await of('-C', outside, 'unlinkat', '.', '../media/m/', 'directory')).toEqual([
      ['rmdir', `${dir}/m`],
    ])
    expect(await of('openat', `@${outside}`, '../media/a/./x')).toEqual([['open', `${dir}/a/x`]])
  })

  test('through symbolic links from elsewhere', async () => {
    await symlink(join(dir, 'a'), join(outside, 'alias'))
    await symlink('alias/b', join(outside, 'alias2'))
    expect(await of('openat', '.', `${outside}/alias/l`)).toEqual([['open', `${dir}/a/l`]])
    expect(await of('unlinkat', '.', `${outside}/alias/l`)).toEqual([['unlink', `${dir}/a/l`]])
    expect(await of('-C', outside, 'mkdirat', '.', 'alias2/deep')).toEqual([['mkdir', `${dir}/a/b/deep`]])
    expect(await of('mkdirat', '.', `${outside}/alias2/../up`)).toEqual([['mkdir', `${dir}/a/up`]])
    await symlink(join(dir, 't'), join(outside, 'file-alias'))
    expect(await of('-C', outside, 'truncate', 'file-alias')).toEqual([['truncate', `${dir}/t`]])
    // The link itself is elsewhere.
    expect(await of('unlinkat', '.', `${outside}/file-alias`)).toEqual([])
    // A link in the watched directory leads out of it.
    await symlink(outside, join(dir, 'way-out'))
    expect(await of('mkdirat', '.', `${dir}/way-out/gone`)).toEqual([])
  })

  test('below a watched directory that is itself a symbolic link, as it was named', async () => {
    expect(await of('mkdirat', '.', `${sandbox.folder}/second/d`)).toEqual([['mkdir', `${link}/d`]])
    expect(await of('openat', '.', `${link}/d/f`)).toEqual([['open', `${link}/d/f`]])
    expect(await of('unlinkat', '.', `${link}/d/f`)).toEqual([['unlink', `${link}/d/f`]])
  })

  test('in a chroot', async () => {
    await symlink('/a', join(dir, 'root-link'))
    const program = join(sandbox.folder, 'static')
    await run('cc', ['-static', '-O2', '-o', program, join(import.meta.dirname, 'fixtures', 'changes.c')])
    await run('cp', [program, join(dir, 'jailed')])
    await changes.settle()
    await run('chroot', [dir, '/jailed', 'mkdirat', '.', '/root-link/cell'])
    await run('chroot', [dir, '/jailed', 'openat', '.', '/root-link/cell/f'])
    expect((await changes.settle()).map(({ op, path }) => [op, path])).toEqual([
      ['mkdir', `${dir}/a/cell`],
      ['open', `${dir}/a/cell/f`],
    ])
  })
})

describe('names of all kinds', () => {
  const names: [what: string, name: string][] = [
    ['spaces', ' a  b '],
    ['a newline and a tab', 'a\nb\tc'],
    ['a backslash and quotes', 'a\\b\'"c'],
    ['percent-s', '%25s %25d'],
    ['a leading dash', '-rf'],
    ['UTF-8', 'Müsli – 音楽 🎵'],
    ['255 bytes', 'n'.repeat(255)],
    ['255 bytes of UTF-8', 'ü'.repeat(127).concat('x')],
  ]
  for (const [what, encoded] of names) {
    test(what, async () => {
      const name = encoded.replaceAll('%25', '%')
      expect(await of('openat', '.', `${dir}/${encoded}`)).toEqual([['open', `${dir}/${name}`]])
      expect(await of('unlinkat', `@${dir}`, encoded)).toEqual([['unlink', `${dir}/${name}`]])
      expect(await of('mkdirat', '.', `${dir}/${encoded}`)).toEqual([['mkdir', `${dir}/${name}`]])
      expect(await of('openat', '.', `${dir}/${encoded}/f`)).toEqual([['open', `${dir}/${name}/f`]])
      expect(await of('-C', `${dir}/${encoded}`, 'unlinkat', '.', 'f')).toEqual([
        ['unlink', `${dir}/${name}/f`],
      ])
      expect(await of('unlinkat', '.', `${dir}/${encoded}`, 'directory')).toEqual([
        ['rmdir', `${dir}/${name}`],
      ])
    })
  }

  test('bytes that are not UTF-8', async () => {
    const bytes = new Uint8Array(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xe4, 0xff, 0x41])]))
    for (const [call, op] of [
      ['openat', 'open'],
      ['unlinkat', 'unlink'],
      ['mkdirat', 'mkdir'],
    ] as const) {
      const { changes: found } = await changes.of(call, `@${dir}`, '%e4%ffA')
      expect(found).toMatchObject([{ op, path: `${dir}/\ufffd\ufffdA`, path_bytes: bytes }])
    }
  })

  test('a path of more than 255 bytes, up to the longest', async () => {
    const long = 'l'.repeat(255)
    let path = dir
    for (const part of [1, 2, 3]) {
      path = `${path}/${part}${long.slice(1)}`
      await mkdir(path)
    }
    expect(await of('mkdirat', '.', `${path}/m`)).toEqual([['mkdir', `${path}/m`]])
    expect(await of('openat', '.', `${path}/f`)).toEqual([['open', `${path}/f`]])
    const { changes: renamed } = await changes.of('renameat', '.', `${path}/f`, '.', `${path}/g`)
    expect(renamed).toMatchObject([{ from: `${path}/f`, to: `${path}/g` }])
    const padding = './'.repeat((4095 - `${path}/m`.length) >> 1)
    expect(await of('unlinkat', '.', `${path}/${padding}m`, 'directory')).toEqual([['rmdir', `${path}/m`]])
  })

  test('a path string of exactly 255 and 256 bytes', async () => {
    for (const length of [254, 255, 256, 257]) {
      const path = `${dir}/`.padEnd(length, 'p')
      expect(await of('mkdirat', '.', path)).toEqual([['mkdir', path]])
      expect(await of('unlinkat', '.', path, 'directory')).toEqual([['rmdir', path]])
    }
  })
})

describe('a tree that is deeper than the walk in the kernel', () => {
  /** Such a change may have to be searched for, which takes its time. */
  async function deepChange(path: string, ...args: string[]): Promise<RescanChange> {
    const seen = event<RescanChange>(watcher, 'change', (one) => one.path === path)
    const pid = await change(sandbox, ...args)
    const one = await seen
    expect(one.pid).toBe(pid)
    return one
  }

  test('files and directories at a depth of 20, 40 and 200', async () => {
    for (const depth of [20, 40, 200]) {
      const deep = `${dir}/${Array.from({ length: depth }, (_, i) => `d${i}`).join('/')}`
      await mkdir(deep, { recursive: true })
      expect(await deepChange(`${deep}/f`, 'openat', '.', `${deep}/f`)).toMatchObject({ op: 'open' })
      expect(await deepChange(`${deep}/g`, 'openat', `@${deep}`, 'g')).toMatchObject({ op: 'open' })
      expect(await deepChange(`${deep}/m`, '-C', deep, 'mkdirat', '.', 'm')).toMatchObject({ op: 'mkdir' })
      const up = `${deep.slice(0, deep.lastIndexOf('/'))}/n`
      expect(await deepChange(up, '-C', deep, 'renameat', '.', 'm', '.', '../n')).toMatchObject({
        op: 'rename',
        from: `${deep}/m`,
      })
      expect(await deepChange(`${deep}/f`, 'unlinkat', `@${deep}`, 'f')).toMatchObject({ op: 'unlink' })
    }
  })

  test('the same elsewhere is not reported', async () => {
    const deep = `${outside}/${Array.from({ length: 60 }, (_, i) => `d${i}`).join('/')}`
    await mkdir(deep, { recursive: true })
    await changes.settle()
    expect(await of('openat', '.', `${deep}/f`)).toEqual([])
    expect(await of('-C', deep, 'mkdirat', '.', 'm')).toEqual([])
    expect(await of('unlinkat', `@${deep}`, 'f')).toEqual([])
  })
})

describe('mounts', () => {
  async function mount(...args: string[]): Promise<void> {
    await run('mount', args)
    mounts.push(args.at(-1) as string)
  }

  test('what is mounted in the tree is part of it at once, and no longer when it is unmounted', async () => {
    const point = join(dir, 'a', 'disk')
    await mkdir(point)
    await changes.settle()
    const mounted = event<RescanChange>(watcher, 'change', ({ op }) => op === 'mount')
    await mount('-t', 'tmpfs', 'none', point)
    expect(await mounted).toMatchObject({ path: point, execname: 'mount', directory: dir })
    await changes.settle()
    expect(await of('openat', '.', `${point}/f`)).toEqual([['open', `${point}/f`]])
    expect(await of('-C', point, 'mkdirat', '.', 'd')).toEqual([['mkdir', `${point}/d`]])
    expect(await of('mkdirat', '.', `${point}/../disk/d/e`)).toEqual([['mkdir', `${point}/d/e`]])
    const gone = event<RescanChange>(watcher, 'change', ({ op }) => op === 'umount')
    await run('umount', [point])
    mounts.pop()
    expect(await gone).toMatchObject({ path: point, execname: 'umount' })
  })

  test('a bind mount in the tree of a folder elsewhere, from both sides', async () => {
    const point = join(dir, 'a', 'bound')
    const source = join(outside, 'source')
    await mkdir(point)
    await mkdir(join(source, 'sub'), { recursive: true })
    const mounted = event<RescanChange>(watcher, 'change', ({ op }) => op === 'mount')
    await mount('--bind', source, point)
    await mounted
    await changes.settle()
    expect(await of('openat', '.', `${point}/sub/f`)).toEqual([['open', `${point}/sub/f`]])
    expect(await of('openat', '.', `${source}/sub/g`)).toEqual([['open', `${point}/sub/g`]])
    expect(await of('unlinkat', '.', `${source}/sub/g`)).toEqual([['unlink', `${point}/sub/g`]])
  })

  test('a bind mount elsewhere of a folder in the tree', async () => {
    const point = join(outside, 'view')
    await mkdir(point)
    await mkdir(join(dir, 'a', 'viewed'))
    await mount('--bind', join(dir, 'a'), point)
    await changes.settle()
    expect(await of('openat', '.', `${point}/viewed/f`)).toEqual([['open', `${dir}/a/viewed/f`]])
    expect(await of('unlinkat', '.', `${point}/viewed/f`)).toEqual([['unlink', `${dir}/a/viewed/f`]])
    expect(await of('-C', point, 'mkdirat', '.', 'viewed/d')).toEqual([['mkdir', `${dir}/a/viewed/d`]])
  })

  test('a process in a mount namespace of its own', async () => {
    const point = join(outside, 'namespace')
    await mkdir(point)
    await changes.settle()
    const script = `mount --bind "${dir}/a" "${point}" && "${sandbox.program}" mkdirat . "${point}/living" && "${sandbox.program}" openat . "${point}/living/f"`
    const child = execFile('unshare', ['--mount', 'sh', '-c', `${script}; read wait`])
    await event<RescanChange>(watcher, 'change', ({ path }) => path === `${dir}/a/living/f`)
    child.stdin?.end()
    const found = (await changes.settle()).filter(({ path }) => path.startsWith(`${dir}/a/living`))
    expect(found.map(({ op, path }) => [op, path])).toEqual([
      ['mkdir', `${dir}/a/living`],
      ['open', `${dir}/a/living/f`],
    ])
  })
})

describe('a watched directory', () => {
  test('that is renamed is reported, and watched again when it is back', async () => {
    await changes.settle()
    const gone = event(watcher, 'missing')
    const renamed = event<RescanChange>(watcher, 'change', ({ op, path }) => op === 'rename' && path === dir)
    await change(sandbox, 'renameat', '.', dir, '.', `${dir}-away`)
    expect(await gone).toEqual({ path: dir })
    await renamed
    const back = event(watcher, 'returned')
    await change(sandbox, 'renameat', '.', `${dir}-away`, '.', dir)
    expect(await back).toEqual({ path: dir })
    expect(await of('openat', '.', `${dir}/after`)).toEqual([['open', `${dir}/after`]])
  })

  test('that is removed is reported, and a new one watched in its place', async () => {
    await changes.settle()
    const gone = event(watcher, 'missing')
    await rm(join(sandbox.folder, 'second'), { recursive: true })
    expect(await gone).toEqual({ path: link })
    const back = event(watcher, 'returned')
    await mkdir(join(sandbox.folder, 'second'))
    expect(await back).toEqual({ path: link })
    expect(await of('openat', '.', `${link}/after`)).toEqual([['open', `${link}/after`]])
  })
})

describe('what is done through io_uring', () => {
  test('is seen in the VFS layer; system calls show only that it is used, once for a program', async () => {
    const path = `${dir}/by-uring`
    if (watcher.plan === 'vfs') {
      expect(await of('uring', path)).toEqual([['open', path]])
      return
    }
    const told: unknown[] = []
    watcher.on('blind', (blind) => told.push(blind))
    const seen = event(watcher, 'blind')
    const pid = await change(sandbox, 'uring', path)
    expect(await seen).toMatchObject({ execname: 'changes', pid, operation: 'OPENAT' })
    await change(sandbox, 'uring', path)
    await changes.settle()
    expect(told).toHaveLength(1)
    expect(await readdir(dir)).toContain('by-uring')
  })
})

describe('at the end', () => {
  test('nothing was dropped and no clause failed', () => {
    expect(troubles).toEqual([])
  })
})

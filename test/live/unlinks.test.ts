import { execFileSync } from 'node:child_process'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type UnlinksWatcher, watchUnlinks } from '../../lib/watch/index.js'
import { requireDTrace } from './helper.js'
import { makeSandbox, type Sandbox } from './rescan-driver.js'
import { Removals } from './unlinks-driver.js'

const describe = requireDTrace()

const has = (tool: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The kernel's VFS layer can be probed: every rename says what it replaced. */
const fbt = ((): boolean => {
  try {
    const functions = readFileSync('/sys/kernel/debug/tracing/available_filter_functions', 'latin1')
    return functions.includes('\nvfs_rename\n')
  } catch {
    return false
  }
})()

/** One session for all: opening and closing one takes seconds. */
describe('what a watcher of removals tells', () => {
  let sandbox: Sandbox
  let watcher: UnlinksWatcher
  let removals: Removals
  const memory = `/dev/shm/dtrace-consumer-unlinks-${process.pid}`
  const troubles: unknown[] = []
  const tops: { [where: string]: string } = {}

  beforeAll(async () => {
    sandbox = await makeSandbox()
    Object.assign(tops, { 'on disk': join(sandbox.folder, 'top'), 'in memory': memory })
    const marks = join(sandbox.folder, 'marks')
    for (const path of [...Object.values(tops), marks]) mkdirSync(path, { recursive: true })
    watcher = await watchUnlinks({ include: [`${sandbox.folder}/**`, `${memory}/**`], outcome: 'all' })
    watcher.on('drop', (drop) => troubles.push(drop))
    watcher.on('fault', (fault) => troubles.push(fault))
    removals = new Removals(watcher, sandbox, marks)
  })
  afterAll(async () => {
    await watcher?.stop()
    rmSync(memory, { recursive: true, force: true })
    await sandbox.dispose()
  })

  /** A fresh folder with these files in it, each with its name as its contents; a name with a slash at its end is a folder. */
  let folders = 0
  function made(top: string | undefined, ...names: string[]): string {
    const path = join(top ?? '', `f${folders++}`)
    mkdirSync(path)
    for (const name of names) {
      if (name.endsWith('/')) mkdirSync(join(path, name), { recursive: true })
      else writeFileSync(join(path, name), name)
    }
    return path
  }
  const inode = (path: string): number => lstatSync(path).ino

  describe.each(['on disk', 'in memory'])('%s', (where) => {
    const folder = (...names: string[]): string => made(tops[where], ...names)

    it('is each call that removes something, by whom, and the file that it was', async () => {
      const path = folder('a', 'bc', 'd/', 'e/')
      const [a, bc, d, e] = ['a', 'bc', 'd', 'e'].map((name) => lstatSync(join(path, name)))
      const common = {
        execname: 'changes',
        uid: 0,
        zone_name: expect.any(String),
        certain: true,
        nlink: 0,
        dev: a?.dev,
      }
      expect(await removals.of('unlink', join(path, 'a'))).toEqual([
        expect.objectContaining({
          ...common,
          op: 'unlink',
          path: join(path, 'a'),
          ino: a?.ino,
          file_type: 'file',
          size: 1,
        }),
      ])
      expect(await removals.of('-C', path, 'unlinkat', '.', 'bc')).toEqual([
        expect.objectContaining({
          ...common,
          op: 'unlink',
          path: join(path, 'bc'),
          ino: bc?.ino,
          file_type: 'file',
          size: 2,
        }),
      ])
      expect(await removals.of('unlinkat', `@${path}`, 'd', 'rmdir')).toEqual([
        expect.objectContaining({
          ...common,
          op: 'rmdir',
          path: join(path, 'd'),
          ino: d?.ino,
          file_type: 'directory',
        }),
      ])
      const [removed] = await removals.of('rmdir', join(path, 'e/'))
      expect(removed).toMatchObject({
        ...common,
        op: 'rmdir',
        path: join(path, 'e'),
        ino: e?.ino,
        file_type: 'directory',
      })
      expect(removed?.timestamp).toBeGreaterThan(Date.now() - 60_000)
      expect(removed?.timestamp).toBeLessThan(Date.now() + 1000)
      expect(removed?.tid).toBe(removed?.pid)
    })

    it('is a rename over a file or an empty directory, and not one that replaces nothing', async () => {
      const path = folder('old', 'new', 'x', 'from/', 'to/', 'in/', 'in/s/', 'in/t', 'u')
      const replaced = { op: 'rename', certain: true, nlink: 0 }
      const victims = Object.fromEntries(['new', 'to', 'in/t'].map((name) => [name, inode(join(path, name))]))
      expect(await removals.of('renameat2', '.', join(path, 'x'), '.', join(path, 'y'))).toEqual([])
      expect(await removals.of('renameat2', `@${path}`, 'y', '.', join(path, 'in/y'))).toEqual([])
      expect(await removals.of('renameat2', '.', join(path, 'in/s'), '.', join(path, 's'))).toEqual([])
      expect(await removals.of('rename', join(path, 'old'), join(path, 'new'))).toEqual([
        expect.objectContaining({
          ...replaced,
          ino: victims.new,
          path: join(path, 'new'),
          replaced_by: join(path, 'old'),
          file_type: 'file',
          size: 3,
        }),
      ])
      expect(await removals.of('-C', path, 'renameat', '.', 'u', `@${join(path, 'in')}`, 't')).toEqual([
        expect.objectContaining({
          ...replaced,
          path: join(path, 'in/t'),
          replaced_by: join(path, 'u'),
          ino: victims['in/t'],
        }),
      ])
      expect(await removals.of('rename', join(path, 'from'), join(path, 'to'))).toEqual([
        expect.objectContaining({
          ...replaced,
          path: join(path, 'to'),
          ino: victims.to,
          file_type: 'directory',
        }),
      ])
      // A directory that the old parent is in, and one of the same name.
      const nested = folder('b/', 'b/c/', 'b/c/x/', 'b/x/')
      const victim = inode(join(nested, 'b/x'))
      expect(await removals.of('rename', join(nested, 'b/c/x'), join(nested, 'b/x'))).toEqual([
        expect.objectContaining({
          ...replaced,
          path: join(nested, 'b/x'),
          replaced_by: join(nested, 'b/c/x'),
          ino: victim,
        }),
      ])
    })

    it('is no exchange, and no rename that may not replace', async () => {
      const path = folder('a', 'b')
      const at = (name: string): string => join(path, name)
      expect(await removals.of('renameat2', '.', at('a'), '.', at('b'), '2')).toEqual([])
      expect(await removals.of('renameat2', '.', at('a'), '.', at('b'), '1')).toEqual([])
      expect(await removals.of('renameat2', '.', at('a'), '.', at('c'), '1')).toEqual([])
    })

    it('is what is left of a file with other names, whichever of two such is replaced', async () => {
      const path = folder('a', 'b')
      const at = (name: string): string => join(path, name)
      linkSync(at('a'), at('a2'))
      linkSync(at('b'), at('b2'))
      const [a, b] = [inode(at('a')), inode(at('b'))]
      expect(await removals.of('rename', at('a'), at('b'))).toEqual([
        expect.objectContaining({ path: at('b'), ino: b, nlink: 1, certain: true }),
      ])
      expect(await removals.of('unlinkat', '.', at('a2'))).toEqual([
        expect.objectContaining({ path: at('a2'), ino: a, nlink: 1 }),
      ])
      // Two names of one file: rename(2) does nothing then.
      linkSync(at('b'), at('a3'))
      expect(await removals.of('rename', at('b'), at('a3'))).toEqual([])
    })

    it('is the path that the kernel went, whatever the string says', async () => {
      const path = folder('real/', 'real/sub/', 'real/a', 'real/sub/b', 'c')
      symlinkSync('real/sub', join(path, 'link'))
      const removed = async (...args: string[]): Promise<unknown> =>
        (await removals.of(...args)).map((one) => one.path)
      expect(await removed('-C', path, 'unlinkat', '.', 'link/../a')).toEqual([join(path, 'real/a')])
      expect(await removed('-C', path, 'unlinkat', '.', './/link/./b')).toEqual([join(path, 'real/sub/b')])
      expect(await removed('-C', join(path, 'real'), 'unlinkat', '.', '../c')).toEqual([join(path, 'c')])
      expect(await removed('unlinkat', '.', join(path, 'link'))).toEqual([join(path, 'link')])
      // Deeper than the walk, and longer than a string of the record.
      const deep = join(path, Array.from({ length: 30 }, (_, i) => `directory-${i}`).join('/'))
      mkdirSync(deep, { recursive: true })
      for (const name of ['x', 'y', 'z']) writeFileSync(join(deep, name), '')
      expect(await removed('unlinkat', '.', join(deep, 'x'))).toEqual([join(deep, 'x')])
      expect(await removed('rename', join(deep, 'y'), join(deep, 'z'))).toEqual([join(deep, 'z')])
      const bytes = await removals.script('cd "$1" && n=$(printf "caf\\351") && : > "$n" && rm "$n"', path)
      expect(bytes.unlinks).toEqual([
        expect.objectContaining({
          path: join(path, 'caf\ufffd'),
          path_bytes: new Uint8Array(Buffer.from(join(path, 'caf\xe9'), 'latin1')),
        }),
      ])
    })

    it('is a failure by its name', async () => {
      const path = folder('full/', 'full/a', 'f')
      const errors = async (...args: string[]): Promise<unknown> =>
        (await removals.of(...args)).map(({ path: where, error }) => [where, error])
      expect(await errors('unlinkat', '.', join(path, 'no'))).toEqual([[join(path, 'no'), 'ENOENT']])
      expect(await errors('rmdir', join(path, 'full'))).toEqual([[join(path, 'full'), 'ENOTEMPTY']])
      expect(await errors('rename', join(path, 'f'), join(path, 'full'))).toEqual([
        [join(path, 'full'), 'EISDIR'],
      ])
    })

    it('is what programs do: rm -r, mv, sed -i, git, rsync, Node', async () => {
      const path = folder('tree/', 'tree/a', 'tree/b/', 'tree/b/c', 'over', 'by', 'text')
      const names = (paths: readonly { op: string; path: string }[]): string[] =>
        paths.map(({ op, path: where }) => `${op} ${where.slice(path.length + 1)}`).sort()
      const rm = await removals.script('cd "$1" && rm -r tree', path)
      expect(names(rm.unlinks)).toEqual(['rmdir tree', 'rmdir tree/b', 'unlink tree/a', 'unlink tree/b/c'])
      const mv = await removals.script('mv "$1/by" "$1/over"; sed -i s/t/T/ "$1/text"', path)
      expect(names(mv.unlinks)).toEqual(['rename over', 'rename text'])
      expect(mv.unlinks.map(({ execname }) => execname)).toEqual(['mv', 'sed'])
      const script = 'const fs = require("fs"); fs.writeFileSync("n", ""); fs.unlinkSync("n")'
      const node = await removals.script('cd "$1" && "$2" -e "$3"', path, process.execPath, script)
      expect(names(node.unlinks)).toEqual(['unlink n'])
      if (has('git')) {
        const git = await removals.script(
          'cd "$1" && mkdir g && cd g && export HOME=$PWD && g="git -c user.name=x -c user.email=x@x" && ' +
            'git init -q && echo 1 > f && $g add f && $g commit -qm 1 && git rm -q f && $g commit -qm 2 && git checkout -q HEAD~1 && ' +
            'git checkout -q -',
          path,
        )
        expect(names(git.unlinks).filter((name) => name === 'unlink g/f')).toHaveLength(2)
        expect(git.unlinks.filter(({ certain, error }) => !certain && error === undefined)).toEqual([])
      }
      if (has('rsync')) {
        const rsync = await removals.script(
          'cd "$1" && mkdir from to && echo one > from/a && echo older > to/a && echo x > to/gone && rsync -a --delete from/ to/',
          path,
        )
        expect(names(rsync.unlinks)).toEqual(['rename to/a', 'unlink to/gone'])
      }
    })

    it('is what is done in a chroot and in other namespaces', async () => {
      const path = folder('root/', 'root/bin/', 'root/d/', 'root/d/a', 'other')
      execFileSync('cp', [sandbox.program, join(path, 'root/bin/changes')])
      const libraries = execFileSync('sh', ['-c', `ldd ${sandbox.program} | grep -o '/[^ ]*'`], {
        encoding: 'utf8',
      })
      for (const library of libraries.trim().split('\n')) {
        execFileSync('sh', [
          '-c',
          'mkdir -p "$1$(dirname "$2")" && cp -L "$2" "$1$2"',
          'sh',
          join(path, 'root'),
          library,
        ])
      }
      const chroot = await removals.script(
        'chroot "$1" /bin/changes unlinkat . /d/a >/dev/null',
        join(path, 'root'),
      )
      expect(chroot.unlinks.map(({ path: where }) => where)).toEqual([join(path, 'root/d/a')])
      const zone = await removals.script(
        'unshare -fpmu --mount-proc sh -c \'hostname inner && rm "$1" && sleep 0.2\' sh "$1"',
        join(path, 'other'),
      )
      expect(zone.unlinks).toEqual([
        expect.objectContaining({ path: join(path, 'other'), zone_name: 'inner', execname: 'rm' }),
      ])
      expect(zone.unlinks[0]?.zone_id).not.toBe(chroot.unlinks[0]?.zone_id)
    })

    it('is what is done on an overlay, and what the kernel does not tell there', async () => {
      const path = folder(
        'lower/',
        'upper/',
        'work/',
        'merged/',
        'lower/l1',
        'lower/l2',
        'upper/u1',
        'upper/u2',
        'upper/u3',
      )
      const { unlinks } = await removals.script(
        'unshare -m sh -euc \'cd "$1" && ' +
          'mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && cd merged && ' +
          'rm l1 u1 && "$2" rename u2 u3 && "$2" rename u3 l2 && "$2" rename l2 fresh && sleep 0.3\' sh "$1" "$2"',
        path,
        sandbox.program,
      )
      // The layers' own files are not the program's doing.
      const merged = unlinks.map(
        ({ op, path: where, certain }) => `${op} ${where.slice(path.length + 1)} ${certain}`,
      )
      expect(merged).toEqual([
        'unlink merged/l1 true',
        'unlink merged/u1 true',
        'rename merged/u3 true',
        // One replaced something, one did not: without fbt probes that is told of neither.
        ...(fbt ? ['rename merged/l2 true'] : ['rename merged/l2 false', 'rename merged/fresh false']),
      ])
    })

    it('is all of many at once, by several processes', async () => {
      const path = folder()
      const { unlinks } = await removals.script(
        'cd "$1" && seq -f %03.0f 0 399 | xargs touch && for i in 0 1 2 3; do rm $i?? & done; wait',
        path,
      )
      expect(unlinks.map(({ path: where }) => where.slice(path.length + 1)).sort()).toEqual(
        Array.from({ length: 400 }, (_, i) => String(i).padStart(3, '0')),
      )
      expect(new Set(unlinks.map(({ ino }) => ino)).size).toBe(400)
      expect(readdirSync(path)).toEqual([])
    })
  })

  it('is whole', () => {
    expect(troubles).toEqual([])
  })
})

import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromText } from '../../lib/watch/paths/byte-path.js'
import { FullPaths, type PathWalk, UNKNOWN } from '../../lib/watch/paths/full-path.js'
import { MountTable } from '../../lib/watch/paths/mount-table.js'
import { namespaceOf } from '../../lib/watch/paths/mount-views.js'

/** As the kernel would walk from a directory that is there: its file system, mount, and names below its root. */
function walkFrom(path: string): PathWalk {
  const table = MountTable.read('self')
  const mount = table.containing(fromText(path))
  const location = table.locate(fromText(path))
  if (mount === undefined || location === undefined) throw new Error(`${path} is on no mount`)
  return {
    dev: location.dev,
    names: location.path.split('/').filter((name) => name !== ''),
    complete: true,
    mnt: mount.id,
    mntns: namespaceOf('self') ?? 0,
  }
}

describe.runIf(process.platform === 'linux')('a full path', () => {
  let top: string
  let base: PathWalk
  const paths = new FullPaths()
  beforeAll(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), 'dtrace-consumer-full-')))
    mkdirSync(join(top, 'a', 'b'), { recursive: true })
    symlinkSync('a/b', join(top, 'link'))
    symlinkSync('/etc/hostname', join(top, 'out'))
    writeFileSync(join(top, 'a', 'file'), '')
    base = walkFrom(top)
  })
  afterAll(() => rmSync(top, { recursive: true }))

  test('is the place of the mount and the names that were walked', () => {
    expect(paths.walked(walkFrom(top), process.pid)).toEqual({ path: top, exact: true })
    expect(paths.walked(walkFrom('/'), process.pid)).toEqual({ path: '/', exact: true })
    expect(paths.walked(walkFrom('/proc'), process.pid)).toEqual({ path: '/proc', exact: true })
  })

  test('keeps bytes that are no UTF-8', () => {
    const walk = { ...base, names: [...base.names, 'caf\xe9'] }
    expect(paths.walked(walk, process.pid)).toEqual({ path: `${top}/caf\xe9`, exact: true })
  })

  test('is found without the mount number, but may be another one of the file', () => {
    const { mnt: _, ...walk } = base
    expect(paths.walked(walk, process.pid)).toEqual({ path: top, exact: false })
  })

  test('does not believe a mount number that belongs to another file system by now', () => {
    const other = walkFrom('/proc')
    const walk = { ...base, mnt: other.mnt as number }
    expect(paths.walked(walk, process.pid)).toEqual({ path: top, exact: false })
  })

  test('is asked for in /proc where the mount is not known', () => {
    const fd = openSync(join(top, 'a', 'file'), 'r')
    try {
      const walk = { ...base, names: [...base.names, 'a', 'file'], mnt: 2 ** 30, dev: 2 ** 30 }
      const link = `/proc/self/fd/${fd}`
      expect(paths.walked(walk, process.pid, link)).toEqual({ path: join(top, 'a', 'file'), exact: false })
      // The descriptor is another file's by now: then only the place in its file system is known.
      const gone = { ...walk, names: ['a', 'other'] }
      expect(paths.walked(gone, process.pid, link)).toEqual({ path: `${UNKNOWN}/a/other`, exact: false })
    } finally {
      closeSync(fd)
    }
  })

  test('of a tree that is deeper than the walk is completed by /proc, and remembered', () => {
    const ino = statSync(join(top, 'a'), { bigint: true }).ino
    const walk: PathWalk = { ...base, names: ['file'], complete: false, ino }
    const fd = openSync(join(top, 'a', 'file'), 'r')
    const link = `/proc/self/fd/${fd}`
    expect(paths.walked(walk, process.pid)).toEqual({ path: `${UNKNOWN}/file`, exact: false })
    expect(paths.walked(walk, process.pid, link)).toEqual({ path: join(top, 'a', 'file'), exact: false })
    closeSync(fd)
    expect(paths.walked(walk, process.pid, link)).toEqual({ path: join(top, 'a', 'file'), exact: false })
    expect(paths.walked({ ...walk, names: ['b', 'x'] }, process.pid)).toMatchObject({ path: `${top}/a/b/x` })
  })

  test.each([
    ['name', 'name', true],
    ['', '', true],
    ['.', '', true],
    ['a/../b', 'b', false],
    ['./a//b/', 'a/b', false],
    ['link/x', 'link/x', false],
  ])('of the string %j is %j below the directory', (text, rest, exact) => {
    const path = rest === '' ? top : `${top}/${rest}`
    expect(paths.named(base, text, process.pid)).toEqual({ path, exact })
  })

  test('of a string with .. leads above the directory, but not above a root', () => {
    const above = top.slice(0, top.lastIndexOf('/'))
    expect(paths.named(base, '../x', process.pid)).toEqual({ path: join(above, 'x'), exact: false })
    expect(paths.named(base, '..', process.pid)).toEqual({ path: above, exact: false })
    expect(paths.named(base, '/../../x', process.pid)).toEqual({ path: join(top, 'x'), exact: false })
  })

  test('of a string below a directory whose own path is not known says so', () => {
    const walk: PathWalk = { ...base, names: ['d'], complete: false, ino: 1n }
    expect(paths.named(walk, '../e/f', process.pid)).toEqual({ path: `${UNKNOWN}/e/f`, exact: false })
  })

  test('follows links where it is asked to, in all but the last name', () => {
    expect(paths.resolved(base, 'link/../file', process.pid)).toEqual({ path: `${top}/a/file`, exact: false })
    expect(paths.resolved(base, 'link', process.pid)).toEqual({ path: `${top}/link`, exact: true })
    expect(paths.resolved(base, 'link', process.pid, undefined, true).path).toBe(`${top}/a/b`)
    expect(paths.resolved(base, 'link/..', process.pid).path).toBe(`${top}/a`)
    expect(paths.resolved(base, 'out', process.pid, undefined, true).path).toBe(realpathSync('/etc/hostname'))
  })

  test('of an absolute string does not leave the root that it starts from', () => {
    expect(paths.resolved(base, '/link/../../../x', process.pid).path).toBe(`${top}/x`)
    expect(paths.resolved(base, '/out', process.pid, undefined, true).path).toBe(`${top}/etc/hostname`)
  })

  test('is looked up anew after mounts have changed', () => {
    paths.mountsChanged()
    expect(paths.walked(base, process.pid)).toEqual({ path: top, exact: true })
  })
})

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { below, fromText, split, toFs, toText } from '../../lib/watch/paths/byte-path.js'
import { MountTable } from '../../lib/watch/paths/mount-table.js'
import { lexical, resolvePath } from '../../lib/watch/paths/resolve-path.js'

describe('a path of bytes', () => {
  test('comes from text and becomes text again', () => {
    for (const text of ['/plain', '/Müsli/音楽 🎵', '/a\nb']) expect(toText(fromText(text))).toEqual({ text })
  })

  test('that is no UTF-8 keeps its bytes beside the text', () => {
    expect(toText('/\xff\x41')).toEqual({ text: '/\ufffdA', bytes: new Uint8Array([0x2f, 0xff, 0x41]) })
  })

  test('with a genuine U+FFFD in its name is UTF-8', () => {
    expect(toText(fromText('/\ufffd'))).toEqual({ text: '/\ufffd' })
  })

  test('goes to the file system byte for byte', () => {
    expect(toFs('/a')).toBe('/a')
    expect(toFs('/\xff')).toEqual(Buffer.from([0x2f, 0xff]))
  })

  test('is below a directory by whole names', () => {
    expect(below('/srv/media/a', '/srv/media')).toBe('a')
    expect(below('/srv/media', '/srv/media')).toBe('')
    expect(below('/srv/mediatheque', '/srv/media')).toBeUndefined()
    expect(below('/srv', '/')).toBe('srv')
  })

  test('is cut into directory and name, whatever slashes it ends with', () => {
    expect(split('a/b//')).toEqual({ parent: 'a', name: 'b' })
    expect(split('/a')).toEqual({ parent: '/', name: 'a' })
    expect(split('a')).toEqual({ parent: '', name: 'a' })
  })
})

describe('resolving a path', () => {
  let top: string
  beforeAll(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), 'dtrace-consumer-paths-')))
    mkdirSync(join(top, 'a', 'b'), { recursive: true })
    symlinkSync('a/b', join(top, 'relative'))
    symlinkSync('/a', join(top, 'absolute'))
    symlinkSync('loop', join(top, 'loop'))
  })
  afterAll(() => rmSync(top, { recursive: true }))

  test('follows links, and .. after them', () => {
    expect(resolvePath('', `${top}/relative/../x`)).toBe(`${top}/a/x`)
    expect(resolvePath('', `${top}//./a/../a/b`)).toBe(`${top}/a/b`)
  })

  test('takes what is not there as it is written', () => {
    expect(resolvePath('', `${top}/gone/../relative/b`)).toBe(`${top}/relative/b`)
    expect(resolvePath('', `${top}/a/gone/x`)).toBe(`${top}/a/gone/x`)
  })

  test('does not leave a root directory', () => {
    expect(resolvePath(top, '/absolute/b')).toBe('/a/b')
    expect(resolvePath(top, '/../../relative')).toBe('/a/b')
  })

  test('ends where links lead to themselves', () => {
    expect(resolvePath('', `${top}/loop/x`)).toBe(`${top}/loop/x`)
  })

  test('without the file system takes . and .. away', () => {
    expect(lexical('/a/./b/../../../c//d')).toBe('/c/d')
  })
})

describe('the mount table', () => {
  const table = new MountTable(
    [
      '1 0 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '2 1 0:21 / /proc rw - proc proc rw',
      '3 1 8:1 / /mnt/disk rw master:2 - xfs /dev/sda1 rw',
      '4 1 8:1 /music /srv/media\\040files rw - xfs /dev/sda1 rw',
      '5 1 0:50 / /a/b rw - tmpfs none rw',
      '6 1 0:51 / /a rw - tmpfs none rw',
      '7 6 0:52 / /a rw - tmpfs none rw',
      '',
    ].join('\n'),
  )

  test('knows devices as the kernel numbers them', () => {
    expect(table.byId(1)?.dev).toBe(254 * 2 ** 20)
    expect(table.byId(3)).toMatchObject({ dev: 8 * 2 ** 20 + 1, root: '/', point: '/mnt/disk', type: 'xfs' })
  })

  test('says where a path is in its file system', () => {
    expect(table.locate('/etc/hosts')).toEqual({ dev: 254 * 2 ** 20, path: '/etc/hosts' })
    expect(table.locate('/srv/media files/x')).toEqual({ dev: 8 * 2 ** 20 + 1, path: '/music/x' })
    expect(table.locate('/mnt/diskette')).toEqual({ dev: 254 * 2 ** 20, path: '/mnt/diskette' })
  })

  test('does not see mounts that later ones hide', () => {
    expect(table.containing('/a/b/x')?.id).toBe(7)
  })

  test('finds a path for a place, where it is mounted', () => {
    expect(table.pathOf({ dev: 8 * 2 ** 20 + 1, path: '/music/x' })).toBe('/mnt/disk/music/x')
    expect(table.pathOf({ dev: 50, path: '/' })).toBeUndefined()
    expect(table.pathOf({ dev: 99, path: '/' })).toBeUndefined()
  })
})

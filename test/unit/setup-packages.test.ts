import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { packageOf } from '../../lib/setup/apt.js'
import { hostSources } from '../../lib/setup/host.js'
import { packageNames } from '../../lib/setup/library.js'

describe('the package of a library', () => {
  it.each([
    ['libpcap.so.0.8', ['libpcap0.8', 'libpcap0.8t64']],
    ['libelf.so.1', ['libelf1', 'libelf1t64']],
    ['libctf-nobfd.so.0', ['libctf-nobfd0', 'libctf-nobfd0t64']],
    ['libdbus-1.so.3', ['libdbus-1-3', 'libdbus-1-3t64']],
    ['libz.so.1', ['zlib1g']],
  ])('%s', (soname, names) => {
    expect(packageNames(soname)).toEqual(names)
  })
})

it("reads a package's name and version from its file's name", () => {
  expect(packageOf('/x/zlib1g_1%3a1.2.13.dfsg-1_amd64.deb')).toEqual({
    name: 'zlib1g',
    version: '1:1.2.13.dfsg-1',
  })
})

describe("the host's sources", () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dtrace-sources-'))
    mkdirSync(join(folder, 'sources.list.d'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const write = (name: string, ...lines: string[]) => writeFileSync(join(folder, name), lines.join('\n'))

  it('of one line each: those of its own suite, unchanged', () => {
    write(
      'sources.list',
      '# deb http://old.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib',
      'deb http://mirror.example/debian-security bookworm-security main',
      'deb-src http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian sid main',
    )
    write('sources.list.d/tool.list', 'deb https://tool.example/apt stable main')
    const { lines, mirror } = hostSources('bookworm', folder)
    expect(lines.split('\n')).toEqual([
      'deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib',
      'deb http://mirror.example/debian-security bookworm-security main',
    ])
    expect(mirror).toBe('http://mirror.example/debian')
  })

  it('in stanzas: those of its own suite that are enabled', () => {
    write(
      'sources.list.d/debian.sources',
      'Types: deb',
      'URIs: http://mirror.example/debian',
      'Suites: noble noble-updates',
      'Components: main',
      '',
      'Enabled: no',
      'Types: deb',
      'URIs: http://proposed.example/debian',
      'Suites: noble-proposed',
      'Components: main',
    )
    write(
      'sources.list.d/tool.sources',
      'Types: deb',
      'URIs: https://tool.example',
      'Suites: nodistro',
      'Components: main',
    )
    const { deb822, mirror } = hostSources('noble', folder)
    expect(deb822).toContain('noble-updates')
    expect(deb822).not.toContain('proposed')
    expect(deb822).not.toContain('tool.example')
    expect(mirror).toBe('http://mirror.example/debian')
  })

  it('may be missing altogether', () => {
    expect(hostSources('bookworm', join(folder, 'nowhere'))).toEqual({
      deb822: '',
      lines: '',
      mirror: undefined,
    })
  })
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DTraceError } from '../../lib/errors.js'
import { adaptToGlibc, compareVersions, isElf, readElf } from '../../lib/setup/elf.js'
import { buildLibrary } from './elf-builder.js'

/** A library that asks for two of the renamed functions, as one compiled against glibc 2.38 does. */
const renamed = () =>
  buildLibrary({
    soname: 'libexample.so.1',
    needed: ['libc.so.6', 'libother.so.3'],
    versions: [
      { file: 'libc.so.6', names: ['GLIBC_2.17', 'GLIBC_2.38', 'GLIBC_2.34'] },
      { file: 'libother.so.3', names: ['OTHER_1.0'] },
    ],
    symbols: [
      { name: '__isoc23_strtol', version: 'GLIBC_2.38' },
      { name: 'pthread_create', version: 'GLIBC_2.34' },
      { name: '__isoc23_sscanf', version: 'GLIBC_2.38' },
      { name: 'malloc', version: 'GLIBC_2.17' },
      { name: 'other', version: 'OTHER_1.0' },
    ],
  })

describe('reading an ELF file', () => {
  it('gives its soname, its needs and the versions of them', () => {
    const elf = readElf(renamed())
    expect(elf?.soname).toBe('libexample.so.1')
    expect(elf?.needed).toEqual(['libc.so.6', 'libother.so.3'])
    expect(elf?.versionNeeds.map(({ file, version }) => `${file} ${version}`)).toEqual([
      'libc.so.6 GLIBC_2.17',
      'libc.so.6 GLIBC_2.38',
      'libc.so.6 GLIBC_2.34',
      'libother.so.3 OTHER_1.0',
    ])
    expect(elf?.undefinedSymbols.map((symbol) => symbol.name)).toEqual([
      '__isoc23_strtol',
      'pthread_create',
      '__isoc23_sscanf',
      'malloc',
      'other',
    ])
  })

  it('reads the program that runs this test', () => {
    const elf = readElf(readFileSync(process.execPath))
    if (process.platform === 'linux') expect(elf?.needed).toContain('libc.so.6')
  })

  it('knows what is not one', () => {
    expect(isElf(Buffer.from('#!/bin/sh\n'.repeat(20)))).toBe(false)
    expect(() => readElf(Buffer.from('GROUP ( libm.so.6 )'))).toThrow(DTraceError)
  })

  it('says so when the file ends too early, wherever it is cut', () => {
    const whole = renamed()
    for (let length = 65; length < whole.length; length += 7) {
      const cut = Buffer.from(whole.subarray(0, length))
      try {
        readElf(cut)
      } catch (error) {
        expect(error).toBeInstanceOf(DTraceError)
        expect((error as DTraceError).code).toBe('ERR_DTRACE_SETUP')
      }
    }
  })
})

describe('making a library loadable under an older glibc', () => {
  it('points the renamed functions at their plain names and the oldest version', () => {
    const bytes = renamed()
    expect(adaptToGlibc(bytes, '2.36', 'libexample.so.1')).toEqual(['__isoc23_strtol', '__isoc23_sscanf'])
    const elf = readElf(bytes)
    const oldest = elf?.versionNeeds.find((need) => need.version === 'GLIBC_2.17')
    const versionOf = (name: string) => elf?.undefinedSymbols.find((symbol) => symbol.name === name)?.version
    expect(versionOf('strtol')).toBe(oldest?.index)
    expect(versionOf('sscanf')).toBe(oldest?.index)
    expect(versionOf('__isoc23_strtol')).toBeUndefined()
    expect(elf?.versionNeeds.map((need) => need.version)).toEqual([
      'GLIBC_2.17',
      'GLIBC_2.17',
      'GLIBC_2.34',
      'OTHER_1.0',
    ])
  })

  it('leaves everything else as it was, and the file as long as it was', () => {
    const before = renamed()
    const after = renamed()
    adaptToGlibc(after, '2.36', 'libexample.so.1')
    const changed = [...before.keys()].filter((i) => before[i] !== after[i])
    expect(after.length).toBe(before.length)
    // Two symbols' names and versions, and one version entry's hash and name.
    expect(changed.length).toBeLessThanOrEqual(2 * (4 + 2) + 8)
  })

  it('does nothing where glibc is new enough, and nothing the second time', () => {
    const untouched = renamed()
    expect(adaptToGlibc(untouched, '2.38', 'x')).toEqual([])
    expect(untouched.equals(renamed())).toBe(true)
    const twice = renamed()
    adaptToGlibc(twice, '2.36', 'x')
    const once = Buffer.from(twice)
    expect(adaptToGlibc(twice, '2.36', 'x')).toEqual([])
    expect(twice.equals(once)).toBe(true)
  })

  it('refuses a library that needs something else of a newer glibc, naming it, and changes nothing', () => {
    const bytes = renamed()
    const before = Buffer.from(bytes)
    expect(() => adaptToGlibc(bytes, '2.31', 'libexample.so.1')).toThrow(
      /libexample\.so\.1 needs GLIBC_2\.38, GLIBC_2\.34 \(for pthread_create\), and this system has glibc 2\.31/,
    )
    expect(bytes.equals(before)).toBe(true)
  })

  it('refuses a file format that an older glibc cannot relocate', () => {
    const bytes = buildLibrary({
      soname: 'libpacked.so.1',
      needed: ['libc.so.6'],
      versions: [{ file: 'libc.so.6', names: ['GLIBC_2.17', 'GLIBC_ABI_DT_RELR'] }],
      symbols: [{ name: 'malloc', version: 'GLIBC_2.17' }],
    })
    expect(adaptToGlibc(bytes, '2.36', 'libpacked.so.1')).toEqual([])
    expect(() => adaptToGlibc(bytes, '2.35', 'libpacked.so.1')).toThrow(/GLIBC_ABI_DT_RELR/)
  })
})

it('compares versions by their numbers', () => {
  expect(compareVersions('2.4', '2.36')).toBeLessThan(0)
  expect(compareVersions('2.38', '2.38')).toBe(0)
  expect(compareVersions('2.2.5', '2.2')).toBeGreaterThan(0)
})

/** The real loader's opinion, where there is a compiler to make something for it to load. */
const compiler = process.platform === 'linux' && hasCompiler()
function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!compiler)('the loader', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dtrace-elf-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('resolves an adapted symbol to the plain function', () => {
    const cc = (...args: string[]) =>
      execFileSync('cc', ['-shared', '-nostdlib', '-fPIC', ...args], { cwd: folder })
    // A stand-in for a newer glibc, which has the renamed function under a version of its own…
    writeFileSync(
      join(folder, 'newer.c'),
      'long __isoc23_strtol(const char *s, char **e, int b) { return 0; }\n' +
        'long write(int fd, const void *p, unsigned long n) { return 0; }\n',
    )
    const oldest = process.arch === 'arm64' ? 'GLIBC_2.17' : 'GLIBC_2.2.5'
    writeFileSync(
      join(folder, 'newer.map'),
      `${oldest} { global: write; local: *; };\nGLIBC_2.99 { global: __isoc23_strtol; } ${oldest};\n`,
    )
    cc(
      '-fno-builtin',
      '-Wl,-soname,libc.so.6',
      '-Wl,--version-script,newer.map',
      '-o',
      'libnewer.so',
      'newer.c',
    )
    // …and a library that was linked with it, and calls the function as soon as it is loaded.
    writeFileSync(
      join(folder, 'user.c'),
      'long __isoc23_strtol(const char *, char **, int); long write(int, const void *, unsigned long);\n' +
        '__attribute__((constructor)) static void loaded(void) {\n' +
        '  char digit = (char)(48 + __isoc23_strtol("7", 0, 10)); write(1, &digit, 1); }\n',
    )
    cc('-o', 'libuser.so', 'user.c', './libnewer.so')
    const library = join(folder, 'libuser.so')
    // Not an addon, so Node.js complains in any case; what it says before that is the loader's.
    const script = `try { process.dlopen({ exports: {} }, ${JSON.stringify(library)}) } catch (e) { console.log(' ' + e.message) }`
    const load = () => execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    expect(load()).toMatch(/^ .*GLIBC_2\.99/)

    const bytes = readFileSync(library)
    expect(adaptToGlibc(bytes, '2.36', 'libuser.so')).toEqual(['__isoc23_strtol'])
    writeFileSync(library, bytes)
    expect(load()).toMatch(/^7 .*did not self-register/)
  })
})

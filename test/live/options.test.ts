import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Consumer, type OptionName } from '../../lib/index.js'
import { OPTION_TABLE } from '../../lib/option-table.js'
import { collect, open } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

type Case = [set: string | number | boolean, get: string | number | boolean]

/** A value for each option, and what it is then. */
const VALUES: { [Name in OptionName]: Case } = {
  aggpercpu: [true, true],
  aggrate: ['2s', 2e9],
  aggsize: ['1m', 2 ** 20],
  aggsortkey: [true, true],
  aggsortkeypos: [1, 1],
  aggsortpos: ['2', 2],
  aggsortrev: ['on', true],
  amin: ['Private/Private/Unknown', 'Private/Private/Unknown'],
  argref: [true, true],
  bpflog: [true, true],
  bpflogsize: ['2m', 2 ** 21],
  btfpath: ['/sys/kernel/btf/vmlinux', '/sys/kernel/btf/vmlinux'],
  bufpolicy: ['switch', 'switch'],
  bufresize: ['auto', 'auto'],
  bufsize: [65536, 65536],
  cleanrate: ['50hz', 20_000_000],
  cpu: [0, 0],
  ctfpath: ['/no/such/file', '/no/such/file'],
  ctypes: ['/dev/null', '/dev/null'],
  debug: [false, false],
  debugassert: ['mutexes', 'mutexes'],
  defaultargs: [true, true],
  destructive: [true, true],
  disasm: [1, 1],
  dofstashpath: ['/run/dtrace', '/run/dtrace'],
  droptags: [true, true],
  dtypes: ['/dev/null', '/dev/null'],
  dynvarsize: ['2m', 2 ** 21],
  empty: [true, true],
  errtags: [true, true],
  evaltime: ['main', 'main'],
  flowindent: [true, true],
  grabanon: [true, true],
  iregs: [8, 8],
  jstackframes: [10, 10],
  jstackstrsize: ['1k', 1024],
  kdefs: [true, true],
  knodefs: [true, true],
  late: ['static', 'static'],
  lazyload: [true, true],
  ldpath: ['/usr/bin/ld', '/usr/bin/ld'],
  libdir: ['/no/such/folder', '/no/such/folder'],
  linkmode: ['static', 'static'],
  linknommap: [true, true],
  linktype: ['dof', 'dof'],
  lockmem: ['unlimited', Number.POSITIVE_INFINITY],
  maxframes: [20, 20],
  modpath: ['/lib/modules', '/lib/modules'],
  noresolve: [true, true],
  nspec: [4, 4],
  nusdtprobes: [64, 64],
  pcapsize: [1000, 1000],
  pgmax: [4, 4],
  preallocate: ['1m', 2 ** 20],
  printsize: ['4k', 4096],
  procfspath: ['/proc', '/proc'],
  pspec: [true, true],
  quiet: [true, true],
  quietresize: [true, true],
  rawbytes: [true, true],
  scratchsize: [1000, 1008],
  specsize: ['32k', 32768],
  stackframes: [10, 10],
  stackindent: [2, 2],
  statusrate: ['100ms', 100e6],
  stdc: ['s', 's'],
  strip: [true, true],
  strsize: [128, 128],
  switchrate: ['25ms', 25e6],
  syslibdir: ['', ''], // below
  sysslice: ['dtrace.slice', 'dtrace.slice'],
  tree: [8, 8],
  tregs: [8, 8],
  udefs: [true, true],
  unodefs: [true, true],
  useruid: [0, 0],
  ustackframes: [10, 10],
  verbose: [false, false],
  version: ['1.0', '1.0'], // below
  zdefs: [true, true],
}

/** Not to be tried with the others: see their own tests. */
const APART: readonly string[] = ['syslibdir', 'version', 'ctfpath', 'btfpath', 'libdir']

describe('options', () => {
  test('every one is set and read back; then programs compile and trace with all of them', async () => {
    expect(Object.keys(VALUES).sort()).toEqual(Object.keys(OPTION_TABLE).sort())
    const consumer = await open()
    for (const [key, [value, expected]] of Object.entries(VALUES)) {
      if (APART.includes(key)) continue
      const name = key as 'bufsize'
      if (value !== false) await consumer.setOption(name, value as number)
      expect(await consumer.getOption(name), key).toBe(expected)
    }
    // BEGIN may fire on another CPU, and the log of BPF is long.
    await consumer.setOption('cpu', false as never)
    await consumer.setOption('bpflog', false)
    // What goes with a program is not the handle's, and can be taken back.
    await consumer.setOption('zdefs', false)
    await expect(consumer.compile('no_such_provider:::x {}')).rejects.toMatchObject({ tag: 'D_PDESC_ZERO' })
    await consumer.setOption('amin', 'Stable/Stable/Common')
    await expect(consumer.compile('BEGIN { trace(curthread); }')).rejects.toMatchObject({ tag: 'D_ATTR_MIN' })
    await consumer.setOption('amin', 'Private/Private/Unknown')
    // defaultargs: $1 is 0.
    const program = await consumer.compile(
      '#pragma D option stackframes=7\nBEGIN { trace($1); trace("ab"); }',
    )
    expect(await consumer.getOption('stackframes')).toBe(7)
    await expect(consumer.setOption('libdir', '/tmp')).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
      message: /no effect any more.*libraries/,
    })
    await consumer.enable(program)
    await expect(consumer.setOption('zdefs', true)).rejects.toMatchObject({ code: 'ERR_DTRACE_OPTION' })
    await consumer.setOption('bufsize', '1m')
    await consumer.go()
    for (const [name, value] of [
      ['bufsize', '2m'],
      ['strsize', 64],
      ['evaltime', 'exec'],
    ] as const) {
      await expect(consumer.setOption(name as 'bufsize', value), name).rejects.toMatchObject({
        code: 'ERR_DTRACE_OPTION',
        message: /no effect any more/,
      })
    }
    expect(await consumer.getOption('bufsize')).toBe(2 ** 20)
    // The dynamic ones, while it runs.
    for (const [name, { phase }] of Object.entries(OPTION_TABLE)) {
      if (phase !== 'dynamic') continue
      const [value, expected] = VALUES[name as OptionName]
      await consumer.setOption(name as 'quiet', value as boolean)
      expect(await consumer.getOption(name as OptionName), name).toBe(expected)
    }
    await consumer.setOption('quiet', false)
    expect(await consumer.getOption('quiet')).toBe(false)
    await consumer.stop()
    expect((await collect(consumer)).map(({ values }) => values)).toEqual([[0, 'ab']])
    expect(await consumer.getOption('switchrate')).toBe(25e6)
  })

  test('what ends the process, or can’t be, is refused before it reaches libdtrace; through pragmas, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dtrace-no-libraries-'))
    const consumer = await open()
    const fatal: [string, string | number | boolean, RegExp][] = [
      ['core', true, /core dump/],
      ['nolibs', true, /aborts/],
      ['cpp', true, /cpp: true/],
      ['cppargs', '-DX', /cpp: true/],
      ['cpphdrs', true, /cpp: true/],
      ['cpppath', '/usr/bin/cpp', /cpp: true/],
      ['define', 'X', /cpp: true/],
      ['undef', 'X', /cpp: true/],
      ['incdir', '/tmp', /cpp: true/],
      ['cpu', 4096, /online/],
      ['late', 'dynamic', /'static'|aborts/],
      ['amin', '', /empty/],
      ['bufsize', '', /empty/],
      ['switchrate', '2d', /past a day/],
      ['switchrate', Number.MAX_SAFE_INTEGER, /past a day/],
      ['aggrate', '0x7fffffffffffffff', /past a day/],
      ['preallocate', '16t', /past 1g/],
    ]
    for (const [name, value, message] of fatal) {
      await expect(consumer.setOption(name as 'quiet', value as boolean), name).rejects.toMatchObject({
        code: 'ERR_DTRACE_OPTION',
        message,
      })
      const pragma = `#pragma D option ${name}${value === true ? '' : `=${value}`}\nBEGIN {}`
      await expect(consumer.compile(pragma), pragma).rejects.toMatchObject({ code: 'ERR_DTRACE_OPTION' })
    }
    await expect(consumer.setOption('syslibdir', folder)).rejects.toMatchObject({ message: /no D libraries/ })
    const bad: [string, unknown][] = [
      ['bufsize', true],
      ['bufsize', 'lots'],
      ['bufpolicy', 'ringo'],
      ['evaltime', 3],
      ['zdefs', 'perhaps'],
      ['strsize', 1],
      ['version', '99.9'],
      ['libdir', 'a\0b'],
      ['toString', 1],
    ]
    for (const [name, value] of bad) {
      await expect(consumer.setOption(name as 'quiet', value as boolean), name).rejects.toMatchObject({
        code: 'ERR_DTRACE_OPTION',
      })
    }
    for (const name of ['core', 'cpp', 'toString']) {
      await expect(consumer.getOption(name as 'quiet')).rejects.toMatchObject({ code: 'ERR_DTRACE_OPTION' })
    }
    // The session is as good as before.
    await consumer.enable(await consumer.compile('BEGIN { trace(1); }'))
    await consumer.close()
    await expect(Consumer.open({ options: { syslibdir: folder } })).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
    rmSync(folder, { recursive: true })
  })
})

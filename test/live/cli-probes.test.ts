import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cli, cli } from './cli-driver.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** Columns are as wide as the longest name that dtrace(1) has: only what is in them is compared. */
const words = (text: string): string[] => text.split('\n').map((line) => line.trim().split(/\s+/).join(' '))

describe('dtrace-watch probes', () => {
  it('prints what dtrace -lv prints', async () => {
    const filter = 'syscall::openat:entry'
    const [{ code, stdout }, told] = await Promise.all([
      cli(['probes', '-v', filter]),
      dtrace('-lv', '-n', filter),
    ])
    expect(code).toBe(0)
    expect(words(stdout)).toEqual(words(told))
  })

  it('has an object a line with --json, filter by filter, and says where one fits nothing', async () => {
    const watch = new Cli(['probes', '--json', 'openat:entry', 'dtrace:::', 'no_such_probe'])
    const { code, stderr } = await watch.ended
    const probes = watch.events.filter(({ type }) => type === 'probe')
    expect(probes.map(({ function: func, name }) => `${func}:${name}`)).toEqual([
      'openat:entry',
      ':BEGIN',
      ':END',
      ':ERROR',
    ])
    expect(watch.events.at(-1)).toMatchObject({ type: 'error', code: 'ERR_DTRACE_ARGUMENT' })
    expect(stderr).toMatch(/no probe fits "no_such_probe"/)
    expect(code).toBe(2)
  })
})

describe('dtrace-watch run, with flags of dtrace(1)', () => {
  it('runs a program given with -n, its macro arguments, and the preprocessor', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dtrace-run-flags-'))
    writeFileSync(join(folder, 'what.h'), '#define WHAT(x) printf("[%d %s %s]\\n", x, NAME, $$1)\n')
    const program = '#include "what.h"\nBEGIN { WHAT(LIMIT); exit(3); } no_such_provider:::x { trace(1); }'
    const flags = ['-q', '-Z', '-C', '-I', folder, '-D', 'LIMIT=7', '-D', 'NAME="n"', '-n', program]
    expect(await cli(['run', ...flags, 'an argument'])).toEqual({
      code: 3,
      signal: null,
      stdout: '[7 n an argument]\n',
      stderr: '',
    })
    rmSync(folder, { recursive: true })
  })

  it('wants a script, or -n', async () => {
    const { code, stderr } = await cli(['run', '-q'])
    expect(stderr).toMatch(/missing required argument 'script'/)
    expect(code).toBe(2)
  })
})

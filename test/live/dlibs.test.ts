/** What this kernel can't compile of the D libraries is left out, and no more than that. */
import {
  cpSync,
  ftruncateSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Fault } from '../../lib/index.js'
import { quickerBpfLibrary } from '../../lib/platform/bpf-library.js'
import { type LibraryLocation, locateLibrary } from '../../lib/platform/locate.js'
import { collect, open } from './consumers.js'
import { requireDTrace } from './helper.js'
import { expectedLimitations } from './kernel.js'

const describe = requireDTrace()
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** This machine's D libraries, with a change in each kernel version's copy of some. */
function changedLibraries(changes: Record<string, (text: string) => string>): LibraryLocation {
  const library = locateLibrary()
  const original = library.syslibdir ?? join(dirname(realpathSync(library.path)), 'dtrace')
  const syslibdir = mkdtempSync(join(tmpdir(), 'dlibs-'))
  folders.push(syslibdir)
  cpSync(original, syslibdir, { recursive: true })
  for (const version of readdirSync(syslibdir).filter((entry) => /^\d/.test(entry))) {
    for (const [name, change] of Object.entries(changes)) {
      const file = join(syslibdir, version, name)
      writeFileSync(file, change(readFileSync(file, 'utf8')))
    }
  }
  return { ...library, syslibdir }
}

describe('on this kernel', () => {
  it('what is wrong with a session’s own types is not taken for the kernel’s', async () => {
    const consumer = await open({ options: { btfpath: '/no/such/file' } })
    await expect(consumer.compile('BEGIN { trace(curpsinfo->pr_fname); }')).rejects.toMatchObject({
      code: 'ERR_DTRACE_COMPILE',
    })
    await consumer.close()
    const next = await open()
    await next.compile('BEGIN { trace(curpsinfo->pr_fname); }')
    expect(next.limitations.map(({ what }) => what)).not.toContain('procfs.d')
  })

  it('fds[] and the io translators are there; what is not is told', async () => {
    const consumer = await open()
    const program = await consumer.compile(`
      syscall::openat:return /pid == $pid && arg1 >= 0/ { printf("fi_name=%s fi_fs=%s", fds[arg1].fi_name, fds[arg1].fi_fs) }
      io:::start { @ = sum(args[0]->b_bcount) }`)
    await consumer.enable(program)
    expect([...new Set(consumer.limitations.map(({ what }) => what))].sort()).toEqual(expectedLimitations())
    for (const { meaning, reason } of consumer.limitations) {
      expect(meaning).toContain('does not compile')
      expect(reason).toMatch(/major_names|b_end_io/)
    }
    await consumer.go()
    const records = collect(consumer)
    readFileSync(import.meta.filename)
    await consumer.stop()
    const files = (await records).map(({ fields }) => fields.fi_name)
    expect(files).toContain('dlibs.test.ts')
  })

  it('a member that it lacks costs that member alone; what fails elsewhere costs the library, and those that need it', async () => {
    const library = changedLibraries({
      'io.d': (text) => text.replace('b_resid = 0;', 'b_resid = B->no_such_member;'),
      'net.d': (text) => `${text}\ninline int broken = no_such_variable;\n`,
    })
    const consumer = await open({ library })
    await consumer.setOption('strsize', '128')
    const program = await consumer.compile(
      'io:::start { @ = sum(args[0]->b_bcount) } BEGIN { printf("seen=%d", 1); exit(0) }',
    )
    await consumer.enable(program)
    const limits = consumer.limitations
    expect(limits.filter(({ reason }) => reason.includes('no_such_member'))).toEqual([
      {
        what: 'bufinfo_t.b_resid',
        meaning: expect.stringContaining('struct buffer_head'),
        reason: expect.stringContaining('io.d'),
      },
    ])
    const left = limits.map(({ what }) => what).filter((what) => what.endsWith('.d'))
    expect(left.sort()).toEqual(['ip.d', 'net.d', 'tcp.d', 'udp.d'])
    // It was set in the session that had to be given up.
    expect(await consumer.getOption('strsize')).toBe(128)
    await consumer.go()
    expect((await collect(consumer)).map(({ fields }) => fields.seen)).toEqual([1])
  })

  it('its library of BPF functions is one that can be made quicker, and is as good then', async () => {
    const library = changedLibraries({})
    const file = join(library.syslibdir as string, 'bpf_dlib.o')
    const quicker = quickerBpfLibrary(readFileSync(file))
    expect(quicker).toBeDefined()
    writeFileSync(file, quicker as Buffer)
    const consumer = await open({ library })
    const faults: Fault[] = []
    consumer.on('fault', (fault) => faults.push(fault))
    // The probe's arguments are put aside while the error is told, and are back for the clauses after it.
    const program = await consumer.compile(`
      syscall::ftruncate:entry /pid == $pid && arg0 == 12345/ { trace(*(int *)arg1); }
      syscall::ftruncate:entry /pid == $pid && arg0 == 12345/ { printf("fd=%d length=%d", arg0, arg1); }`)
    await consumer.enable(program)
    await consumer.go()
    const records = collect(consumer)
    expect(() => ftruncateSync(12345, 64)).toThrow('EBADF')
    await consumer.stop()
    expect((await records).map(({ fields }) => [fields.fd, fields.length])).toEqual([[12345n, 64n]])
    expect(faults).toMatchObject([
      { count: 1, name: 'invalid address', address: 64n, message: /ftruncate:entry.*invalid address/ },
    ])
  })
})

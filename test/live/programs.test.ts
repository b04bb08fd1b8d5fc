import { spawn } from 'node:child_process'
import { once as onceEvent } from 'node:events'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CompileOptions, DTraceError, ProgramSource } from '../../lib/index.js'
import { collect, open } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-programs-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('programs', () => {
  test('several in one consumer: each record has its program, each program its counts and stabilities', async () => {
    const consumer = await open()
    const first = await consumer.compile('BEGIN { trace("first"); @a = count(); @b[pid] = sum(1); }')
    const second = await consumer.compile(
      'BEGIN { this->s = speculation(); } BEGIN { speculate(this->s); trace("second"); } BEGIN { commit(this->s); }',
    )
    // As dtrace -f: a function, which is one at its entry and at its return; and a file, with its name as $0.
    const third = await consumer.compile('openat /pid == $1/ { trace(probename); }', {
      specifier: 'function',
      args: [String(process.pid)],
    })
    const script = file('name.d', '#!/usr/sbin/dtrace -s\nEND { trace($$0); trace($$1); trace($2); }\n')
    const fourth = await consumer.compile({ file: script }, { args: ['a b', '-7'] })
    const programs = [first, second, third, fourth]
    const infos = []
    for (const program of programs) infos.push(await consumer.enable(program))
    expect(infos).toMatchObject([
      { matches: 1, aggregations: 2, recordGenerators: 1, speculations: 0 },
      { matches: 3, aggregations: 0, speculations: 1 },
      { matches: 2, aggregations: 0, recordGenerators: 1, speculations: 0 },
      { matches: 1, recordGenerators: 3 },
    ])
    expect(infos[0]?.statementStability).toEqual({ name: 'Stable', data: 'Stable', class: 'Common' })
    expect(infos[2]?.descriptionStability.name).toBe('Unstable')

    const reading = collect(consumer)
    await consumer.go()
    openSync(script, 'r')
    await consumer.stop()
    const of = ({ id }: { id: number }, records: Awaited<typeof reading>) =>
      records.filter(({ program }) => program === id).map(({ values }) => values)
    const records = await reading
    expect(of(first, records)).toEqual([['first']])
    expect(of(second, records).flat()).toContain('second')
    expect(of(third, records)).toEqual(expect.arrayContaining([['entry'], ['return']]))
    expect(of(fourth, records)).toEqual([[script, 'a b', -7]])
    expect(records.every(({ program }) => programs.some(({ id }) => id === program))).toBe(true)
  })

  test('errors have line, tag and file, and libdtrace’s words; the consumer is as good as before', async () => {
    const consumer = await open()
    const header = file('header.h', '#define WHO "header"\n')
    const broken = file('broken.h', 'int broken_line;\nint 5;\n')
    const script = file(
      'script.d',
      '#include "header.h"\nBEGIN { trace(WHO); }\nEND\n{ trace(no_such_thing); }\n',
    )
    type Expected = Partial<DTraceError>
    const bad: [ProgramSource, CompileOptions, Expected][] = [
      [
        'BEGIN\n{ trace(1)',
        {},
        { line: 3, tag: 'D_SYNTAX', reason: expect.stringMatching(/^line 3: syntax error/) },
      ],
      ['BEGIN { trace(1); }\n\nEND { trace(no_such_thing); }', {}, { line: 3, tag: 'D_IDENT_UNDEF' }],
      ['no_such_provider:::x {}', {}, { line: 1, tag: 'D_PDESC_ZERO' }],
      ['BEGIN { trace($1); }', {}, { tag: 'D_MACRO_UNDEF' }],
      ['BEGIN { trace($1); }', { args: ['1', '2'] }, { tag: 'D_MACRO_UNUSED' }],
      ['', {}, { tag: 'D_EMPTY' }],
      [{ file: script }, { cpp: true }, { line: 4, file: script, tag: 'D_IDENT_UNDEF' }],
      [{ file: script }, {}, { line: 1, file: script, tag: 'D_PRAGCTL_INVAL' }],
      [`#include "${broken}"\nBEGIN {}`, { cpp: true }, { line: 2, file: broken, tag: 'D_SYNTAX' }],
      [
        '\n#include "no_such.h"\n',
        { cpp: true },
        { line: 2, reason: expect.stringMatching(/no_such\.h: No such file/) },
      ],
      [
        '#if\nBEGIN {}',
        { cpp: { args: ['-include', header] } },
        { line: 1, reason: expect.stringMatching(/#if/) },
      ],
      ['#pragma D option amin=Stable/Stable/Common\nBEGIN { trace(curthread); }', {}, { tag: 'D_ATTR_MIN' }],
    ]
    for (const [source, options, expected] of bad) {
      await expect(consumer.compile(source, options), JSON.stringify(source)).rejects.toMatchObject({
        name: 'DTraceError',
        code: 'ERR_DTRACE_COMPILE',
        ...expected,
      })
    }
    const refused: [ProgramSource, CompileOptions, string][] = [
      ['BEGIN {}', { cpp: { path: '/no/such/cpp' } }, 'ERR_DTRACE_ARGUMENT'],
      ['BEGIN {}', { cpp: { defines: { 'a b': 1 } } }, 'ERR_DTRACE_ARGUMENT'],
      ['BEGIN {}', { cpp: 'yes' as never }, 'ERR_DTRACE_ARGUMENT'],
      ['BEGIN {}', { specifier: 'probe' as never }, 'ERR_DTRACE_ARGUMENT'],
      ['#pragma D option cpp\nBEGIN {}', {}, 'ERR_DTRACE_OPTION'],
      ['_Pragma("D option nolibs")\nBEGIN {}', { cpp: true }, 'ERR_DTRACE_OPTION'],
    ]
    for (const [source, options, code] of refused)
      await expect(consumer.compile(source, options)).rejects.toMatchObject({ code })
    // One of those left libdtrace with a place in its table that dtrace_go() would crash on.
    const good = await consumer.compile('/* #pragma D option nolibs */ BEGIN { trace(0); }')
    const empty = await consumer.compile('int unused;', { allowEmpty: true })
    const lenient = await consumer.compile('no_such_provider:::x {} END { trace($1); exit($2); }', {
      allowNoMatches: true,
      allowUnusedArgs: true,
      defaultArgs: true,
      args: ['5', '0', '7'],
    })
    await Promise.all([good, empty, lenient].map(async (program) => await consumer.enable(program)))
    await consumer.go()
    await consumer.stop()
    expect((await collect(consumer)).map(({ values }) => values)).toEqual([[0], [5, 0]])
  })

  test('the preprocessor runs beside the event loop and costs no child its exit', async () => {
    const consumer = await open()
    const header = file('who.h', '#define WHO "who"\n')
    const children = Array.from({ length: 40 }, () => spawn('true'))
    const exits = Promise.all(children.map((child) => onceEvent(child, 'exit')))
    const compiled = await Promise.all(
      Array.from(
        { length: 4 },
        async (_, i) =>
          await consumer.compile(
            {
              file: file(
                'main.d',
                `#include "who.h"\n#ifdef __SUNW_D\nBEGIN { trace(WHO); trace(N); }\n#endif\n`,
              ),
            },
            {
              cpp: { defines: { N: i }, includes: [folder] },
            },
          ),
      ),
    )
    expect(await exits).toEqual(children.map(() => [0, null]))
    expect(header).toContain(folder)
    for (const program of compiled) await consumer.enable(program)
    const reading = collect(consumer)
    await consumer.go()
    await consumer.stop()
    expect((await reading).map(({ values }) => values)).toEqual([0, 1, 2, 3].map((i) => ['who', i]))
  })
})

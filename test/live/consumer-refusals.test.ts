import { expect, test } from 'vitest'
import { Consumer } from '../../lib/index.js'
import { collect, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

describe('bad input is refused with what to do', () => {
  const refused: [what: string, source: string, pattern: RegExp][] = [
    ['a syntax error', 'BEGIN { trace( }', /line 1: syntax error/],
    ['an unclosed brace', 'BEGIN\n{ trace(1);', /line 3: syntax error/],
    ['an unknown probe', 'syscall::no_such_call:entry { trace(1); }', /no_such_call/],
    ['an unknown variable', 'BEGIN { trace(no_such_variable); }', /no_such_variable/],
    ['an empty program', '', /.+/],
  ]
  test.each(refused)('%s: ERR_DTRACE_COMPILE', async (_, source, pattern) => {
    const consumer = await open()
    await expect(consumer.compile(source)).rejects.toMatchObject({
      name: 'DTraceError',
      code: 'ERR_DTRACE_COMPILE',
      message: pattern,
      reason: expect.any(String),
    })
    // The session is as good as before.
    const [record] = await collect(consumer.run('BEGIN { trace(1); exit(0); }'))
    expect(record?.values[0]).toBe(1)
  })

  test('options: unknown names, bad values, and those that would end the process', async () => {
    const consumer = await open()
    const bad: [string, unknown][] = [
      ['no_such_option', '1'],
      ['bufsize', 'lots'],
      ['bufsize', {}],
      ['bufsize', 1.5],
      ['bufsize', undefined],
      ['nolibs', true],
      ['core', true],
      ['cpu', 4096],
      ['cpu', '99'],
      ['', '1'],
    ]
    for (const [name, value] of bad) {
      await expect(
        consumer.setOption(name as 'bufsize', value as string),
        `${name}=${String(value)}`,
      ).rejects.toMatchObject({
        code: 'ERR_DTRACE_OPTION',
      })
    }
    await expect(consumer.getOption('no_such_option' as 'bufsize')).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
    await consumer.setOption('bufsize', '8m')
    expect(await consumer.getOption('bufsize')).toBe(8 * 1024 * 1024)
    await consumer.setOption('quiet', true)
    await consumer.setOption('switchrate', '25ms')
    expect(await consumer.getOption('switchrate')).toBe(25_000_000)
    await expect(consumer.compile('#pragma D option cpu=99\nBEGIN {}')).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
    await expect(consumer.compile('#pragma D option nolibs\nBEGIN {}')).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
  })

  test('options given to open()', async () => {
    await expect(Consumer.open({ options: { no_such_option: '1' } as object })).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
    await expect(Consumer.open({ options: { bufsize: null as never } })).rejects.toMatchObject({
      code: 'ERR_DTRACE_OPTION',
    })
    await expect(Consumer.open({ host: 'elsewhere' as never })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
    })
    for (const bad of [
      { hangTimeout: 10 },
      { restart: 'yes' as never },
      { helper: {} as never },
      { helper: { command: [] as never } },
      { helper: { socket: '/run/x' }, host: 'in-process' as const },
    ])
      await expect(Consumer.open(bad)).rejects.toMatchObject({ code: 'ERR_DTRACE_ARGUMENT' })
    const consumer = await open()
    expect(consumer.state).toBe('open')
  })

  test('a file that is not there, and arguments that are not strings', async () => {
    const consumer = await open()
    await expect(consumer.compile({ file: '/no/such/file.d' })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
      message: /no such file/,
    })
    await expect(consumer.compile('BEGIN {}', { args: [1 as never] })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
    })
    await expect(consumer.compile(7 as never)).rejects.toMatchObject({ code: 'ERR_DTRACE_ARGUMENT' })
    await expect(consumer.enable({} as never)).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
  })

  const script = new URL('../../dist/index.js', import.meta.url).href
  const opening = `import { Consumer } from ${JSON.stringify(script)}
    try { await Consumer.open(); console.log('opened') } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message })) }`

  test('no privileges: ERR_DTRACE_PERMISSION', async () => {
    const nobody = 65534
    // The checkout may be in a folder that nobody may enter: then the privileges are dropped after loading.
    const { stdout } = await run(process.execPath, [
      '--input-type=module',
      '-e',
      opening.replace(
        'try {',
        `process.setgroups([]); process.setgid(${nobody}); process.setuid(${nobody}); try {`,
      ),
    ])
    expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_DTRACE_PERMISSION', message: /root/ })
  })

  test('no tracefs: ERR_DTRACE_TRACEFS', async () => {
    const { stdout } = await run('unshare', [
      '--mount',
      'sh',
      '-c',
      'umount -l /sys/kernel/debug; exec "$@"',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      opening,
    ])
    expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_DTRACE_TRACEFS', message: /mount -t debugfs/ })
  })

  test('no libdtrace: ERR_DTRACE_LIBRARY_NOT_FOUND, and import works', async () => {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', opening], {
      env: { ...process.env, DTRACE_CONSUMER_LIBDTRACE: '/no/such/library.so' },
    })
    expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_DTRACE_LIBRARY_NOT_FOUND' })
  })

  test('a library that is none: ERR_DTRACE_LIBRARY_NOT_FOUND with the linker’s words', async () => {
    await expect(
      Consumer.open({ library: { path: process.execPath, preload: [], source: 'environment' } }),
    ).rejects.toMatchObject({ code: 'ERR_DTRACE_LIBRARY_NOT_FOUND', reason: expect.stringMatching(/.+/) })
  })
})

import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Consumer } from '../../lib/index.js'
import { locateLibrary } from '../../lib/platform/locate.js'
import { setupHelper } from '../../lib/setup/index.js'
import { keepAwake } from './awake.js'
import { collect, once, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()
keepAwake()

/** A group that every system has, and a user who is in it and may do nothing special. */
const GROUP = 'daemon'
const NOBODY = 65534

describe('a helper with privileges', () => {
  // Not below /tmp: root's folders must be safe from others, and who isn't root must get there.
  const parent = mkdtempSync('/usr/local/lib/dtrace-consumer-test-')
  const folder = join(parent, 'helper')
  const host = join(folder, 'dtrace-consumer-host')
  const gid = Number(/^daemon:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1])

  beforeAll(async () => {
    chmodSync(parent, 0o755)
    await setupHelper({ folder, group: GROUP })
  })
  afterAll(() => rmSync(parent, { recursive: true, force: true }))

  /** The checkout may be where only root gets to. */
  function copyPackage(): string {
    const checkout = join(import.meta.dirname, '..', '..')
    const { dependencies } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
    }
    const needed = ['package.json', 'dist', join('build', 'Release', 'dtrace_consumer.node')]
    for (const name of [...needed, ...Object.keys(dependencies).map((name) => join('node_modules', name))])
      cpSync(join(checkout, name), join(parent, 'package', name), { recursive: true, dereference: true })
    const client = join(parent, 'package', 'test', 'live', 'fixtures', 'helper-client.mjs')
    cpSync(join(import.meta.dirname, 'fixtures', 'helper-client.mjs'), client)
    return client
  }

  test('is root’s, with all that it loads, and only its group may start it', () => {
    const mode = (file: string): number => statSync(join(folder, file)).mode & 0o777
    expect([mode(''), mode('dtrace-consumer-host'), mode('dtrace-consumer-host.conf')]).toEqual([
      0o755, 0o750, 0o644,
    ])
    expect(statSync(host)).toMatchObject({ uid: 0, gid })
    const configuration = readFileSync(`${host}.conf`, 'utf8')
    for (const [, file] of configuration.matchAll(/^\w+ (.*)$/gm)) {
      expect(file?.startsWith(folder)).toBe(true)
      expect(existsSync(file as string)).toBe(true)
    }
  })

  test('has the D libraries of every kernel version: it may be started on another one', () => {
    const { path, syslibdir } = locateLibrary()
    const own = readdirSync(syslibdir ?? join(dirname(path), 'dtrace'))
    expect(own.filter((name) => /^\d/.test(name)).length).toBeGreaterThan(1)
    expect(readdirSync(join(folder, 'dtrace'))).toEqual(own)
  })

  test('traces for a process that has no privileges at all, by file capabilities', async () => {
    const client = copyPackage()
    const child = spawn(process.execPath, [client, host], {
      uid: NOBODY,
      gid,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { PATH: process.env.PATH, DTRACE_CONSUMER_LIBDTRACE: folder },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    await once('the end of the client', (resolve) => child.on('close', resolve), 60)
    const [line = ''] = output.split('\n').filter((text) => text.startsWith('{'))
    expect(line, output).not.toBe('')
    expect(JSON.parse(line)).toEqual({
      privileges: '0000000000000000',
      inProcess: 'ERR_DTRACE_PERMISSION',
      host: 'process',
      answer: 42,
      path: '/etc/hostname',
      destructive: 'ERR_DTRACE_PERMISSION',
      pragma: 'ERR_DTRACE_PERMISSION',
      syslibdir: 'ERR_DTRACE_PERMISSION',
    })
  })

  test('is not lifted by --unrestricted when it has more privileges than its starter', async () => {
    // As sudo tells it; file capabilities are known from the kernel.
    const consumer = Consumer.open({
      helper: { command: ['env', 'SUDO_UID=1000', host, '--unrestricted'] },
      options: { destructive: true },
    })
    await expect(consumer).rejects.toMatchObject({ code: 'ERR_DTRACE_PERMISSION' })
  })

  test('loads what root has chosen, whatever library its client names', async () => {
    const consumer = await open({
      helper: { command: [host] },
      library: { path: '/nowhere/libdtrace.so', preload: ['/nowhere/else.so'], source: 'system' },
    })
    const [record] = await collect(consumer.run('BEGIN { printf("answer=%d", 42); exit(0); }'))
    expect(record?.fields.answer).toBe(42)
    const maps = readFileSync(`/proc/${consumer.hostPid}/maps`, 'utf8')
    expect(maps).toContain(`${folder}/libdtrace.so`)
    expect(maps).not.toContain(`${process.cwd()}/.dtrace`)
  })

  describe('behind a socket, as systemd starts one for each connection', () => {
    const socket = join(parent, 'socket')
    let server: Server
    beforeAll(async () => {
      server = createServer({ pauseOnConnect: true }, (connection) => {
        const child = spawn(host, [], { stdio: [connection, connection, 'inherit'] })
        child.on('exit', () => connection.destroy())
      })
      await new Promise<void>((resolve) => server.listen(socket, resolve))
    })
    afterAll(() => new Promise((resolve) => server.close(resolve)))

    test('it is the same, and goes when its client closes', async () => {
      const consumer = await open({ helper: { socket } })
      const [record] = await collect(consumer.run('BEGIN { printf("answer=%d", 42); exit(0); }'))
      expect(record?.fields.answer).toBe(42)
      await consumer.close()
    })

    test('its end is an error that says where to look', async () => {
      const consumer = await open({ helper: { socket } })
      await consumer.enable(await consumer.compile('tick-20hz { trace(1); }'))
      await consumer.go()
      const failed = once<Error>('an error event', (resolve) => consumer.once('error', resolve))
      process.kill(consumer.hostPid, 'SIGKILL')
      expect(await failed).toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED', message: /its log says why/ })
    })
  })

  test.each([
    ['a socket that is not there', { socket: '/nowhere/socket' }, /can't be reached: .*ENOENT/],
    ['a program that is not there', { command: ['/nowhere/host'] as const }, /can't be started: .*ENOENT/],
    ['a program that is no host', { command: ['false'] as const }, /exit code 1/],
    ['a program that says something else', { command: ['yes'] as const }, /no message/],
  ])('%s: the error says so', async (_what, helper, message) => {
    await expect(Consumer.open({ helper })).rejects.toMatchObject({ code: 'ERR_DTRACE_HOST_EXITED', message })
  })

  test('one of another version: the error says to make it anew', async () => {
    const other = join(parent, 'other-version')
    const greeting = '{"type":"hello","protocol":999}'
    writeFileSync(other, `#!/bin/sh\nprintf '\\037\\0\\0\\0\\0\\0\\0\\0%s' '${greeting}'\nexec cat\n`, {
      mode: 0o755,
    })
    await expect(Consumer.open({ helper: { command: [other] } })).rejects.toMatchObject({
      code: 'ERR_DTRACE_HOST_EXITED',
      message: /protocol 999.*setup --helper/,
    })
  })

  test('without its configuration it refuses to start, and says what makes one', async () => {
    const lonely = join(parent, 'lonely-host')
    await run('cp', [host, lonely])
    await expect(Consumer.open({ helper: { command: [lonely] } })).rejects.toMatchObject({
      code: 'ERR_DTRACE_HOST_EXITED',
      message: /lonely-host\.conf.*setup --helper/s,
    })
    writeFileSync(`${lonely}.conf`, 'library /usr/lib/libdtrace.so.2\n')
    chmodSync(`${lonely}.conf`, 0o666)
    await expect(Consumer.open({ helper: { command: [lonely] } })).rejects.toMatchObject({
      message: /others than root can write to it/,
    })
  })

  test('what can’t be set up is told: a folder that others can change, one that is there, a group that is not', async () => {
    const { setupHelper } = await import('../../lib/setup/index.js')
    await expect(setupHelper({ folder: '/usr/local/lib' })).rejects.toMatchObject({
      code: 'ERR_DTRACE_SETUP',
    })
    await expect(setupHelper({ folder, group: 'no-such-group' })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
      message: /groupadd/,
    })
    const open = join(parent, 'open')
    await run('mkdir', ['-m', '0777', open])
    await expect(setupHelper({ folder: join(open, 'helper') })).rejects.toMatchObject({
      code: 'ERR_DTRACE_SETUP',
      message: /can be changed by others/,
    })
  })
})

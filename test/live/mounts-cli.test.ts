import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageRoot } from '../../lib/platform/locate.js'
import { Cli, cli } from './cli-driver.js'
import { requireDTrace } from './helper.js'
import { MountRun, type MountSandbox, makeMountSandbox } from './mounts-driver.js'

const describe = requireDTrace()

describe('mounts.d', () => {
  it('prints readable lines under dtrace(1)', async () => {
    await using sandbox = makeMountSandbox()
    const own = join(packageRoot, '.dtrace', 'bin', 'dtrace')
    const script = join(packageRoot, 'dscripts', 'linux', 'mounts.d')
    const dtrace = new MountRun([existsSync(own) ? own : 'dtrace', '-s', script])
    const c = join(sandbox.folder, 'c')
    // It does not say when it is ready.
    const steps = [
      'unshare',
      `chdir ${c}`,
      'mount x sub tmpfs 1 size=1m',
      `fsopen no-such-fs 0`,
      'umount sub 0',
    ]
    const seen =
      /^op=base side=target tid=\d+ .* path=(\S+)\nop=mount errno=0 execname=mounts pid=\d+ .* fstype=tmpfs options=size=1m .* source=x target=sub$/m
    for (
      const deadline = performance.now() + 40_000;
      !seen.test(dtrace.out) && performance.now() < deadline;
    ) {
      await MountRun.steps(sandbox, ...steps).end()
    }
    expect(seen.exec(dtrace.out)?.[1]).toBe(c)
    expect(dtrace.out).toMatch(/^op=fsopen errno=19 execname=mounts .* fstype=no-such-fs /m)
    dtrace.child.kill('SIGINT')
    await dtrace.end()
  })
})

describe('dtrace-watch mounts', () => {
  let sandbox: MountSandbox
  beforeAll(() => {
    sandbox = makeMountSandbox()
  })
  afterAll(() => sandbox.dispose())

  it('prints a line for each, failures with their reason, and Ctrl-C stops it', async () => {
    const a = join(sandbox.folder, 'a')
    const watch = new Cli(['mounts', '--path', `${sandbox.folder}/**`])
    await watch.until('Watching', ({ text }) => text.includes('Watching mounts'))
    const run = await MountRun.steps(
      sandbox,
      ...[
        'unshare',
        `mount x\ty ${a} tmpfs 3 size=1m`,
        `mount ${a} ${a} - 0x5000 -`,
        `umount ${a} 2`,
        `umount ${a}/none 0`,
      ],
    ).end()
    const text = await watch.until('the failed umount', ({ text }) => text.includes('ENOENT') && text)
    const by = `by mounts ${run.pid} uid 0 in \\S+$`
    const time = '^\\d\\d:\\d\\d:\\d\\d\\.\\d{3}'
    expect(text).toMatch(
      new RegExp(`${time}  mount        x\\\\ty on ${a} type tmpfs \\(ro,nosuid,size=1m\\)  ${by}`, 'm'),
    )
    expect(text).toMatch(new RegExp(`${time}  bind         ${a} on ${a} \\(rec\\)  ${by}`, 'm'))
    expect(text).toMatch(new RegExp(`${time}  umount       ${a} \\(lazy\\)  ${by}`, 'm'))
    expect(text).toMatch(new RegExp(`${time}  umount       failed: ENOENT  ${a}/none  ${by}`, 'm'))
    // What does not match --path.
    expect(text).not.toContain('propagation')
    expect(await watch.stop()).toMatchObject({ code: 0, signal: null, stderr: '' })
  })

  it('gives JSON, of what is asked for only', async () => {
    const [a, b] = [join(sandbox.folder, 'a'), join(sandbox.folder, 'b')]
    const watch = new Cli(['mounts', '--json', '--failed', '--name', 'mounts', '--type', 'tmpfs', '--calls'])
    await watch.event('ready')
    const steps = [`mount x ${a} tmpfs 0 -`, `mount x ${a}/1 ramfs 0 -`, `mount x ${b}/2 tmpfs 0 -`]
    const run = await MountRun.steps(sandbox, 'unshare', ...steps).end()
    const event = await watch.event('mount')
    expect(event).toMatchObject({
      ...{
        type: 'mount',
        op: 'mount',
        call: 'mount',
        source: 'x',
        target: `${b}/2`,
        fstype: 'tmpfs',
        flags: 0,
        flag_names: [],
      },
      ...{
        errno: 2,
        error: 'ENOENT',
        execname: 'mounts',
        pid: run.pid,
        uid: 0,
        zone_name: expect.any(String),
      },
      ...{ zone_id: expect.any(Number), mntns: expect.any(Number), timestamp: expect.any(Number) },
    })
    const { code, stderr } = await watch.stop()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(watch.events.filter(({ type }) => type === 'mount')).toEqual([event])
  })

  it.each([
    ['a pid that is none', ['--pid', 'x'], /process id is a positive number/, 2],
    ['an empty glob', ['--path', ''], /glob "" is empty/, 2],
    ['an empty zone', ['--zone', ''], /zones: the glob "" is empty/, 2],
    ['an empty type', ['--type', '!'], /types: the glob "!" is empty/, 2],
    ['an unknown user', ['--user', 'no-such-user'], /no user "no-such-user"/, 2],
    ['what excludes each other', ['--failed', '--ok'], /'--(ok|failed)'.* cannot be used with option/, 2],
    ['an argument', ['/mnt'], /too many arguments/, 2],
    ['an unknown DTrace option', ['-x', 'nonsense=1'], /nonsense/, 2],
  ])('refuses %s', async (_what, args, message, exit) => {
    const { code, stderr } = await cli(['mounts', ...args])
    expect(stderr).toMatch(message)
    expect(code).toBe(exit)
  })

  it('says to an ordinary user that it takes privileges', async () => {
    const keep = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
    const search = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search']
    const { code, stderr } = await cli(['mounts'], { command: [...keep, ...search, process.execPath] })
    expect(stderr).toMatch(/dtrace-watch: .*root/s)
    expect(code).toBe(3)
  })
})

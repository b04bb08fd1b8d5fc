import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type MountEvent, type MountsWatcher, watchMounts } from '../../lib/watch/index.js'
import { requireDTrace } from './helper.js'
import {
  brief,
  compile,
  MountRun,
  type MountSandbox,
  Mounts,
  makeMountSandbox,
  parseMountinfo,
} from './mounts-driver.js'

const describe = requireDTrace()

describe('a watcher of mounts', () => {
  let sandbox: MountSandbox
  let watcher: MountsWatcher
  let mounts: Mounts
  /** Begun before the watcher was there. */
  let early: MountRun
  let a: string
  let b: string
  let c: string
  const troubles: unknown[] = []

  beforeAll(async () => {
    sandbox = makeMountSandbox()
    ;[a, b, c] = ['a', 'b', 'c'].map((name) => join(sandbox.folder, name)) as [string, string, string]
    symlinkSync('c', join(sandbox.folder, 'link'))
    early = MountRun.steps(
      sandbox,
      ...[
        'unshare',
        'fsopen tmpfs 0',
        'fsconfig %1 1 source early 0',
        'fsconfig %1 6 - - 0',
        'fsmount %1 0 0',
      ],
      ...['fsopen tmpfs 0', 'fsconfig %5 1 source later 0', 'wait'],
      ...[`move_mount %4 '' . ${a} 4`, 'fsconfig %5 6 - - 0', 'fsmount %5 0 0', `move_mount %10 '' . ${b} 4`],
    )
    await early.says(/^fsopen 5\nfsconfig 0$/m)
    watcher = await watchMounts({ calls: true })
    watcher.on('drop', (drop) => troubles.push(drop))
    watcher.on('fault', (fault) => troubles.push(fault))
    mounts = new Mounts(watcher, sandbox)
  })
  afterAll(async () => {
    await watcher?.stop()
    early?.child.kill('SIGKILL')
    sandbox?.dispose()
    expect(troubles).toEqual([])
  })

  it('tells a mount whose making it has not seen by what the kernel knows of it', async () => {
    early.child.stdin.write('\n')
    await early.end()
    const events = (await mounts.settle()).filter(({ pid }) => pid === early.pid)
    expect(events.map(brief)).toEqual([
      `mount early ${a} ok`,
      'fsconfig later - ok',
      'fsmount later - ok',
      `mount later ${b} ok`,
    ])
    expect(events.map(({ fstype }) => fstype)).toEqual(['tmpfs', 'tmpfs', 'tmpfs', 'tmpfs'])
  })

  it('tells what mount(8) and umount(8) do', async () => {
    await mounts.settle()
    const script = [
      'mount -t tmpfs -o size=2m,nosuid seen $A',
      'mount -o remount,ro $A',
      'mount --rbind $A $B',
      'mount --make-shared $B',
      'umount -l $B',
      'mount --move $A $C/sub',
      'umount $C/sub',
      'umount $C/sub || true',
    ].join('\n')
    const shell = ['unshare', '-m', 'sh', '-ec', `A=${a} B=${b} C=${c}\n${script}`] as const
    await new MountRun([...shell]).end()
    // Newer versions make a remount of mount_setattr.
    const events = (await mounts.settle())
      .filter(({ execname, op }) => ['mount', 'umount'].includes(execname) && !/^(fs|open_tree)/.test(op))
      .map((event) => ({ ...event, op: event.op === 'setattr' ? ('remount' as const) : event.op }))
    const first = events.find(({ op }) => op === 'mount')
    expect(first).toMatchObject({
      source: 'seen',
      target: a,
      fstype: 'tmpfs',
      uid: 0,
      zone_id: pidNamespace(),
    })
    expect(first?.options).toContain('size=2m')
    expect([...(first?.flag_names ?? []), ...(first?.attr_set_names ?? [])].join()).toContain('NOSUID')
    expect(first?.errno).toBeUndefined()
    const ops = events.map(
      ({ op, target, error }) => `${op} ${target}${error === undefined ? '' : ` ${error}`}`,
    )
    expect(ops).toEqual([
      `mount ${a}`,
      `remount ${a}`,
      `bind ${b}`,
      `propagation ${b}`,
      `umount ${b}`,
      `move ${join(c, 'sub')}`,
      `umount ${join(c, 'sub')}`,
      ...(ops.length > 7 ? [`umount ${join(c, 'sub')} EINVAL`] : []),
    ])
    const [, remount, bind, propagation, lazy, move] = events
    expect([...(remount?.flag_names ?? []), ...(remount?.attr_set_names ?? [])].join()).toContain('RDONLY')
    expect(bind).toMatchObject({ source: a, recursive: true })
    expect(propagation).toMatchObject({ propagation: 'shared' })
    expect(lazy?.flag_names).toContain('MNT_DETACH')
    expect(move).toMatchObject({ source: a })
  })

  it('makes paths absolute: from the working directory, a descriptor, /proc/self/fd, through links, and in a chroot', async () => {
    const { events, run } = await mounts.of(
      ...[
        'unshare',
        `chdir ${c}`,
        'mount x sub tmpfs 0 -',
        'umount ./../c/sub 0',
        'mount sub ../b - 0x1000 -',
      ],
      ...[`path ${a}`, `mount x /proc/self/fd/3 tmpfs 0 -`, `mount x ${sandbox.folder}/link/sub tmpfs 0 -`],
      ...[
        'umount sub 0',
        `chroot ${sandbox.folder}`,
        'mount x /c/sub tmpfs 0 -',
        'mount ../b ../a - 0x1000 -',
      ],
      ...['mount_setattr %5 =.. 0 1 0 0', 'mount x sub/../../link/sub tmpfs 0 -'],
    )
    expect(run.results.slice(0, 12)).not.toContain(-22)
    const sub = join(c, 'sub')
    expect(events.map(brief)).toEqual([
      `mount x ${sub} ok`,
      `umount - ${sub} ok`,
      `bind ${sub} ${b} ok`,
      `mount x ${a} ok`,
      // In another mount namespace links are not looked at.
      `mount x ${sandbox.folder}/link/sub ok`,
      `umount - ${sub} ok`,
      `mount x ${sub} ok`,
      `bind ${b} ${a} ok`,
      `setattr - ${sandbox.folder} EINVAL`,
      `mount x ${sandbox.folder}/link/sub ok`,
    ])
  })

  it('follows links of the way, on the root file system', async () => {
    const { events } = await mounts.of(`umount ${join(sandbox.folder, 'link', 'sub')} 0`)
    expect(events.map(brief)).toEqual([`umount - ${join(c, 'sub')} EINVAL`])
  })

  it('says where it does not know what is above', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `d${i}`)
    const deep = join(c, ...names)
    mkdirSync(deep, { recursive: true })
    const { events } = await mounts.of('unshare', `chdir ${deep}`, 'mount x =. tmpfs 0 -')
    expect(events).toHaveLength(1)
    // Unless the process was still there to be asked.
    if (events[0]?.target !== deep) expect(events[0]?.target).toMatch(/^…\/d\d+\/.*d28\/d29$/)
    const living = MountRun.steps(sandbox, 'unshare', `chdir ${deep}`, 'mount x =. tmpfs 0 -', 'wait')
    await living.says(/^mount 0/m)
    const seen = (await mounts.settle()).filter(({ pid, fstype }) => pid === living.pid && fstype === 'tmpfs')
    living.child.stdin.write('\n')
    await living.end()
    expect(seen.map(brief)).toEqual([`mount x ${deep} ok`])
  })

  it('has all of long paths and of options', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `${i}-${'n'.repeat(200)}`)
    const deep = join(c, ...names)
    mkdirSync(deep, { recursive: true })
    const options = `lowerdir=${Array.from({ length: 70 }, (_, i) => `/l${i}${'o'.repeat(50)}`).join(':')}`
    expect(options.length).toBeGreaterThan(3500)
    const { events } = await mounts.of(
      ...[
        'unshare',
        `mount ${deep} ${deep} - 0x1000 -`,
        `chdir ${deep}`,
        `mount x =. overlay 0 ${options}`,
        `umount ${deep} 2`,
      ],
    )
    expect(events.map(brief)).toEqual([
      `bind ${deep} ${deep} ok`,
      expect.stringContaining(`mount x ${deep} E`),
      `umount - ${deep} ok`,
    ])
    expect(events[1]).toMatchObject({ options, fstype: 'overlay' })
  })

  it('tells what fails, and why', async () => {
    const { events } = await mounts.of(
      ...[
        'unshare',
        `mount x ${a}/none tmpfs 0 -`,
        `mount x ${a} no-such-fs 0 -`,
        `umount ${a} 0`,
        `mount x ${a} tmpfs 0 bad=1`,
      ],
      ...[
        `mount x ${a} tmpfs 0 -`,
        `chdir ${a}`,
        `umount ${a} 0`,
        'mount 1 1 - 0 -',
        'fsopen no-such-fs 0',
        'fsopen tmpfs 0',
      ],
      ...[
        'fsconfig %10 1 bad value 0',
        'fsmount %10 0 0',
        'fsmount -1 0 0',
        "mount_setattr -1 '' 0x1000 1 0 0",
      ],
      ...[`open_tree . ${a}/none 1`, `fspick . ${b} 0`, `move_mount . ${b} . ${c} 0`],
    )
    expect(events.map(brief)).toEqual([
      `mount x ${a}/none ENOENT`,
      `mount x ${a} ENODEV`,
      `umount - ${a} EINVAL`,
      `mount x ${a} EINVAL`,
      `mount x ${a} ok`,
      `umount - ${a} EBUSY`,
      'mount - - EFAULT',
      'mount - - ENODEV',
      'fsopen - - ok',
      'mount - - EINVAL',
      'mount - - EINVAL',
      'mount - - EBADF',
      'setattr - - EBADF',
      `bind ${a}/none - ENOENT`,
      `remount - ${b} EINVAL`,
      `move ${b} ${c} EINVAL`,
    ])
    expect(events[5]).toMatchObject({ errno: 16, error: 'EBUSY', call: 'umount' })
    expect(events[9]).toMatchObject({
      call: 'fsconfig',
      parameter: 'bad=value',
      flag_names: ['FSCONFIG_SET_STRING'],
    })
    expect(events[7]).toMatchObject({ call: 'fsopen', fstype: 'no-such-fs' })
  })

  it('tells a call without the strings that could not be read, and says so', async () => {
    // The kernel refuses the flags before it looks at the path, which is at address 1.
    const { events } = await mounts.of('umount 1 0x80')
    expect(events.map(brief)).toEqual(['umount - - EINVAL'])
    expect(troubles.splice(0)).toMatchObject([{ name: 'invalid address', address: 1n }])
  })

  it('tells what an ordinary user may not do', async () => {
    await mounts.settle()
    const asNobody = [
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'mount',
      '-i',
      '-t',
      'tmpfs',
      'x',
      a,
    ]
    await new MountRun(['sh', '-c', '"$@" 2>/dev/null; exec sh -c true', 'sh', ...asNobody]).end()
    await mounts.settle()
    const run = new MountRun([
      'sh',
      '-c',
      `chmod 755 ${sandbox.folder}; exec setpriv --reuid=65534 --regid=65534 --clear-groups ${sandbox.program} mount x ${a} tmpfs 0 - , umount ${a} 0`,
    ])
    await run.end()
    const events = (await mounts.settle()).filter(({ pid }) => pid === run.pid)
    expect(events.map(brief)).toEqual([`mount x ${a} EPERM`, `umount - ${a} EPERM`])
    expect(events[0]).toMatchObject({ uid: 65534 })
  })

  it('makes one mount of fsopen to move_mount, with what the kernel has mounted', async () => {
    await mounts.settle()
    const run = MountRun.steps(
      sandbox,
      ...[
        'unshare',
        'fsopen tmpfs 1',
        'fsconfig %1 1 source web 0',
        'fsconfig %1 1 size 1m 0',
        'fsconfig %1 0 ro - 0',
      ],
      ...[
        'fsconfig %1 6 - - 0',
        'fsmount %1 1 2',
        `path ${sandbox.folder}`,
        "mount_setattr %6 '' 0x1000 0x8 2 0",
      ],
      ...['move_mount %6 =a %7 b 4', "move_mount %6 '' %7 a 4", 'wait'],
    )
    await run.says(/move_mount .*\nmove_mount 0/)
    const table = parseMountinfo(readFileSync(`/proc/${run.pid}/mountinfo`, 'utf8'))
    run.child.stdin.write('\n')
    await run.end()
    const events = (await mounts.settle()).filter(({ pid, target }) => pid === run.pid && target !== '/')
    expect(events.map(({ op, call, error }) => `${op} ${call} ${error ?? 'ok'}`)).toEqual([
      'fsopen fsopen ok',
      ...Array.from({ length: 4 }, () => 'fsconfig fsconfig ok'),
      'fsmount fsmount ok',
      'mount_setattr mount_setattr ok',
      'move move_mount ENOENT',
      'mount move_mount ok',
    ])
    const mount = events.at(-1)
    expect(mount).toMatchObject({
      source: 'web',
      target: a,
      fstype: 'tmpfs',
      options: 'size=1m,ro',
      attr_set_names: ['MOUNT_ATTR_NOEXEC'],
      attr_clr_names: ['MOUNT_ATTR_NOSUID'],
      flag_names: ['MOVE_MOUNT_F_EMPTY_PATH'],
    })
    expect(table.find(({ point }) => point === a)).toEqual({
      id: mount?.mnt_id,
      point: mount?.target,
      type: mount?.fstype,
      source: mount?.source,
    })
  })

  it('knows a mount again in another process and descriptor', async () => {
    const { run, events } = await mounts.of(
      ...[
        'unshare',
        'fsopen tmpfs 0',
        'dup %1',
        'fsconfig %2 1 source away 0',
        'fork',
        'fsconfig %1 6 - - 0',
      ],
      ...['fsmount %2 0 0', 'dup %6', 'fork', `move_mount %7 '' . ${b} 4`],
    )
    expect(run.pids).toHaveLength(3)
    expect(events.at(-1)).toMatchObject({ op: 'mount', source: 'away', target: b, pid: run.pids[2] })
  })

  it('tells copies, moves, attributes and remounts of the newer calls', async () => {
    const { run, events } = await mounts.of(
      ...[
        'unshare',
        `mount x ${a} tmpfs 0 -`,
        `open_tree . ${a} 0x8001`,
        "mount_setattr %2 '' 0x1000 1 0 0x80000",
      ],
      ...[
        `move_mount %2 '' . ${b} 4`,
        `open_tree . ${b} 0`,
        `move_mount %5 '' . ${c}/sub 4`,
        `mount_setattr . ${a} 0x8000 0 0 0x40000`,
      ],
      ...[
        `mount_setattr . ${a} 0 0x20 0x70 0`,
        `fspick . ${a} 0`,
        'fsconfig %9 1 size 2m 0',
        'fsconfig %9 7 - - 0',
      ],
      ...[`move_mount . ${a} . ${b} 0`],
    )
    expect(run.results.filter((result) => result < 0)).toEqual([])
    const sub = join(c, 'sub')
    expect(events.map(brief)).toEqual([
      `mount x ${a} ok`,
      `open_tree ${a} - ok`,
      `mount_setattr ${a} - ok`,
      `bind ${a} ${b} ok`,
      `open_tree - ${b} ok`,
      `move ${b} ${sub} ok`,
      `propagation - ${a} ok`,
      `setattr - ${a} ok`,
      `fspick - ${a} ok`,
      `fsconfig - ${a} ok`,
      `remount - ${a} ok`,
      `move ${a} ${b} ok`,
    ])
    expect(events[3]).toMatchObject({
      attr_set_names: ['MOUNT_ATTR_RDONLY'],
      propagation: 'slave',
      recursive: true,
    })
    expect(events[6]).toMatchObject({ propagation: 'private', recursive: true })
    expect(events[7]).toMatchObject({
      attr_set_names: ['MOUNT_ATTR_STRICTATIME'],
      attr_clr_names: ['MOUNT_ATTR__ATIME'],
    })
    expect(events[10]).toMatchObject({ options: 'size=2m', flag_names: ['FSCONFIG_CMD_RECONFIGURE'] })
  })

  it('tells a new root, and where the old one went', async () => {
    const { run, events } = await mounts.of(
      ...['unshare', `mount x ${a} tmpfs 0 -`, `chdir ${a}`, 'pivot_root =. =.', 'umount =. 2'],
    )
    expect(run.results).not.toContain(-22)
    expect(events.map(brief)).toEqual([`mount x ${a} ok`, `pivot_root ${a} ${a} ok`, 'umount - / ok'])
  })

  it('tells an overlay with its directories', async () => {
    const options = `lowerdir=${b},upperdir=/up,workdir=/work`
    const { events } = await mounts.of(
      'unshare',
      `mount overlay ${a} overlay 0 lowerdir=${b}:${c}`,
      `mount overlay ${a} overlay 0x1 ${options}`,
    )
    expect(events.map(({ fstype, options: data }) => [fstype, data])).toEqual([
      ['overlay', `lowerdir=${b}:${c}`],
      ['overlay', options],
    ])
    expect(events[1]).toMatchObject({ flag_names: ['MS_RDONLY'], error: expect.stringMatching(/^E/) })
  })

  it('says in which zone and mount namespace', async () => {
    await mounts.settle()
    const inside = `hostname web-7; ${sandbox.program} mount x ${a} tmpfs 0 -; readlink /proc/self/ns/pid /proc/self/ns/mnt`
    const run = new MountRun(['unshare', '-mpuf', '--mount-proc', 'sh', '-ec', inside])
    await run.end()
    const events = (await mounts.settle()).filter(({ zone_name }) => zone_name === 'web-7')
    const ids = [...run.out.matchAll(/:\[(\d+)\]/g)].map(([, id]) => Number(id))
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ op: 'mount', target: a, zone_id: ids[0], mntns: ids[1] })
  })

  it('tells all that a container runtime mounts, in whichever zone it is by then', async () => {
    const bundle = join(sandbox.folder, 'bundle')
    mkdirSync(join(bundle, 'rootfs', 'tmp'), { recursive: true })
    compile(join(bundle, 'rootfs', 'mounts'), '-static')
    execFileSync('runc', ['spec', '--bundle', bundle])
    const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
    config.process.terminal = false
    config.process.args = ['/mounts', ...'mount x /tmp tmpfs 0 -'.split(' ')]
    config.hostname = 'web-9'
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
    await mounts.settle()
    const name = `mounts-${process.pid}`
    const run = new MountRun(['runc', '--root', join(sandbox.folder, 'run'), 'run', '--bundle', bundle, name])
    await run.end()
    const all = await mounts.settle()
    const last = all.find(({ target, error }) => target === '/tmp' && error === 'EPERM')
    expect(last, brief(all.at(-1) as MountEvent)).toMatchObject({
      op: 'mount',
      source: 'x',
      execname: 'mounts',
    })
    const init = all.filter(({ pid }) => pid === last?.pid)
    // As runc's own specification has it: the targets are descriptors, /proc/self/fd/N.
    const rootfs = join(bundle, 'rootfs')
    for (const { destination, type } of config.mounts) {
      const op = type === 'cgroup' ? expect.anything() : 'mount'
      expect(init).toContainEqual(expect.objectContaining({ op, target: join(rootfs, destination) }))
    }
    expect(init.map(brief)).toContain(`pivot_root ${rootfs} ${rootfs} ok`)
    expect(init.filter(({ target }) => target?.includes('…')).map(brief)).toEqual([])
    expect(init.length).toBeGreaterThan(15)
    // The zone's number is there from the beginning, its host name not.
    expect(new Set(init.map(({ zone_id }) => zone_id)).size).toBe(1)
    expect(last?.zone_id).not.toBe(pidNamespace())
    expect(['web-9', name]).toContain(last?.zone_name)
  })

  it('misses none of many', async () => {
    const { events } = await mounts.of('unshare', `flood 1000 ${a}`)
    expect(events.filter(({ op }) => op === 'mount')).toHaveLength(1000)
    expect(events.filter(({ op }) => op === 'umount')).toHaveLength(1000)
    expect(events.every(({ target }) => target === a)).toBe(true)
  })
})

function pidNamespace(): number {
  return Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0])
}

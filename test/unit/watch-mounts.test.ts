import { expect, it } from 'vitest'
import type { DTraceRecord } from '../../lib/record/decoder.js'
import { type MountEvent, makeMountEvent } from '../../lib/watch/mounts/event.js'
import { attributeNames, flagNames, optionWords, propagationOf } from '../../lib/watch/mounts/flags.js'
import { MountMeanings } from '../../lib/watch/mounts/meaning.js'
import { checkMountsOptions, type MountsOptions } from '../../lib/watch/mounts/options.js'
import { MountPaths } from '../../lib/watch/mounts/paths.js'
import { MountAssembler } from '../../lib/watch/mounts/records.js'

type Fields = { [name: string]: string | number | bigint }

function record(
  call: string,
  fields: Fields,
  values: (string | number | bigint)[] = [],
  cpu = 0,
): DTraceRecord {
  const probe = { id: 1, provider: 'syscall', module: 'vmlinux', function: call, name: 'return' }
  return { probe, cpu, values, fields }
}

/** As mounts.d has it. */
function called(call: string, fields: Fields = {}, cpu = 0): DTraceRecord {
  const who = { execname: 'mount', pid: 77, tid: 78, uid: 0, zone_name: 'vm', zone_id: 1, mntns: 2, root: 2n }
  const nothing = {
    fstype: '',
    options: '',
    device: '',
    mnt_id: 0,
    attached: 0,
    context: 0n,
    source: '',
    target: '',
  }
  return record(
    call,
    { errno: 0, ...who, timestamp: 5n, flags: 0, fromfd: -100, dirfd: -100, ...nothing, ...fields },
    [],
    cpu,
  )
}

function base(
  side: string,
  from: number,
  end: number,
  pieces: string[],
  timestamp = 5n,
  cpu = 0,
): DTraceRecord {
  return record(
    'mount',
    { side, tid: 78, timestamp, from, end, path: pieces[0] ?? '' },
    [side, 78, timestamp, from, end, ...pieces],
    cpu,
  )
}

function more(side: string, pieces: string[], timestamp = 5n): DTraceRecord {
  return record('mount', { side, tid: 78, timestamp, rest: pieces[0] ?? '' }, [
    side,
    78,
    timestamp,
    ...pieces,
  ])
}

function events(...records: DTraceRecord[]): MountEvent[] {
  const meanings = new MountMeanings(new MountPaths())
  return new MountAssembler().add(records).map((call) => makeMountEvent(call, meanings.of(call), 'zone'))
}

const MS_BIND = 0x1000

it('names flags, and leaves none out', () => {
  expect(flagNames('mount', 0xc0ed0003)).toEqual(['MS_RDONLY', 'MS_NOSUID'])
  expect(flagNames('mount', MS_BIND | 0x4000 | 0x200)).toEqual(['MS_BIND', 'MS_REC', '0x200'])
  expect(flagNames('umount', 10)).toEqual(['MNT_DETACH', 'UMOUNT_NOFOLLOW'])
  expect(flagNames('move_mount', 0x144)).toEqual([
    'MOVE_MOUNT_F_EMPTY_PATH',
    'MOVE_MOUNT_T_EMPTY_PATH',
    'MOVE_MOUNT_SET_GROUP',
  ])
  expect(flagNames('open_tree', 0x408001)).toEqual(['OPEN_TREE_CLONE', 'AT_RECURSIVE', '0x400000'])
  expect(flagNames('open_tree', 0o2000000)).toEqual(['OPEN_TREE_CLOEXEC'])
  expect(flagNames('fsconfig', 6)).toEqual(['FSCONFIG_CMD_CREATE'])
  expect(flagNames('fsconfig', 99)).toEqual(['0x63'])
  expect(flagNames('mount', 0x80000000)).toEqual(['0x80000000'])
})

it('names attributes, with the access times as a mask when they are cleared', () => {
  expect(attributeNames(0x31n)).toEqual(['MOUNT_ATTR_RDONLY', 'MOUNT_ATTR_NOATIME', 'MOUNT_ATTR_STRICTATIME'])
  expect(attributeNames(0x70n)).toEqual(['MOUNT_ATTR__ATIME'])
  expect(attributeNames(0x1_0000_0001n)).toEqual(['MOUNT_ATTR_RDONLY', '0x100000000'])
})

it('has one way of spreading, or none', () => {
  expect(propagationOf(1 << 20)).toBe('shared')
  expect(propagationOf(1 << 18)).toBe('private')
  expect(propagationOf((1 << 18) | (1 << 19))).toBeUndefined()
})

it('writes flags as mount(8) does', () => {
  expect(
    optionWords(['MS_RDONLY', 'MS_NOSUID', 'MS_BIND', 'MNT_DETACH', 'MOUNT_ATTR_NOEXEC', 'AT_EMPTY_PATH']),
  ).toEqual(['ro', 'nosuid', 'lazy', 'noexec'])
})

it.each([
  [0x21, 'remount'],
  [0x1020, 'remount'],
  [0x5000, 'bind'],
  [0x44000, 'propagation'],
  [0x2000, 'move'],
  [1, 'mount'],
  [0xc0ed1000, 'bind'],
])('reads the flags of mount(2) in the order of the kernel: %i is %s', (flags, op) => {
  expect(events(called('mount', { flags, target: '/t' }))[0]).toMatchObject({ op, target: '/t' })
})

it('puts together what came in several records', () => {
  const long = 'x'.repeat(255)
  const [event] = events(
    base('source', -100, 1, ['', '', '/srv', '/a']),
    more('target', ['yy', 'zz', '']),
    called('mount', { flags: MS_BIND, source: 's', target: `/${long.slice(1)}` }),
  )
  expect(event).toMatchObject({ op: 'bind', source: '/srv/a/s', target: `/${long.slice(1)}yyzz` })
})

it('does not add to a call what belonged to another one, whose record was dropped', () => {
  const [event] = events(base('target', -100, 1, ['/elsewhere'], 4n), called('umount', { target: 't' }))
  expect(event?.target).toBe('/t')
})

it('sorts calls of several processors by time', () => {
  const told = events(
    called('umount', { target: '/2', timestamp: 7n }, 0),
    called('umount', { target: '/1', timestamp: 6n }, 1),
  )
  expect(told.map(({ target }) => target)).toEqual(['/1', '/2'])
})

it('makes one path of where it starts and what was passed', () => {
  const target = (text: string, ...before: DTraceRecord[]): string | undefined =>
    events(...before, called('umount', { target: text, dirfd: -100 }))[0]?.target
  expect(target('/a/../b//c/.')).toBe('/b/c')
  expect(target('../x', base('target', -100, 1, ['/a', '/b']))).toBe('/a/x')
  expect(target('x')).toBe('/x')
  expect(target('/x', base('target', -200, 1, ['/jail']))).toBe('/jail/x')
  expect(target('/../x', base('target', -200, 1, ['/jail']))).toBe('/jail/x')
  expect(target('/proc/self/fd/7', base('target', 7, 1, ['/run/rootfs/dev']))).toBe('/run/rootfs/dev')
  // Of what was taken away the kernel does not know where it was.
  expect(target('/proc/self/fd/7', base('target', 7, 2, []))).toBe('/proc/self/fd/7')
  expect(target('x', base('target', -100, 0, ['/deep/er']))).toBe('…/deep/er/x')
  expect(target('x', base('target', -100, 2, ['/of/another']))).toBe('…/of/another/x')
  expect(target('')).toBeUndefined()
})

it('takes an empty path for the descriptor only where the call does', () => {
  const at = base('target', 5, 1, ['/five'])
  expect(events(at, called('mount_setattr', { dirfd: 5, flags: 0x1000 }))[0]?.target).toBe('/five')
  expect(events(at, called('mount_setattr', { dirfd: 5 }))[0]?.target).toBeUndefined()
  expect(events(called('mount_setattr', { dirfd: 5, flags: 0x1000, errno: 9 }))[0]?.target).toBeUndefined()
  expect(events(called('mount_setattr', { dirfd: 5, target: 'x', errno: 9 }))[0]?.target).toBe('x')
})

it('keeps what is known of a mount by its number, and of a context by its address', () => {
  const told = events(
    called('fsopen', { fstype: 'ext4', context: 0xffff_8881_0000_1000n }),
    called('fsconfig', { flags: 1, key: 'source', value: '/dev/sdb1', context: 0xffff_8881_0000_1000n }),
    called('fsconfig', { flags: 0, key: 'ro', context: 0xffff_8881_0000_1000n }),
    called('fsconfig', { flags: 5, key: 'fd', aux: 3, context: 0xffff_8881_0000_1000n }),
    called('fsmount', {
      attr_set: 2n,
      context: 0xffff_8881_0000_1000n,
      mnt_id: 9,
      device: '/dev/sdb1',
      fstype: 'ext4',
    }),
    base('target', -300, 1, ['/mnt']),
    called('move_mount', { flags: 4, mnt_id: 9, device: '/dev/sdb1', fstype: 'ext4', target: 'mnt' }),
    // The number is used again, by a mount that was there.
    base('source', -300, 1, ['/old']),
    called('move_mount', { flags: 4, mnt_id: 9, attached: 1, fstype: 'xfs', target: '/new' }),
  )
  expect(told.map(({ op }) => op)).toEqual([
    'fsopen',
    'fsconfig',
    'fsconfig',
    'fsconfig',
    'fsmount',
    'mount',
    'move',
  ])
  expect(told[5]).toMatchObject({ source: '/dev/sdb1', target: '/mnt', fstype: 'ext4', options: 'ro,fd=3' })
  expect(told[5]).toMatchObject({ attr_set: 2, attr_set_names: ['MOUNT_ATTR_NOSUID'], mnt_id: 9 })
  expect(told[6]).toMatchObject({ source: '/old', target: '/new', fstype: 'xfs' })
  expect(told[6]?.options).toBeUndefined()
})

it('does not show binary data as if it were options', () => {
  expect(events(called('mount', { target: '/t', fstype: 'nfs', options: '\x06' }))[0]?.options).toBe(
    '(binary)',
  )
})

it('keeps paths that are no UTF-8', () => {
  const [event] = events(called('umount', { target: '/\xff' }))
  expect(event).toMatchObject({ target: '/\ufffd', target_bytes: new Uint8Array([0x2f, 0xff]) })
})

const failed = { errno: 16, error: 'EBUSY' }
const event: MountEvent = {
  ...{
    timestamp: 1,
    op: 'mount',
    call: 'mount',
    source: '/dev/sdb1',
    target: '/mnt/usb',
    fstype: 'ext4',
    flags: 0,
  },
  ...{ flag_names: [], execname: 'mount', pid: 7, tid: 7, uid: 0, zone_name: 'web', zone_id: 12, mntns: 3 },
}

it.each<[MountsOptions, Partial<MountEvent>, boolean]>([
  [{}, {}, true],
  [{}, failed, true],
  [{ outcome: 'failed' }, {}, false],
  [{ outcome: 'failed' }, failed, true],
  [{ outcome: 'ok' }, failed, false],
  [{ outcome: 'ok' }, {}, true],
  [{ outcome: 'all' }, failed, true],
  [{ include: '/mnt/**' }, {}, true],
  [{ include: '/mnt/**' }, { target: '/media/x' }, false],
  [{ include: 'usb' }, {}, true],
  [{ exclude: '/mnt/**' }, {}, false],
  [{ include: '!/mnt/**' }, {}, false],
  [{ zones: 'we*' }, {}, true],
  [{ zones: 12 }, {}, true],
  [{ zones: ['!web'] }, {}, false],
  [{ zones: ['!web'] }, { zone_name: 'db' }, true],
  [{ types: ['ext*', 'xfs'] }, {}, true],
  [{ types: '!ext4' }, {}, false],
  [{ pids: 7 }, {}, true],
  [{ pids: [8, 9] }, {}, false],
  [{ processes: 'systemd*' }, {}, false],
  [{ users: 0 }, {}, true],
])('chooses by %o', (options, of, chosen) => {
  expect(checkMountsOptions(options).chooses({ ...event, ...of })).toBe(chosen)
})

it('does not choose what has no target or type where one is asked for', () => {
  const { target: _target, fstype: _fstype, ...bare } = event
  expect(checkMountsOptions({ include: '**' }).chooses(bare)).toBe(false)
  expect(checkMountsOptions({ types: 'ext4' }).chooses(bare)).toBe(false)
  expect(checkMountsOptions({ exclude: '/x' }).chooses(bare)).toBe(true)
})

it.each<[unknown, RegExp]>([
  [{ pids: 0 }, /pids.*positive/],
  [{ pids: [] }, /pids.*empty/],
  [{ types: '' }, /types: the glob "" is empty/],
  [{ zones: ['!'] }, /zones: the glob "!" is empty/],
  [{ outcome: 'none' }, /outcome: is 'ok', 'failed' or 'all'/],
  [{ include: '' }, /glob "" is empty/],
  [{ users: 'no-such-user' }, /no user "no-such-user"/],
  [{ call: true }, /call/],
  [{ queueLimit: 0 }, /queueLimit/],
])('refuses %o', (options, message) => {
  expect(() => checkMountsOptions(options as MountsOptions)).toThrow(message)
})

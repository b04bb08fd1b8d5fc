import { describe, expect, it } from 'vitest'
import type { DTraceRecord } from '../../lib/record/decoder.js'
import type { ZoneEvent } from '../../lib/watch/index.js'
import { ZoneLedger, zoneKey } from '../../lib/watch/zones/ledger.js'
import { identify } from '../../lib/watch/zones/names.js'
import type { PresentZone } from '../../lib/watch/zones/present.js'
import { type LifeRecord, type ZoneChange, zoneRecord } from '../../lib/watch/zones/records.js'

/** What a ledger tells of records that come in this order, a batch each; then all that can come has. */
function told(...batches: ZoneChange[][]): string[] {
  const events: ZoneEvent[] = []
  const ledger = new ZoneLedger((event) => events.push(event))
  for (const batch of batches) ledger.add(batch)
  const before = events.length
  ledger.add([], ledger.waiting)
  const words = events.map(({ event, zone_name, zone_id, exit_status, signal }) =>
    [event, `${zone_name}/${zone_id}`, signal ?? exit_status].filter((word) => word !== undefined).join(' '),
  )
  return before === events.length ? words : [...words.slice(0, before), '(settled)', ...words.slice(before)]
}

/** Milliseconds, and what happened then. */
const life = (at: number, fields: Partial<LifeRecord>): LifeRecord => ({
  op: 'exec',
  timestamp: BigInt(at) * 1_000_000n,
  monotonic: BigInt(at) * 1_000_000n,
  zone_id: 1,
  level: 1,
  parent_zone_id: 0xeffffffc,
  init_pid: 100,
  init_start: 10,
  execname: 'sh',
  uid: 0,
  executed: true,
  nr: 1,
  hostname: 'aap',
  command: 'sh',
  own: true,
  cgroups: [],
  status: 0,
  oom: false,
  ...fields,
})
const exec = (at: number, fields: Partial<LifeRecord> = {}): LifeRecord => life(at, fields)
const exit = (at: number, fields: Partial<LifeRecord> = {}): LifeRecord =>
  life(at, { op: 'exit', command: '', ...fields })
const create = (at: number, execname: string, fields: object = {}): ZoneChange => {
  const { timestamp, monotonic, zone_id, level, parent_zone_id, init_pid, init_start, uid } = life(at, fields)
  const command = `${execname} …`
  return {
    op: 'create',
    timestamp,
    monotonic,
    zone_id,
    level,
    parent_zone_id,
    init_pid,
    init_start,
    uid,
    execname,
    command,
  }
}
const docker = (digit: string): Partial<LifeRecord> => ({ cgroups: [`/docker/${digit.repeat(64)}`] })

describe('what happens to zones', () => {
  it('a boot and a shutdown, though the records come the other way round', () => {
    expect(told([exec(1), exit(2)])).toEqual(['boot aap/1', 'shutdown aap/1 0'])
    expect(told([exit(2), exec(1)])).toEqual(['boot aap/1', 'shutdown aap/1 0'])
    expect(told([exit(2)], [exec(1)])).toEqual(['boot aap/1', 'shutdown aap/1 0'])
  })

  it('a first process that has executed nothing has failed, when nothing else can come', () => {
    const failed = exit(2, { executed: false, status: 127 << 8 })
    expect(told([failed])).toEqual(['(settled)', 'failed aap/1 127'])
    const sandbox = exec(1, { nr: 2, executed: false, execname: 'sleep' })
    expect(told([failed], [sandbox])).toEqual(['boot aap/1', 'shutdown aap/1 127'])
  })

  it('what others execute in a container of a runtime that executes first are hooks', () => {
    const hook = exec(2, { nr: 2, executed: false, execname: 'hook' })
    const failed = exit(3, { executed: false, status: 1 << 8 })
    expect(told([create(1, 'runc:[1:CHILD]'), hook, failed])).toEqual(['(settled)', 'failed aap/1 1'])
    expect(told([create(1, 'runc:[1:CHILD]'), hook, exec(3), exit(4)])).toEqual([
      'boot aap/1',
      'shutdown aap/1 0',
    ])
    expect(told([{ ...hook, ...docker('a') }, exec(3, docker('a'))])).toEqual(['boot aaaaaaaaaaaa/1'])
  })

  it('a second exec is no second boot, and a second end no second shutdown', () => {
    expect(told([exec(1), exec(2), exec(3), exit(4), exit(4)])).toEqual(['boot aap/1', 'shutdown aap/1 0'])
  })

  it('the same number and the same name are another zone when the first process is another one', () => {
    const again = { init_pid: 101, init_start: 12 }
    const order = ['boot aap/1', 'shutdown aap/1 1', 'boot aap/1', 'shutdown aap/1 2']
    const [b1, s1] = [exec(1), exit(2, { status: 1 << 8 })]
    const [b2, s2] = [exec(3, again), exit(4, { ...again, status: 2 << 8 })]
    expect(told([b1, s1, b2, s2])).toEqual(order)
    expect(told([b1], [b2], [s1], [s2])).toEqual(order)
    expect(told([b1, b2, s2], [s1])).toEqual(order)
    // Two of one name at the same time: that there is nothing in between takes a moment to know.
    expect(told([b1], [b2])).toEqual(['boot aap/1', '(settled)', 'boot aap/1'])
  })

  it('what comes after something that has to wait waits, too', () => {
    const other = { zone_id: 2, init_pid: 200, hostname: 'noot' }
    expect(told([exit(2), exec(3, other)], [exec(1)])).toEqual([
      'boot aap/1',
      'shutdown aap/1 0',
      'boot noot/2',
    ])
  })

  it('a shutdown without a boot ends what must have been up already', () => {
    expect(told([exit(2, { status: 9 })])).toEqual(['(settled)', 'present aap/1', 'shutdown aap/1 SIGKILL'])
  })

  it('statuses as wait(2) has them', () => {
    const end = (status: number): string | undefined => told([exec(1), exit(2, { status })])[1]
    expect(end(3 << 8)).toBe('shutdown aap/1 3')
    expect(end(9)).toBe('shutdown aap/1 SIGKILL')
    expect(end(0x80 | 11)).toBe('shutdown aap/1 SIGSEGV')
    expect(end(40)).toBe('shutdown aap/1 SIG40')
  })

  it('it was up from its boot to its shutdown, however the clock was set meanwhile', () => {
    const events: ZoneEvent[] = []
    const ledger = new ZoneLedger((event) => events.push(event))
    ledger.add([exec(1000), exit(3500, { timestamp: 5n })])
    expect(events[1]?.uptime).toBe(2500)
    expect(ledger.up()).toEqual([])
  })

  it('a crun container without a cgroup of its own is named by crun’s arguments', () => {
    const made = {
      ...create(1, 'crun'),
      command: '/usr/bin/crun --cgroup-manager=disabled run --bundle /b mies',
    }
    expect(told([made as ZoneChange, exec(2, { own: false, cgroups: ['/user.slice'] })])).toEqual([
      'boot mies/1',
    ])
    const path = { ...create(1, 'crun'), command: 'crun run mies --bundle /b' }
    expect(told([path as ZoneChange, exec(2, { own: false, cgroups: ['/user'] })])).toEqual(['boot aap/1'])
  })
})

describe('when records were lost', () => {
  const seen = (fields: Partial<LifeRecord>): PresentZone => {
    const { zone_id, init_pid, init_start } = life(0, fields)
    const event: ZoneEvent = {
      event: 'present',
      timestamp: 9,
      zone_id,
      zone_name: 'aap',
      runtime: 'runc',
      init_pid,
    }
    return { key: zoneKey(zone_id, init_pid, init_start), event, executed: true, since: 1_000_000n }
  }
  const ledgerOf = (): { ledger: ZoneLedger; events: ZoneEvent[] } => {
    const events: ZoneEvent[] = []
    return { ledger: new ZoneLedger((event) => events.push(event)), events }
  }

  it('thousands whose end nobody saw end when they are found to be gone, once each', () => {
    const { ledger, events } = ledgerOf()
    const many = Array.from({ length: 5000 }, (_, i) => ({ zone_id: i, init_pid: i, hostname: `aap-${i}` }))
    ledger.add(many.flatMap((fields) => [create(1, 'unshare', fields), exec(2, fields)]))
    expect(ledger.up()).toHaveLength(5000)
    const keys = ledger.unfinished()
    ledger.gone(keys, 7)
    ledger.gone(keys.slice(-500), 8)
    expect(ledger.up()).toEqual([])
    expect(ledger.unfinished()).toEqual([])
    const ends = events.filter(({ event }) => event === 'shutdown')
    expect(ends).toHaveLength(5000)
    expect(ends[0]).toMatchObject({ zone_name: 'aap-0', timestamp: 7, inferred: true })
    for (const field of ['exit_status', 'signal', 'uptime']) expect(ends[0]).not.toHaveProperty(field)
    // A name that is free again is not waited for.
    ledger.add([exec(9, { zone_id: 1, init_pid: 9000, hostname: 'aap-1' })])
    expect(ledger.waiting).toEqual([])
    // What comes late says nothing new.
    ledger.add([exit(3, many.at(-1))])
    expect(events.filter(({ event }) => event === 'shutdown')).toHaveLength(5000)
  })

  it('what was made and has gone untold is forgotten', () => {
    const { ledger, events } = ledgerOf()
    ledger.add([create(1, 'runc')])
    ledger.gone(ledger.unfinished(), 7)
    expect(ledger.unfinished()).toEqual([])
    expect(events).toEqual([])
  })

  it('what is up untold is told, once; its end is a shutdown that was seen', () => {
    const { ledger, events } = ledgerOf()
    const found = seen({})
    const inferred = { ...found, event: { ...found.event, inferred: true as const } }
    expect(ledger.knows(found.key)).toBe(false)
    ledger.present([inferred])
    ledger.present([inferred])
    expect(ledger.knows(found.key)).toBe(true)
    ledger.add([exec(2), exit(3, { status: 9 })])
    expect(events).toHaveLength(2)
    expect(events[0]).toMatchObject({ event: 'present', inferred: true })
    expect(events[1]).toMatchObject({ event: 'shutdown', signal: 'SIGKILL', uptime: 2 })
    expect(events[1]).not.toHaveProperty('inferred')
    ledger.present([inferred])
    expect(events).toHaveLength(2)
  })
})

describe('how crun and runc were called', () => {
  const called = (command: string): string | undefined =>
    identify({ cgroups: [], own: false, nodename: 'home', creator: { execname: 'crun', command } })
      .container_id

  it('names the container, with options before and after', () => {
    expect(called('crun run aap')).toBe('aap')
    expect(called('/usr/bin/runc --root /x create --bundle /b aap.1')).toBe('aap.1')
    for (const other of ['crun', 'crun run', 'crun start aap', 'tar run aap', 'crun run -']) {
      expect(called(other)).toBeUndefined()
    }
  })

  it('however long the command line is', () => {
    const began = performance.now()
    expect(called(`crun ${'run '.repeat(100_000)}-`)).toBeUndefined()
    expect(performance.now() - began).toBeLessThan(500)
  })
})

describe('a record of a Linux zone', () => {
  /** As `printf` gives it: the names of the cgroups are at the end, with the count of those of v1 between. */
  const record = (depth: number, unified: string[], v1_depth: number, v1: string[]): DTraceRecord => {
    const fields = {
      op: 'exec',
      executed: 1,
      timestamp: 5n,
      monotonic: 6n,
      zone_id: 4026532180,
      level: 1,
      parent_zone_id: 4026531836,
      init_pid: 100,
      init_start: 12_345_678_901_234n,
      execname: 'sh',
      pid: 100,
      nr: 1,
      uid: 0,
      hostname: 'n\u00c3\u00a9',
      status: 0,
      oom: 0,
      command: 'sh -c true',
      own: 1,
    }
    const names = [...Array(8 - unified.length).fill(''), ...unified]
    const v1Names = [...Array(6 - v1.length).fill(''), ...v1]
    const values = [...Object.values(fields), depth, ...names, v1_depth, ...v1Names]
    return { probe: {}, cpu: 0, values, fields: { ...fields, depth, v1_depth } } as unknown as DTraceRecord
  }

  it('has the paths of its cgroups, that of v2 first', () => {
    const decoded = (...args: Parameters<typeof record>): string[] =>
      (zoneRecord(record(...args)) as LifeRecord).cgroups
    expect(decoded(2, ['/system.slice', '/docker-4f.scope'], 0, [])).toEqual([
      '/system.slice/docker-4f.scope',
    ])
    expect(decoded(0, [], 2, ['/docker', '/4f'])).toEqual(['/docker/4f'])
    expect(decoded(1, ['/aap'], 2, ['/user', '/aap'])).toEqual(['/aap', '/user/aap'])
    expect(decoded(0, [], 0, [])).toEqual([])
    const deep = ['/b', '/c', '/d', '/e', '/f', '/g', '/h', '/i']
    expect(decoded(9, deep, 0, [])).toEqual(['/…/b/c/d/e/f/g/h/i'])
  })

  it('is about the first process, whose start has /proc’s ticks; its texts are UTF-8', () => {
    expect(zoneRecord(record(0, [], 0, []))).toMatchObject({
      op: 'exec',
      executed: true,
      own: true,
      init_start: 1_234_567,
      hostname: 'né',
    })
  })
})

describe('the records of systems that have zones themselves', () => {
  const record = (fields: Record<string, unknown>): DTraceRecord =>
    ({ probe: {}, cpu: 0, values: Object.values(fields), fields }) as unknown as DTraceRecord
  const illumos = (op: string, at: number): DTraceRecord =>
    record({
      op,
      timestamp: BigInt(at) * 1_000_000n,
      monotonic: BigInt(at) * 1_000_000n,
      zone_id: 3,
      zone_name: 'aap',
      runtime: 'zone',
      hostname: 'aap.example',
      execname: 'zoneadmd',
      uid: 0,
    })

  it('illumos: a boot and a shutdown, with the time in between', () => {
    const events: ZoneEvent[] = []
    const ledger = new ZoneLedger((event) => events.push(event))
    ledger.add([illumos('boot', 1000), illumos('shutdown', 4000)].map((one) => zoneRecord(one) as ZoneChange))
    const known = {
      zone_id: 3,
      zone_name: 'aap',
      runtime: 'zone',
      hostname: 'aap.example',
      execname: 'zoneadmd',
      uid: 0,
    }
    expect(events).toEqual([
      { event: 'boot', timestamp: 1000, ...known },
      { event: 'shutdown', timestamp: 4000, uptime: 3000, ...known },
    ])
  })

  it('FreeBSD: a jail in a jail, and one that could not be made', () => {
    const jail = (op: string, at: number): DTraceRecord => {
      const { fields } = illumos(op, at)
      return record({ ...fields, runtime: 'jail', parent_zone_id: 2 })
    }
    const changes = [jail('boot', 1), jail('shutdown', 2), jail('failed', 3)]
    expect(told(changes.map((one) => zoneRecord(one) as ZoneChange))).toEqual([
      'boot aap/3',
      'shutdown aap/3',
      'failed aap/3',
    ])
    expect(zoneRecord(jail('boot', 1))).toMatchObject({ runtime: 'jail', parent_zone_id: 2 })
  })
})

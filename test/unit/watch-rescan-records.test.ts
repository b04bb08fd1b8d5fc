import { describe, expect, test } from 'vitest'
import type { DTraceRecord } from '../../lib/record/decoder.js'
import { EventQueue } from '../../lib/watch/event-queue.js'
import { RescanAssembler } from '../../lib/watch/rescan/records.js'

const who = { execname: 'mv', pid: 7, uid: 0, zone_name: 'host' }
const place = { dev: 1, ino: 2n }

function record(call: string, cpu: number, fields: object, values: unknown[]): DTraceRecord {
  return { probe: { function: call }, cpu, fields, values } as unknown as DTraceRecord
}

/** As rescan.d's statement for paths: 12 values, 12 names, the text. */
function path(
  call: string,
  cpu: number,
  timestamp: bigint,
  fields: object,
  names: string[],
  text: string,
): DTraceRecord {
  const empty = Array.from({ length: 12 - names.length }, () => '')
  return record(
    call,
    cpu,
    { ...who, ...place, level: names.length, mntns: 5, flags: 0, timestamp, ...fields },
    [...Array.from({ length: 12 }, () => 0), ...empty, ...names, text],
  )
}

const rest = (cpu: number, timestamp: bigint, ...pieces: string[]): DTraceRecord =>
  record('rename', cpu, { timestamp, rest: pieces[0] }, [timestamp, ...pieces])

describe('records of the rescan program', () => {
  test('of an open file have the names below the watched directory', () => {
    const fields = { ...who, ...place, op: 'openat', timestamp: 1n, fd: 3, level: 2 }
    const values = [...Array.from({ length: 10 }, () => 0), '', '', 'album/', 'a.mp3']
    expect(new RescanAssembler().add([record('openat', 0, fields, values)])).toEqual([
      {
        ...who,
        timestamp: 1n,
        kind: 'walk',
        op: 'open',
        fd: 3,
        walk: { end: 'watched', dev: 1, ino: 2n, names: ['album', 'a.mp3'] },
      },
    ])
  })

  test('of the VFS layer have no descriptor, and a name of their own', () => {
    const fields = { ...who, ...place, op: 'unlink', timestamp: 1n, fd: -1, level: 1 }
    const values = [...Array.from({ length: 10 }, () => 0), '', 'a.mp3']
    expect(new RescanAssembler().add([record('vfs_unlink', 0, fields, values)])).toMatchObject([
      { kind: 'walk', op: 'unlink', fd: undefined, walk: { names: ['a.mp3'] } },
    ])
  })

  test('of a rename in the VFS layer are put together, or stand alone', () => {
    const side = (
      cpu: number,
      timestamp: bigint,
      level: number,
      fields: object,
      name: string,
    ): DTraceRecord =>
      record('vfs_rename', cpu, { ...who, ...place, op: 'rename', timestamp, level, ...fields }, [
        ...Array.from({ length: 10 }, () => 0),
        name,
      ])
    const assembler = new RescanAssembler()
    const from = side(0, 1n, 1, { moved: 9n }, 'old')
    expect(assembler.add([from])).toEqual([])
    expect(assembler.waiting).toBe(true)
    const alone = side(1, 2n, 1, { replaced: 0n }, 'came')
    expect(assembler.add([alone])).toMatchObject([{ kind: 'rename', to: { names: ['came'] } }])
    expect(assembler.add([side(0, 1n, 101, { replaced: 0n }, 'away')])).toMatchObject([
      {
        kind: 'rename',
        op: 'rename',
        from: { end: 'watched', names: ['old'] },
        to: { end: 'root', names: ['away'] },
      },
    ])
    expect(assembler.waiting).toBe(false)
    // The other half was dropped.
    assembler.add([from])
    expect(assembler.add([side(0, 5n, 1, { replaced: 0n }, 'x')]).map(({ timestamp }) => timestamp)).toEqual([
      1n,
      5n,
    ])
  })

  test('of a rename are put together, with pieces of long paths, over batches and beside other CPUs', () => {
    const long = 'x'.repeat(255)
    const assembler = new RescanAssembler()
    expect(assembler.add([path('renameat2', 0, 1n, { dirfd: -100 }, [], `/${long.slice(1)}`)])).toEqual([])
    expect(assembler.waiting).toBe(true)
    const other = path('unlink', 1, 3n, { dirfd: -100 }, ['a/'], 'b')
    expect(assembler.add([other, rest(0, 1n, 'yz', '')]).map(({ op }) => op)).toEqual(['unlink'])
    const [change] = assembler.add([path('renameat2', 0, 1n, { fromfd: 4 }, ['c/'], 'd')])
    expect(change).toMatchObject({
      op: 'rename',
      to: { text: `/${long.slice(1)}yz`, dirfd: undefined },
      from: { text: 'd', dirfd: 4, walk: { names: ['c'] } },
    })
    expect(assembler.waiting).toBe(false)
  })

  test('whose other half was dropped are given up when the CPU goes on', () => {
    const assembler = new RescanAssembler()
    assembler.add([path('rename', 0, 1n, { dirfd: -100 }, [], 'to')])
    const changes = assembler.add([path('mkdir', 0, 2n, { dirfd: -100 }, [], 'd')])
    expect(changes.map(({ op }) => op)).toEqual(['rename', 'mkdir'])
    assembler.add([path('rename', 0, 3n, { dirfd: -100 }, [], 'to')])
    expect(assembler.flush()).toMatchObject([{ op: 'rename', to: { text: 'to' } }])
    expect(assembler.add([rest(0, 1n, 'lost')])).toEqual([])
  })

  test('are in the order of time, whichever CPU they come from', () => {
    const unlink = (cpu: number, time: bigint): DTraceRecord =>
      path('unlink', cpu, time, { dirfd: -100 }, [], 'x')
    const changes = new RescanAssembler().add([unlink(0, 2n), unlink(0, 4n), unlink(1, 1n), unlink(1, 3n)])
    expect(changes.map(({ timestamp }) => timestamp)).toEqual([1n, 2n, 3n, 4n])
  })

  test('tell rmdir from unlink, and where the walk ended', () => {
    const changes = new RescanAssembler().add([
      path('unlinkat', 0, 1n, { dirfd: -100, flags: 0x200 }, [], 'd'),
      path('mkdirat', 0, 2n, { dirfd: -100, level: 101 }, ['srv/'], 'media/x'),
      path('mkdirat', 0, 3n, { dirfd: 5, level: 200 }, ['deep/'], 'x'),
    ])
    expect(changes).toMatchObject([
      { op: 'rmdir', to: { walk: { end: 'watched' } } },
      { op: 'mkdir', to: { walk: { end: 'root', names: ['srv'] } } },
      { op: 'mkdir', to: { walk: { end: 'undecided' }, dirfd: 5 } },
    ])
  })
})

describe('a queue of events', () => {
  test('gives them in order, and ends', async () => {
    const queue = new EventQueue<number>(10, () => {})
    queue.push(1)
    const first = queue.next()
    const second = queue.next()
    queue.push(2)
    queue.push(3)
    queue.end()
    expect([(await first).value, (await second).value]).toEqual([1, 2])
    expect(await queue.next()).toEqual({ done: false, value: 3 })
    expect(await queue.next()).toEqual({ done: true, value: undefined })
  })

  test('has a limit, and takes more when there is room again', async () => {
    const queue = new EventQueue<number>(2, () => {})
    expect([1, 2, 3].map((number) => queue.push(number))).toEqual([true, true, false])
    await queue.next()
    expect(queue.push(4)).toBe(true)
  })

  test('ends with an error once, after the events that are there', async () => {
    const queue = new EventQueue<number>(2, () => {})
    queue.push(1)
    queue.end(new Error('gone'))
    expect((await queue.next()).value).toBe(1)
    await expect(queue.next()).rejects.toThrow('gone')
    expect((await queue.next()).done).toBe(true)
  })

  test('ends when the reader leaves', async () => {
    let left = false
    const queue = new EventQueue<number>(2, () => {
      left = true
    })
    queue.push(1)
    for await (const number of queue) {
      expect(number).toBe(1)
      break
    }
    expect(left).toBe(true)
    expect((await queue.next()).done).toBe(true)
  })
})

import { describe, expect, test } from 'vitest'
import type { DTraceRecord } from '../../lib/record/decoder.js'
import { FullPaths } from '../../lib/watch/paths/full-path.js'
import { makeRemoval } from '../../lib/watch/unlinks/event.js'
import { type RawRemoval, UnlinkAssembler } from '../../lib/watch/unlinks/records.js'

const common = {
  execname: 'mv',
  pid: 7,
  tid: 8,
  uid: 0,
  zone_id: 1,
  zone_name: 'host',
  init_pid: 1,
  init_start: 5n,
  errno: 0,
  flags: 0,
  dirfd: -100,
  mntns: 3,
  found: 2,
  ino: 9n,
  mode: 0o100644,
  size: 4n,
  nlink: 0,
  exact: 1,
  dev: 1,
  base: 0n,
  mnt: 20,
}

function record(cpu: number, fields: object, values: unknown[]): DTraceRecord {
  return { probe: { function: 'x' }, cpu, fields, values } as unknown as DTraceRecord
}

/** As unlinks.d's statement for a removal: 24 values, the names, the text. */
function to(cpu: number, timestamp: bigint, fields: object, names: string[], text: string): DTraceRecord {
  const all = { op: 'unlinkat', ...common, timestamp, level: names.length, ...fields }
  return record(cpu, all, [...Array.from({ length: 24 }, () => 0), '', ...names, text])
}

/** As its statement for what took the place: 8 values, the names, the text. */
function from(cpu: number, timestamp: bigint, names: string[], text: string): DTraceRecord {
  const fields = {
    op: 'rename',
    timestamp,
    fromfd: -100,
    exact: 1,
    dev: 1,
    base: 0n,
    mnt: 0,
    level: names.length,
  }
  return record(cpu, fields, [...Array.from({ length: 8 }, () => 0), ...names, text])
}

const rest = (cpu: number, timestamp: bigint, ...pieces: string[]): DTraceRecord =>
  record(cpu, { timestamp, rest: pieces[0] }, [timestamp, ...pieces])

describe('records of the unlinks program', () => {
  test('say what was removed, and by which call', () => {
    const [removal] = new UnlinkAssembler().add([to(0, 1n, { dirfd: 4 }, ['srv/', 'a/'], 'b')])
    expect(removal).toMatchObject({
      kind: 'removal',
      op: 'unlink',
      pid: 7,
      ino: 9n,
      replaced: 'yes',
      name: {
        exact: true,
        text: 'b',
        dirfd: 4,
        walk: { dev: 1, mnt: 20, mntns: 3, complete: true, names: ['srv', 'a'] },
      },
    })
    const ops = [{ op: 'rmdir' }, { flags: 0x200 }].map(
      (fields) => new UnlinkAssembler().add([to(0, 1n, fields, [], 'b')])[0],
    )
    expect(ops).toEqual([expect.objectContaining({ op: 'rmdir' }), expect.objectContaining({ op: 'rmdir' })])
  })

  test('of a rename are put together, with long paths, over batches and beside other CPUs', () => {
    const assembler = new UnlinkAssembler()
    const long = 'x'.repeat(255)
    expect(assembler.add([to(0, 3n, { op: 'renameat2' }, [], long), to(1, 2n, {}, [], 'other')])).toEqual([
      expect.objectContaining({ op: 'unlink' }),
    ])
    expect(assembler.waiting).toBe(true)
    expect(assembler.add([rest(0, 3n, 'y', 'z'), from(0, 3n, ['d/'], long)])).toEqual([])
    const [rename] = assembler.add([rest(0, 3n, '.tmp')])
    expect(rename).toMatchObject({
      op: 'rename',
      name: { text: `${long}yz` },
      from: { text: `${long}.tmp`, walk: { names: ['d'], mntns: 3 } },
    })
    expect(assembler.waiting).toBe(false)
  })

  test('that were dropped are not waited for', () => {
    const assembler = new UnlinkAssembler()
    const rename = to(0, 1n, { op: 'rename' }, [], 'a')
    expect(assembler.add([rename, to(0, 2n, {}, [], 'b')])).toHaveLength(2)
    expect(assembler.add([rename])).toEqual([])
    expect(assembler.flush()).toEqual([expect.objectContaining({ op: 'rename' })])
    // The rest of a path whose beginning was dropped.
    expect(assembler.add([rest(0, 9n, 'zzz'), from(0, 9n, [], 'a')])).toEqual([])
  })

  test('are in the order of time, whichever CPU they come from', () => {
    const records = [to(0, 5n, {}, [], 'b'), to(1, 4n, {}, [], 'a'), record(1, { timestamp: 6n }, [6n])]
    expect(new UnlinkAssembler().add(records).map(({ kind, timestamp }) => [kind, timestamp])).toEqual([
      ['removal', 4n],
      ['removal', 5n],
      ['mount', 6n],
    ])
  })
})

test('of a call that failed, the event has the number and the name of the error, and is not certain', () => {
  const event = (fields: object) => {
    const [raw] = new UnlinkAssembler().add([to(0, 1n, fields, ['srv/'], 'b')])
    return makeRemoval(raw as RawRemoval, new FullPaths(), 'host').event
  }
  expect(event({ errno: 39, op: 'rmdir' })).toMatchObject({ errno: 39, error: 'ENOTEMPTY', certain: false })
  // Node has no name for this one.
  expect(event({ errno: 117 })).toMatchObject({ errno: 117, error: 'EUCLEAN', certain: false })
  expect(event({})).toMatchObject({ certain: true })
  expect(event({})).not.toHaveProperty('errno')
})

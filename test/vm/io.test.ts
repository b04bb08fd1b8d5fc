/** The D library `io.d` with a real disk: what an I/O is, on which device, and what a descriptor stands for. */
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { Consumer, type DTraceRecord, type Limitation } from '../../lib/index.js'
import { collect } from '../live/consumers.js'
import { requireDTrace } from '../live/helper.js'
import { expectedLimitations } from '../live/kernel.js'

const describe = requireDTrace()
const run = promisify(execFile)
/** The guest's first disk, and the one that the results go to, of which the second half is free. */
const [READ_FROM, WRITE_TO] = ['vda', 'vdd']
const B_READ = 0x40
const B_WRITE = 0x100
const SECTOR = 512n

let records: DTraceRecord[]
let limitations: readonly Limitation[]

beforeAll(async () => {
  const consumer = await Consumer.open()
  try {
    const program = await consumer.compile(`
      io:::start /execname == "dd"/ {
        printf("b_flags=%d b_bcount=%d b_blkno=%d b_edev=%d dev_major=%d dev_minor=%d dev_statname=%s", args[0]->b_flags,
          args[0]->b_bcount, args[0]->b_blkno, args[0]->b_edev, args[1]->dev_major, args[1]->dev_minor, args[1]->dev_statname);
      }
      io:::done /args[1]->dev_statname == "${READ_FROM}"/ { @done[args[1]->dev_statname] = count() }
      syscall::openat:return /pid == $pid && arg1 >= 0/ {
        printf("fd=%d fi_name=%s fi_fs=%s fi_oflags=%d fi_offset=%d fi_pathname=%s", (int)arg1, fds[arg1].fi_name, fds[arg1].fi_fs,
          fds[arg1].fi_oflags, fds[arg1].fi_offset, fds[arg1].fi_pathname);
      }`)
    await consumer.enable(program)
    limitations = consumer.limitations
    await consumer.go()
    const all = collect(consumer)
    const direct = { in: 'iflag=direct', out: 'oflag=direct' }
    await run('dd', [`if=/dev/${READ_FROM}`, 'of=/dev/null', 'bs=64k', 'count=1', 'skip=100', direct.in])
    await run('dd', [
      'if=/dev/zero',
      `of=/dev/${WRITE_TO}`,
      'bs=32k',
      'count=1',
      'seek=1500',
      'conv=notrunc',
      direct.out,
    ])
    closeSync(openSync('/etc/passwd', constants.O_RDONLY | constants.O_NONBLOCK))
    await consumer.stop()
    records = await all
  } finally {
    await consumer.close()
  }
})

const fieldsOf = (filter: (record: DTraceRecord) => boolean) =>
  records.filter(filter).map(({ fields }) => fields as Record<string, unknown>)

describe('io.d', () => {
  test('a read: bufinfo_t and devinfo_t', () => {
    // The guest's system is on that disk: dd itself, for one, is read from it.
    const [read] = fieldsOf(
      ({ fields }) => fields.dev_statname === READ_FROM && fields.b_blkno === (100n * 65536n) / SECTOR,
    )
    expect(read).toMatchObject({ b_bcount: 65536n, dev_minor: 0 })
    expect(Number(read?.b_flags) & (B_READ | B_WRITE)).toBe(B_READ)
    expect(Number(read?.b_edev) >> 20).toBe(read?.dev_major)
  })

  test('a write', () => {
    const [write] = fieldsOf(({ fields }) => fields.dev_statname === WRITE_TO)
    expect(write).toMatchObject({ b_bcount: 32768n, b_blkno: (1500n * 32768n) / SECTOR })
    expect(Number(write?.b_flags) & (B_READ | B_WRITE)).toBe(B_WRITE)
  })

  test('fds[]: what a descriptor stands for', () => {
    const [file] = fieldsOf(({ fields }) => fields.fi_name === 'passwd')
    expect(file).toMatchObject({ fi_fs: 'overlay', fi_offset: 0n })
    expect(Number(file?.fi_oflags) & constants.O_NONBLOCK).toBe(constants.O_NONBLOCK)
  })

  test('what this kernel can’t have of it is told', () => {
    // A stock kernel has data symbols; a member that Linux 7 removed is all that may lack.
    const lacks = [...new Set(limitations.map(({ what }) => what))]
    expect(lacks).toEqual(expectedLimitations())
    expect(lacks).not.toContain('devinfo_t.dev_name')
  })
})

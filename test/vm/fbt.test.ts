/**
 * fbt: any function of the kernel. Kernels with KPROBES or ftrace's direct calls have it. Its args[] are as many as the function
 * has, all of them uint64_t: a program says what each is, by the kernel's own types.
 */
import { mkdir, mkdtemp, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DTraceRecord } from '../../lib/index.js'
import { Consumer } from '../../lib/index.js'
import { collect } from '../live/consumers.js'
import { requireDTrace } from '../live/helper.js'

const describe = requireDTrace()
const ENOTEMPTY = 39

let folder: string
let records: DTraceRecord[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fbt-'))
  const consumer = await Consumer.open()
  try {
    // All that is asked of fbt in one session: here, each takes half a minute.
    const program = await consumer.compile(`
      fbt::vfs_unlink:entry, fbt::vfs_rmdir:entry /pid == $pid/ {
        self->dentry = (struct dentry *)arg2;
        printf("name=%s parent=%s", stringof(self->dentry->d_name.name), stringof(self->dentry->d_parent->d_name.name));
      }
      fbt::vfs_mkdir:entry /pid == $pid/ {
        printf("name=%s mode=%d", stringof(((struct dentry *)args[2])->d_name.name), (int)args[3]);
      }
      fbt::vfs_unlink:return, fbt::vfs_rmdir:return /self->dentry != NULL/ {
        printf("name=%s result=%d", stringof(self->dentry->d_name.name), (int)arg1);
        self->dentry = NULL;
      }`)
    const { matches } = await consumer.enable(program)
    expect(matches).toBe(5)
    await consumer.go()
    const all = collect(consumer)
    await writeFile(join(folder, 'a file'), 'x')
    await unlink(join(folder, 'a file'))
    await mkdir(join(folder, 'full', 'of it'), { recursive: true, mode: 0o751 })
    await rmdir(join(folder, 'full')).catch(() => {})
    await consumer.stop()
    records = await all
  } finally {
    await consumer.close()
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What was seen of a function; Node.js and libdtrace have files of their own to remove. */
const of = (functionName: string, name: string, files: string[]): Record<string, unknown>[] =>
  records
    .filter(({ probe }) => probe.function === functionName && probe.name === name)
    .map(({ fields }) => fields as Record<string, unknown>)
    .filter((fields) => files.includes(fields.name as string))

describe('fbt', () => {
  test('a function’s entry, its arguments read as what the kernel’s types say', () => {
    expect(of('vfs_unlink', 'entry', ['a file'])).toMatchObject([{ parent: folder.split('/').at(-1) }])
  })

  test('its return, with the value', () => {
    expect(of('vfs_unlink', 'return', ['a file'])).toMatchObject([{ result: 0 }])
  })

  test('an error returned', () => {
    expect(of('vfs_rmdir', 'return', ['full'])).toMatchObject([{ result: -ENOTEMPTY }])
  })

  test('an integer argument', () => {
    const made = of('vfs_mkdir', 'entry', ['full', 'of it'])
    expect(made.map(({ name, mode }) => [name, (mode as number) & 0o777])).toEqual([
      ['full', 0o751],
      ['of it', 0o751],
    ])
  })

  test('the provider’s name on each record', () => {
    expect(new Set(records.map(({ probe }) => probe.provider))).toEqual(new Set(['fbt']))
  })
})

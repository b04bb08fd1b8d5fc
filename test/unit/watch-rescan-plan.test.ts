import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DTraceError } from '../../lib/errors.js'
import { choosePlan, RescanWatcher } from '../../lib/watch/index.js'
import { fallBack, missingFunctions } from '../../lib/watch/rescan/plan.js'

const FUNCTIONS = [
  'do_dentry_open',
  'notify_change',
  'vfs_create',
  'vfs_link',
  'vfs_mkdir',
  'vfs_mknod',
  'vfs_rename',
]
const MORE = ['vfs_rmdir', 'vfs_symlink', 'vfs_unlink']
const all = [...FUNCTIONS, ...MORE].join('\n')

describe('the VFS plan', () => {
  test('needs all functions that its script probes, of the kernel itself', async () => {
    expect(await missingFunctions(`${all}\n`)).toEqual([])
    expect(await missingFunctions(`some_other\n${all}\nlast [module]\n`)).toEqual([])
    expect((await missingFunctions('')).sort()).toEqual([...FUNCTIONS, ...MORE].sort())
    expect(await missingFunctions(`${all.replace('vfs_rename', 'vfs_rename [module]')}\n`)).toEqual([
      'vfs_rename',
    ])
    expect(await missingFunctions(`${all.replace('vfs_rename', 'ovl_vfs_rename\nvfs_rename2')}\n`)).toEqual([
      'vfs_rename',
    ])
  })

  test('takes both an entry and a return probe of each function', () => {
    const script = readFileSync(join(import.meta.dirname, '../../dscripts/linux/rescan-vfs.d'), 'utf8')
    for (const name of [...FUNCTIONS, ...MORE]) {
      expect(script).toContain(`fbt:vmlinux:${name}:entry`)
      expect(script).toContain(`fbt:vmlinux:${name}:return`)
    }
  })

  test.skipIf(process.platform !== 'linux')(
    'is chosen where it is possible, and refused where it is not',
    async () => {
      const { plan, reason } = await choosePlan('auto')
      expect(reason).not.toBe('')
      if (plan === 'vfs') expect(await choosePlan('vfs')).toMatchObject({ plan: 'vfs' })
      else
        await expect(choosePlan('vfs')).rejects.toMatchObject({
          code: 'ERR_DTRACE_UNSUPPORTED',
          message: expect.stringMatching(
            /'vfs' is not possible here: there are no fbt probes.*use 'syscall', or 'auto'/,
          ),
        })
      expect(await choosePlan('syscall')).toMatchObject({ plan: 'syscall' })
    },
  )

  test('gives way to system calls when the kernel refuses it, not when something else is wrong', () => {
    const refused = new DTraceError('ERR_DTRACE_ENABLE', 'too large')
    expect(fallBack(refused)).toEqual({ plan: 'syscall', reason: "the plan 'vfs' failed: too large" })
    expect(fallBack(new DTraceError('ERR_DTRACE_COMPILE', 'no such member'))?.plan).toBe('syscall')
    expect(fallBack(new DTraceError('ERR_DTRACE_PERMISSION', 'not root'))).toBeUndefined()
    expect(fallBack(new TypeError('a mistake'))).toBeUndefined()
  })

  test('or another, by a name that exists', async () => {
    await expect(RescanWatcher.start({ paths: '/tmp', plan: 'best' as 'auto' })).rejects.toMatchObject({
      code: 'ERR_DTRACE_ARGUMENT',
      message: "RescanWatcher: plan: is 'auto', 'vfs' or 'syscall'",
    })
  })
})

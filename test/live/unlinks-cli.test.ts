import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cli, cli } from './cli-driver.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

let folder: string
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'dtrace-cli-unlinks-')))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Removed by somebody else: a watcher takes no notice of its own process, but of this one. */
const remove = (path: string): void => void execFileSync('rm', [path])

describe('dtrace-watch unlinks', () => {
  it('gives JSON for what it was asked for, with copies and misses, and a summary', async () => {
    mkdirSync(join(folder, 'data'))
    const paths = ['kept.db', 'gone.txt', 'other.log'].map((name) => join(folder, 'data', name))
    const [kept, gone, other] = paths as [string, string, string]
    for (const path of paths) writeFileSync(path, path)
    const watch = new Cli([
      ...['unlinks', '--path', `${folder}/**`, '--exclude', '*.log', '--name', 'rm', '--json'],
      ...['--snapshot', `${folder}/data/*.{db,txt}`, '--snapshot-directory', join(folder, 'copies')],
      ...['--pin', '--max-pins', '1', '--max-size', '1m'],
    ])
    await watch.event('ready')
    // Only one is held; which of them is the file system's order.
    for (const path of [other, kept, gone]) remove(path)
    const fields = { op: 'unlink', execname: 'rm', uid: 0, file_type: 'file', nlink: 0, certain: true }
    expect(await watch.event('unlink', ({ path }) => path === kept)).toMatchObject(fields)
    expect(await watch.event('unlink', ({ path }) => path === gone)).toMatchObject(fields)
    const snapshot = await watch.event('snapshot')
    expect(snapshot).toMatchObject({ how: 'pinned', bytes: (snapshot.path as string).length })
    expect(readFileSync(snapshot.copy as string, 'utf8')).toBe(snapshot.path)
    expect(await watch.event('miss')).toMatchObject({ reason: 'gone' })
    const { code, stdout, stderr } = await watch.stop()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).not.toContain('other.log')
    expect(stdout).toMatch(/"type":"summary","kept":1,/)
    expect(readdirSync(join(folder, 'copies'))).toHaveLength(1)
  })

  it('prints lines to read', async () => {
    const watch = new Cli(['unlinks', '--path', `${folder}/**`, '--all'])
    await watch.until('the first line', ({ text }) => /Watching removals.*Ctrl-C/.test(text))
    writeFileSync(join(folder, 'tab\tbed'), '')
    writeFileSync(join(folder, 'new'), '')
    remove(join(folder, 'tab\tbed'))
    writeFileSync(join(folder, 'old'), '')
    execFileSync('mv', [join(folder, 'new'), join(folder, 'old')])
    execFileSync('rm', ['-f', join(folder, 'missing')])
    const text = await watch.until('the last line', ({ text }) => text.includes('ENOENT') && text)
    expect(text).toMatch(/^[\d:.]+ {2}unlink +\S*tab\\tbed {2}by rm \d+ uid 0 in \S+$/m)
    expect(text).toMatch(/^[\d:.]+ {2}rename +\S*\/old replaced by \S*\/new {2}by mv /m)
    expect(text).toMatch(/\/missing {2}ENOENT {2}by rm/)
    expect((await watch.stop()).code).toBe(0)
  })

  it('tells only what fails, if that is what is asked for', async () => {
    const watch = new Cli(['unlinks', '--path', `${folder}/**`, '--failed', '--json'])
    await watch.event('ready')
    writeFileSync(join(folder, 'there'), '')
    remove(join(folder, 'there'))
    execFileSync('rm', ['-f', join(folder, 'missing')])
    expect(await watch.event('unlink')).toMatchObject({ path: join(folder, 'missing'), error: 'ENOENT' })
    expect((await watch.stop()).code).toBe(0)
    expect(watch.events.filter(({ type }) => type === 'unlink')).toHaveLength(1)
  })

  it.each([
    ['an option that it does not have', ['--purge'], /unknown option/],
    ['a pid that is none', ['--pid', 'x'], /process id is a positive number/],
    ['an empty glob', ['--path', ''], /include: the glob "" is empty/],
    ['an unknown user', ['--user', 'nobody-of-that-name'], /no user "nobody-of-that-name"/],
    [
      'copies of what stays',
      ['--failed', '--snapshot', '*.db', '--snapshot-directory', '/x'],
      /snapshot: keeps what is removed/,
    ],
    ['copies without a place', ['--snapshot', '*.db'], /--snapshot-directory DIRECTORY/],
    ['a place without copies', ['--snapshot-directory', '/x'], /--snapshot GLOB/],
    [
      'pins everywhere',
      ['--snapshot', '*.db', '--snapshot-directory', '/x', '--pin'],
      /begin with a directory/,
    ],
    [
      'a size that is none',
      ['--snapshot', '*', '--snapshot-directory', '/x', '--max-size', 'big'],
      /maxSize: is no size/,
    ],
    [
      'a place that others can write in',
      ['--snapshot', '*', '--snapshot-directory', '/tmp'],
      /is open to others/,
    ],
  ])('refuses %s', async (_what, args, message) => {
    const { code, stderr } = await cli(['unlinks', ...args])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  it('says to an ordinary user that it takes privileges', async () => {
    const keep = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
    const search = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search']
    const { code, stderr } = await cli(['unlinks'], { command: [...keep, ...search, process.execPath] })
    expect(stderr).toMatch(/dtrace-watch: .*root/s)
    expect(code).toBe(3)
  })
})

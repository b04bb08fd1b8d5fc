import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cli, cli } from './cli-driver.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrace-run-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function script(text: string): string {
  const path = join(folder, 'script.d')
  writeFileSync(path, text)
  return path
}

describe('dtrace-watch run', () => {
  it('prints what dtrace(1) would, and ends with the status of exit()', async () => {
    const path = script(
      '#pragma D option quiet\nBEGIN { printf("[%d|%5d|%-5s|%x]\\n", -5, $1, $$2, 255); printf("plain\\n"); exit(7) }',
    )
    expect(await cli(['run', path, '42', 'ab'])).toEqual({
      code: 7,
      signal: null,
      stdout: '[-5|   42|ab   |ff]\nplain\n',
      stderr: '',
    })
  })

  it('has the columns of dtrace(1) unless it is quiet', async () => {
    const path = script('BEGIN { trace(5); trace("str"); exit(0) }')
    const { stdout } = await cli(['run', path])
    expect(stdout).toMatch(/^CPU +ID +FUNCTION:NAME\n +\d+ +\d+ +:BEGIN {11}5 {2}str *\n/)
    expect((await cli(['run', '-q', path])).stdout.trim()).toBe('5str')
  })

  it.each([
    ['in columns', ''],
    ['indented by flow', '#pragma D option flowindent\n'],
    ['quiet', '#pragma D option quiet\n'],
  ])('prints what dtrace(1) prints, character for character: %s', async (_how, pragma) => {
    const path = script(
      `${pragma}BEGIN { trace(-5); trace((uint8_t)5); trace("str"); printf("%5d %s %#x\\n", 42, "na\xefve", 255); }
       BEGIN { tracemem(&\`vfs_read, 20); sym((uintptr_t)&\`vfs_read); @a["x"] = sum(7); printa("%s %@d\\n", @a); exit(0); }`,
    )
    const { stdout, code } = await cli(['run', path])
    expect(code).toBe(0)
    // The CPU may be another one.
    const lines = (text: string): string[] =>
      text
        .trimEnd()
        .replace(/^ +\d+ /gm, 'CPU ')
        .split('\n')
    expect(lines(stdout)).toEqual(lines(await dtrace('-s', path)))
  })

  it('prints records as JSON, named by the printf', async () => {
    const path = script(
      'BEGIN { printf("execname=%s pid=%d big=%d\\n", "x\\"y", 5, 0x7fffffffffffffff); exit(0) }',
    )
    const watch = new Cli(['run', '--json', path])
    const { code } = await watch.ended
    expect(code).toBe(0)
    expect(watch.events.find(({ type }) => type === 'record')).toMatchObject({
      execname: 'x"y',
      pid: 5,
      big: '9223372036854775807',
      probe: 'dtrace:::BEGIN',
      cpu: expect.any(Number),
    })
    expect(watch.events.at(-1)).toEqual({ type: 'exit', status: 0 })
  })

  it('prints aggregations at the end, unless the script has printed them', async () => {
    const path = script(
      '#pragma D option quiet\nBEGIN { @a["x"] = count(); @printed = count(); printa("%@d\\n", @printed); @q = quantize(-5); exit(0) }',
    )
    const { stdout } = await cli(['run', path])
    const [printed, , row] = stdout.split('\n')
    expect(printed).toBe('1')
    expect(row).toMatch(/^ {2}x {65}1$/)
    expect(stdout).toMatch(/ -4 \|@{40} 1 {8}\n/)
    expect(stdout.match(/^1$/gm)).toHaveLength(1)

    const watch = new Cli(['run', '--json', path])
    await watch.ended
    expect(watch.events.filter(({ type }) => type === 'aggregation')).toEqual([
      { type: 'aggregation', name: '@a', id: 1, key: ['x'], action: 'count', value: 1, count: 1 },
      {
        type: 'aggregation',
        name: '@q',
        id: 3,
        key: [],
        action: 'quantize',
        value: [{ min: -7, max: -4, count: 1 }],
        count: 1,
      },
    ])
  })

  it('runs until Ctrl-C, and runs END then', async () => {
    const path = script(
      '#pragma D option quiet\nsyscall::openat:entry /execname == "cat"/ { printf("path=%s\\n", copyinstr(arg1)) } END { printf("bye\\n") }',
    )
    const watch = new Cli(['run', path])
    const file = join(folder, 'read me')
    writeFileSync(file, '')
    // Until probes are enabled nothing is seen; there is no line to wait for, so it is asked again.
    await watch.until('the file', ({ text }) => {
      execFileSync('cat', [file])
      return text.includes('read me')
    })
    const { code, stdout } = await watch.stop()
    expect(code).toBe(0)
    expect(stdout).toMatch(/bye\n$/)
  })

  it.each([
    ['a syntax error', 'BEGIN { printf("x" }', /syntax error|line 1/],
    ['an unknown probe', 'no_such_provider:::x { trace(1) }', /does not match|no_such_provider/],
  ])('refuses %s and says where', async (_what, text, message) => {
    const { code, stderr } = await cli(['run', script(text)])
    expect(stderr).toMatch(/^dtrace-watch: /)
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  it('refuses an unknown option', async () => {
    const { code, stderr } = await cli(['run', '-x', 'nosuchoption=1', script('BEGIN { exit(0) }')])
    expect(stderr).toMatch(/nosuchoption/)
    expect(code).toBe(2)
  })
})

describe('dtrace-watch doctor', () => {
  it('sees that DTrace works, by running a program', async () => {
    const watch = new Cli(['doctor', '--json'])
    expect((await watch.ended).code).toBe(0)
    const checks = new Map(watch.events.map((event) => [event.name, event.status]))
    expect(checks.get('libdtrace')).toBe('ok')
    expect(checks.get('privileges')).toBe('ok')
    expect(checks.get('tracefs')).toBe('ok')
    expect(checks.get('a session')).toBe('ok')
  })

  it('says what is missing and what to do', async () => {
    const { code, stdout } = await cli(['doctor'], {
      env: { ...process.env, DTRACE_CONSUMER_LIBDTRACE: '/nonexistent' },
    })
    expect(stdout).toMatch(/fail {2}libdtrace: [^→]*→/)
    expect(stdout).toMatch(/DTrace does not work here: libdtrace/)
    expect(code).toBe(3)
  })

  it('finds the probes of a killed consumer, and takes them away', async () => {
    const path = script('BEGIN { printf("up=%d\\n", 1) }')
    const watch = new Cli(['run', '--json', path])
    await watch.event('record')
    await watch.stop('SIGKILL')
    const { code, stdout } = await cli(['doctor', '--clean'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^[1-9]\d* leftover probes? removed\n/)
    expect(stdout).not.toContain(`pid ${watch.pid}`)
    const events = readFileSync('/sys/kernel/debug/tracing/uprobe_events', 'utf8')
    expect(events).not.toContain(`dt_${watch.pid}_`)
  })
})

describe('dtrace-watch run -c and -p', () => {
  it('runs a command from its start to its end', async () => {
    const path = script(
      '#pragma D option quiet\nsyscall::write:entry /pid == $target && arg0 == 1/ { printf("wrote %d\\n", arg2); }',
    )
    const { code, stdout, stderr } = await cli(['run', '-c', 'echo "two words"', path])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // The command's own output is among it.
    expect(stdout.split('\n').sort()).toEqual(['', 'two words', 'wrote 10'])
  })

  it('says how the processes ended, and takes the status from exit() alone', async () => {
    const path = script('BEGIN { printf("target=%d\\n", $target) }')
    const watch = new Cli(['run', '--json', '-c', "sh -c 'echo hello; exit 3'", '-c', 'true', path])
    const { code, stderr } = await watch.ended
    expect(code).toBe(0)
    const ends = watch.events.filter(({ type }) => type === 'process')
    const target = watch.events.find(({ type }) => type === 'record')?.target
    expect(ends.map(({ status }) => status).sort()).toEqual([0, 3])
    expect(ends.find(({ pid }) => pid === target)?.status).toBe(3)
    expect(stderr).toContain('hello')
  })

  it('traces a process, which lives on after Ctrl-C', async () => {
    const child = spawn('sleep', ['60'])
    const path = script('BEGIN { printf("target=%d\\n", $target) }')
    const watch = new Cli(['run', '--json', '-p', String(child.pid), path])
    expect((await watch.event('record')).target).toBe(child.pid)
    expect((await watch.stop()).code).toBe(0)
    expect(child.exitCode ?? child.signalCode).toBeNull()
    child.kill()
  })

  it('refuses what can not be run or traced', async () => {
    const path = script('BEGIN { exit(0) }')
    expect(await cli(['run', '-c', '/nonexistent', path])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("/nonexistent can't be started"),
    })
    expect(await cli(['run', '-p', '4194305', path])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no such process'),
    })
  })
})

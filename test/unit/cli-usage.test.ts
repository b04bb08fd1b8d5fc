import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { CLI, cli } from '../live/cli-driver.js'

const run = promisify(execFile)

describe('dtrace-watch', () => {
  it('explains itself, exit codes included', async () => {
    const { code, stdout, stderr } = await cli(['--help'])
    expect(code).toBe(0)
    expect(stderr).toBe('')
    for (const word of ['rescan', 'run', 'doctor', 'setup', 'Exit status']) expect(stdout).toContain(word)
    const help = await cli(['rescan', '--help'])
    for (const option of ['--pidfile', '--every', '--debounce', '--include', '--json', '-- mpc update']) {
      expect(help.stdout).toContain(option)
    }
    for (const command of ['rescan', 'zones', 'opens', 'unlinks', 'mounts', 'run', 'doctor', 'setup']) {
      const { stdout: text } = await cli([command, '--help'])
      expect(text).toContain('Exit status')
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(125)
    }
  })

  it('says its version', async () => {
    expect(await cli(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })

  it.each<[string[], RegExp]>([
    [[], /Usage/],
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['rescan'], /missing required argument 'dir'/],
    [['rescan', '/tmp', '--every', '5s'], /--every needs a target/],
    [['rescan', '/tmp', '--max-wait', '5s'], /--max-wait needs a target/],
    [['rescan', '/tmp', '--stop-timeout', '5s'], /--stop-timeout needs a target/],
    [['rescan', '/tmp', '--pid', '1', '--stop-timeout', '5s'], /--stop-timeout is for a command/],
    [['rescan', '/tmp', '--stop-timeout', 'soon', '--', 'true'], /stopTimeout.*'60s'/],
    [['rescan', '/tmp', '--frob'], /unknown option '--frob'/],
    [['rescan', '/tmp', '--pid', 'x'], /process id/],
    [['rescan', '/tmp', '--pid', '1', '--process', 'x'], /--pid and --process exclude each other/],
    [['rescan', '/tmp', '--pid', '1', '--', 'true'], /--pid and --exec exclude/],
    [['rescan', '/tmp', '--'], /command is missing/],
    [['rescan', '/tmp', '--exec'], /command is missing/],
    [['rescan', '/tmp', '--signal', 'HUP', '--', 'true'], /--signal is for a process/],
    [['rescan', '/tmp', '--pid', '1', '--timeout', '5s'], /--timeout is for a command/],
    [['rescan', '/tmp', '--pid', '1', '--every', '1s', '--debounce', '1s'], /exclude each other/],
    [['rescan', '/tmp', '--pid', '1', '--max-wait', '1s'], /--max-wait goes with --debounce/],
    [['rescan', '/tmp', '--process', 'x', '--signal', 'NOPE'], /no signal/],
    [['rescan', '/tmp', '--process', 'x', '--every', 'soon'], /'60s'/],
    [['rescan', '/tmp', '--process', 'x', '--include', ''], /glob/],
    [['rescan', '/no/such/folder', '--process', 'x'], /\/no\/such\/folder/],
    [['rescan', '/tmp', '--pid', '1', '-x', '=5'], /name=value/],
    [['rescan', '/tmp', '--plan', 'best'], /auto, vfs, syscall/],
    [['run'], /missing required argument 'script'/],
    [['zones', 'aap'], /too many arguments|unknown/],
    [['zones', '--name', ''], /names: the glob "" is empty/],
    [['zones', '--name', '!'], /names: the glob "!" is empty/],
    [['zones', '--runtime', 'frob'], /"frob" is no runtime; there are runc, crun, docker/],
    [['zones', '--event', 'reboot'], /"reboot" is no event; there are present, boot, shutdown, failed/],
    [['zones', '--frob'], /unknown option '--frob'/],
    ...['opens', 'unlinks', 'mounts'].flatMap((command): [string[], RegExp][] => [
      [[command, '--failed', '--ok'], /'--(ok|failed)'.* cannot be used with option '--(ok|failed)'/],
      [[command, '--all', '--failed'], /'--(all|failed)'.* cannot be used with option '--(all|failed)'/],
      [[command, '--zone', '!'], /zones: the glob "!" is empty/],
    ]),
    [['run', '/no/such/script.d'], /does not exist/],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await cli(args)
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^dtrace-watch: |^Usage/m)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it.each(['doctor', 'rescan /no/such/folder --json', 'rescan --help'])(
    'takes it well when nobody reads what %s says',
    async (args) => {
      const command = `node '${CLI}' ${args} 2>&1 >&3 | cat`
      // Standard output is a pipe whose reader has gone before the first word.
      const { stdout } = await run('bash', ['-c', `exec 3> >(exec true); sleep 0.2; ${command}`])
      expect(stdout).not.toMatch(/EPIPE|^\s+at /m)
    },
    30_000,
  )

  it('says errors as JSON too', async () => {
    const { code, stdout, stderr } = await cli(['rescan', '/tmp', '--json', '--every', '5s'])
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'ERR_DTRACE_ARGUMENT' })
    expect(stderr).toMatch(/^dtrace-watch: /)
  })
})

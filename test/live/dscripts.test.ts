/** The D scripts under dtrace(1), without this package around them; those of zones and mounts have their tests beside their watchers'. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { scriptFile } from '../../lib/watch/watcher.js'
import { dtraceCommand, libraryOptions } from './dtrace-command.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'

const describe = requireDTrace()
const folder = mkdtempSync(join(tmpdir(), 'dscripts-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file comes and goes. */
function make(): void {
  const file = join(folder, 'file')
  writeFileSync(file, 'x')
  unlinkSync(file)
}

const path = join(folder, 'file').slice(1)
const { dev, ino } = statSync(folder)

describe('under dtrace(1)', () => {
  test.each([
    [
      'opens.d',
      [],
      new RegExp(`^op=openat execname=\\S+ pid=${process.pid} .* errno=0 .* path=${path}$`, 'm'),
    ],
    ['unlinks.d', [], new RegExp(`^op=unlink .* pid=${process.pid} .* errno=0 .* path=\\S*/${path}$`, 'm')],
    ['unlinks-pins.d', [], new RegExp(`^op=pin pid=${process.pid} .* path=${path}$`, 'm')],
    [
      'rescan.d',
      [String(dev), String(ino)],
      new RegExp(`^op=unlink .* pid=${process.pid} .* path=/${path}$`, 'm'),
    ],
  ])('%s prints what it says at its head', { timeout: patience(90_000) }, async (script, args, line) => {
    const command = dtraceCommand()
    expect(command).toBeDefined()
    const { options, dispose } = await libraryOptions()
    const dtrace = spawn(command as string, [...options, '-s', scriptFile(script), ...args])
    let printed = ''
    let said = ''
    dtrace.stdout.setEncoding('latin1').on('data', (text) => {
      printed += text
    })
    dtrace.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
    })
    const ended = once(dtrace, 'exit')
    try {
      // It does not say when it is ready.
      await expect
        .poll(
          () => {
            make()
            return dtrace.exitCode ?? line.test(printed)
          },
          { timeout: patience(60_000), interval: 200 },
        )
        .toBe(true)
    } finally {
      dtrace.kill('SIGINT')
      await ended
      dispose()
    }
    expect(said).toBe('')
  })
})

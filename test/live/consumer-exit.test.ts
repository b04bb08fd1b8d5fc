import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { once, run } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

describe('leaving the process', () => {
  const steps = [
    'created',
    'opened',
    'compiled',
    'enabled',
    'running',
    'stopping',
    'stopped',
    'closing',
    'closed',
  ]
  const ways: [way: string, code: number][] = [
    ['return', 0],
    ['exit', 7],
    ['throw', 1],
  ]
  test.each(steps.flatMap((step) => ways.map(([way, code]) => [step, way, code] as const)))(
    'while %s, by %s: exit code %i, no signal, no probe left',
    async (step, way, code) => {
      const child = spawn(
        process.execPath,
        [new URL('fixtures/exit-at.mjs', import.meta.url).pathname, step, way],
        {
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      )
      let stderr = ''
      child.stderr.on('data', (text) => {
        stderr += text
      })
      const [status, signal] = await once<[number | null, string | null]>(
        `the end of the process (${step}, ${way})`,
        (resolve) => child.on('exit', (...end) => resolve(end)),
        60,
      )
      expect({ status, signal, stderr: way === 'throw' ? '' : stderr }).toEqual({
        status: code,
        signal: null,
        stderr: '',
      })
      expect(await readFile('/sys/kernel/debug/tracing/uprobe_events', 'utf8')).not.toContain(
        `dt_${child.pid}_`,
      )
    },
  )

  test('30 consumers one after the other in one process: memory does not grow, no probe is left', async () => {
    const child = run(
      process.execPath,
      ['--expose-gc', new URL('fixtures/open-close.mjs', import.meta.url).pathname, '30'],
      { timeout: 290_000 },
    )
    const { stdout } = await child
    const memory = JSON.parse(stdout) as number[]
    expect(memory).toHaveLength(30)
    const early = memory[9] as number
    const late = memory[29] as number
    // What twenty more consumers may add: less than one consumer's tables take.
    expect(
      late - early,
      `resident memory after each, in MB: ${memory.map((bytes) => Math.round(bytes / 1e6)).join(' ')}`,
    ).toBeLessThan(40e6)
    expect(await readFile('/sys/kernel/debug/tracing/uprobe_events', 'utf8')).not.toContain(
      `dt_${child.child.pid}_`,
    )
  }, 300_000)
})

import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Consumer } from '../../lib/index.js'
import { once, open } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

/** The nice values of a process' threads that are not the usual one: field 19 of proc(5)'s stat. */
function unusual(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))
    .map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))
    .filter((nice) => nice !== 0)
}

async function enabled(host: 'in-process' | 'process', program: string): Promise<Consumer> {
  const consumer = await open({ host, options: { quiet: true, destructive: true } })
  await consumer.enable(await consumer.compile(program))
  return consumer
}

describe('the DTrace thread', () => {
  test.each(['in-process', 'process'] as const)('comes before others while it traces: %s', async (host) => {
    const consumer = await enabled(host, 'tick-1s { trace(1); }')
    expect(unusual(consumer.hostPid)).toEqual([])
    await consumer.go()
    expect(unusual(consumer.hostPid)).toEqual([-10])
    await consumer.stop()
    expect(unusual(consumer.hostPid)).toEqual([])
  })

  test('does not pass that on to what a program starts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-test-'))
    try {
      const consumer = await enabled('in-process', `BEGIN { system("nice > ${folder}/said"); exit(0); }`)
      const ended = once('the exit', (resolve) => consumer.once('exit', resolve))
      await consumer.go()
      await ended
      expect(await readFile(join(folder, 'said'), 'utf8')).toBe('0\n')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('stays where somebody has put the process', async () => {
    setPriority(5)
    try {
      const consumer = await enabled('in-process', 'tick-1s { trace(1); }')
      await consumer.go()
      expect(unusual(process.pid)).toContain(5)
      expect(unusual(process.pid)).not.toContain(-10)
    } finally {
      setPriority(0)
    }
  })
})

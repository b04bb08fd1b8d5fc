import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Consumer } from '../../lib/index.js'

const consumers: Consumer[] = []

afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.close()))
})

/** The nice values of this process' threads that are not the usual one: field 19 of proc(5)'s stat. */
function unusual(): number[] {
  return readdirSync('/proc/self/task')
    .map((thread) => readFileSync(`/proc/self/task/${thread}/stat`, 'latin1'))
    .map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))
    .filter((nice) => nice !== 0)
}

async function tracing(program: string, go = true): Promise<Consumer> {
  const consumer = await Consumer.open({ options: { quiet: true, destructive: true } })
  consumers.push(consumer)
  await consumer.enable(await consumer.compile(program))
  if (go) await consumer.go()
  return consumer
}

test('the DTrace thread comes before others while it traces, and no longer', async () => {
  expect(unusual()).toEqual([])
  const consumer = await tracing('tick-1s { trace(1); }')
  expect(unusual()).toEqual([-10])
  await consumer.stop()
  expect(unusual()).toEqual([])
})

test('what a program starts does not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-test-'))
  try {
    const consumer = await tracing(`BEGIN { system("nice > ${folder}/said"); exit(0); }`, false)
    const ended = once(consumer, 'exit')
    await consumer.go()
    await ended
    expect(await readFile(join(folder, 'said'), 'utf8')).toBe('0\n')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a process that somebody has put behind others stays there', async () => {
  setPriority(5)
  try {
    await tracing('tick-1s { trace(1); }')
    expect(unusual()).toContain(5)
    expect(unusual()).not.toContain(-10)
  } finally {
    setPriority(0)
  }
})

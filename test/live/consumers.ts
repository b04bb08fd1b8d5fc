/** What tests of consumers share. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterEach, expect } from 'vitest'
import { Consumer } from '../../lib/index.js'
import { patience } from './patience.js'

export const run = promisify(execFile)

/** Where the sessions of these tests run: the same tests run over both hosts, see vitest.config.ts. */
export const HOST = (process.env.DTRACE_TEST_HOST ?? 'in-process') as 'in-process' | 'process'

/** Every test's consumer is closed, whatever becomes of the test: the next one could not be opened. */
const consumers: { close: () => Promise<void> }[] = []
export async function open(...[options]: Parameters<typeof Consumer.open>): Promise<Consumer> {
  const consumer = (await Consumer.open({
    ...(options?.helper === undefined ? { host: HOST } : {}),
    ...options,
  })) as Consumer
  consumers.push(consumer)
  return consumer
}
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.close()
})

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Waits for an event, and says what it waited for when it does not come. */
export function once<Value>(
  what: string,
  subscribe: (resolve: (value: Value) => void) => void,
  seconds = 20,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${what} did not come within ${patience(seconds)} s`)),
      patience(seconds * 1000),
    )
    subscribe((value) => {
      clearTimeout(timer)
      resolve(value)
    })
  })
}

/** What must end, in whatever way, before the time is over; else it says what hangs. */
export async function within<Value>(
  what: string,
  work: () => Value | Promise<Value>,
  seconds = 30,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const end = (): void => reject(new Error(`${what}: still not over after ${patience(seconds)} s`))
    timer = setTimeout(end, patience(seconds * 1000))
  })
  try {
    return await Promise.race([(async () => await work())(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** When the kernel has no probes of these processes any more: some time after close(). */
export async function probesGone(...pids: number[]): Promise<void> {
  await expect
    .poll(() => readFile('/sys/kernel/debug/tracing/uprobe_events', 'utf8'), { timeout: patience(20_000) })
    .not.toMatch(new RegExp(`\\bdt_(${pids.join('|')})_`))
}

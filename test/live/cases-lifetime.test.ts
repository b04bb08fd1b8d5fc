/** What the test suites of older DTrace APIs check of the lives of consumers: one after the other, and collected when they are over. */
import { expect, test } from 'vitest'
import { collect, open, run } from './consumers.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'

const describe = requireDTrace()

describe('the lives of consumers', () => {
  test.each(['in-process', 'process'] as const)(
    '%s: garbage is collected at every step, nothing that is used goes, and nothing stays',
    async (host) => {
      const fixture = new URL('fixtures/collected.mjs', import.meta.url).pathname
      const { stdout } = await run(process.execPath, ['--expose-gc', '--no-warnings', fixture, host], {
        timeout: patience(110_000),
      })
      const { listeners, ...end } = JSON.parse(stdout) as { listeners: [unknown, unknown] }
      expect(end).toEqual({
        seen: { read: 20, sum: 190, keys: 20 },
        text: 'kept',
        there: [],
        signal: 0,
      })
      expect(listeners[1]).toEqual(listeners[0])
    },
    patience(120_000),
  )

  test(
    'ten, back to back: each has its own records, and what one is told the next one does not know',
    async () => {
      const pids = new Set<number>()
      for (let i = 0; i < 10; i++) {
        const consumer = await open({ host: 'process' })
        if (i === 0) await consumer.setOption('strsize', 64)
        else expect(await consumer.getOption('strsize')).toBe(256)
        const records = await collect(consumer.run(`BEGIN { trace("foo"); trace(${i}); exit(0); }`))
        expect(records[0]?.values.slice(0, 2)).toEqual(['foo', i])
        expect(records).toHaveLength(1)
        pids.add(consumer.hostPid)
        await consumer.close()
      }
      expect(pids.size).toBe(10)
    },
    patience(120_000),
  )
})

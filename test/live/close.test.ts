/** What goes on behind close(), when nobody waits for it any more. */
import { expect, test } from 'vitest'
import { inProcessFree } from '../../lib/host/in-process.js'
import { collect, open, probesGone, within } from './consumers.js'
import { requireDTrace } from './helper.js'

const describe = requireDTrace()

describe('close()', () => {
  test('does not wait for what libdtrace has to free, and the next consumer in the process does', async () => {
    for (let i = 0; i < 3; i++) {
      const consumer = await open({ host: 'in-process' })
      const records = await collect(consumer.run(`BEGIN { trace(${i}); exit(0); }`))
      expect(records[0]?.values[0]).toBe(i)
      await consumer.close()
      let freed = false
      const free = inProcessFree().then(() => {
        freed = true
      })
      await new Promise((resolve) => setImmediate(resolve))
      expect(freed, 'what libdtrace spends seconds on is done').toBe(false)
      if (i === 2) await within('the end of the session', () => free)
    }
    await probesGone(process.pid)
  })

  test('ends the tracing before it resolves', async () => {
    const consumer = await open({ host: 'in-process' })
    await consumer.enable(await consumer.compile('tick-1000hz { trace(1); }'))
    let records = 0
    consumer.on('batch', (batch) => {
      records += batch.length
    })
    await consumer.go()
    await within('a record', () => new Promise((resolve) => consumer.once('batch', resolve)))
    await consumer.close()
    const then = records
    await within('the end of the session', inProcessFree)
    expect(records).toBe(then)
  })

  test('of several that wait for the same end, one is in this process and the others in children', async () => {
    await (await open({ host: 'in-process' })).close()
    const next = await Promise.all([open({ host: 'auto' }), open({ host: 'auto' })])
    expect(next.map(({ host }) => host).sort()).toEqual(['in-process', 'process'])
    await Promise.all(next.map((consumer) => consumer.close()))
    await probesGone(...next.map(({ hostPid }) => hostPid))
  })
})

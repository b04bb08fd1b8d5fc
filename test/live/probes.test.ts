import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import type { Probe } from '../../lib/index.js'
import { collect, open } from './consumers.js'
import { dtrace } from './dtrace-command.js'
import { requireDTrace } from './helper.js'
import { slowness } from './patience.js'

const describe = requireDTrace()

/** `id p:m:f:n` of each line of `dtrace -l`. A part that is not there is a blank column, so the widths tell. */
function listed(output: string): string[] {
  return output
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => line.trim().split(/\s+/).join(' '))
}

function line({ id, provider, module, function: func, name }: Probe): string {
  return [id, provider, module, func, name].filter((part) => part !== '').join(' ')
}

describe('consumer.probes()', () => {
  test('lists what dtrace -l lists, in its order: all, and by one to four parts and globs', async () => {
    const consumer = await open()
    const filters = [
      'openat:entry',
      'vmlinux:open*:entry',
      'syscall::open[a-z]*:',
      ':::on-cpu',
      'BEGIN',
      'profile:::',
    ]
    const all = await consumer.probes()
    expect(all.length).toBeGreaterThan(500)
    const own = new Set(all.map(line))
    const missing = listed(await dtrace('-l')).filter((probe) => !own.has(probe))
    expect(missing).toEqual([])
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort((a, b) => a - b))
    // dtrace(1) takes seconds to start: it lists all of the filters at once.
    const expected = listed(await dtrace('-l', ...filters.flatMap((filter) => ['-n', filter])))
    const found = await Promise.all(filters.map(async (filter) => await consumer.probes(filter)))
    expect(found.every((probes) => probes.length > 0)).toBe(true)
    expect(found.flat().map(line).sort()).toEqual(expected.sort())
    expect((await consumer.probes('syscall:::')).every(({ provider }) => provider === 'syscall')).toBe(true)

    const entries = await consumer.probes({ provider: 'sys*', function: 'open?t', name: 'entry' })
    expect(entries).toEqual([
      { id: expect.any(Number), provider: 'syscall', module: 'vmlinux', function: 'openat', name: 'entry' },
    ])
    expect(await consumer.probes({ provider: 'syscall', function: '*:*' })).toEqual([])
    expect(await consumer.probes('no_such_provider:::')).toEqual([])
    expect(await consumer.probes({})).toEqual(await consumer.probes(':::'))
  })

  test('tells arguments and stabilities as dtrace -lv does, in every state', async () => {
    const consumer = await open()
    const [openat] = await consumer.probes('syscall::openat:entry', { arguments: true })
    const told = await dtrace('-lv', '-n', 'syscall::openat:entry')
    expect(openat?.arguments).toEqual([...told.matchAll(/args\[\d+\]: (.*)/g)].map(([, type]) => type))
    const words = [...told.matchAll(/(?:Identifier Names|Data Semantics|Dependency Class): *(.*)/g)].map(
      ([, word]) => word,
    )
    const { stability, argumentStability } = openat ?? {}
    expect(words).toEqual([stability, argumentStability].flatMap((of) => [of?.name, of?.data, of?.class]))
    expect(openat?.arguments).toEqual(['int', 'char *', 'int', 'umode_t'])

    const [begin] = await consumer.probes('BEGIN', { arguments: true })
    expect(begin).toMatchObject({
      stability: { name: 'Stable', data: 'Stable', class: 'Common' },
      arguments: [],
    })

    const program = await consumer.compile('BEGIN { trace(1); }')
    expect(await consumer.probes('syscall::openat:entry')).toHaveLength(1)
    await consumer.enable(program)
    await consumer.go()
    expect(await consumer.probes('syscall::openat:entry', { arguments: true })).toEqual([openat])
    await consumer.stop()
    expect(await consumer.probes('syscall::openat:entry', { arguments: true })).toEqual([openat])
    await consumer.close()
    await expect(consumer.probes()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
  })

  test('streams: the loop can be left, tracing goes on, and the event loop never waits', async () => {
    const consumer = await open()
    await consumer.enable(await consumer.compile('syscall::close:entry /pid == $pid/ { trace(1); }'))
    await consumer.go()
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    let seen = 0
    for await (const probe of consumer.probes()) {
      expect(probe.id).toBeGreaterThan(0)
      if (++seen === 100) break
    }
    // Several at a time, and each loop lists anew.
    const listing = consumer.probes('syscall:::', { arguments: true })
    const [all, again, iterated] = await Promise.all([listing, listing, collect(listing)])
    expect(again).toBe(all)
    expect(iterated).toEqual(all)
    delay.disable()
    expect(delay.max / 1e6).toBeLessThan(150 * slowness)
    await consumer.stop()
  })

  test('a listing that a close or a signal interrupts says so', async () => {
    const consumer = await open()
    const controller = new AbortController()
    const reason = new Error('enough')
    const reading = (async () => {
      for await (const _ of consumer.probes('', { arguments: true, signal: controller.signal }))
        controller.abort(reason)
    })()
    await expect(reading).rejects.toBe(reason)
    const slow = consumer.probes('', { arguments: true })[Symbol.asyncIterator]()
    await slow.next()
    await consumer.close()
    const rest = async (): Promise<void> => {
      for (;;) if ((await slow.next()).done) return
    }
    await expect(rest()).rejects.toMatchObject({ code: 'ERR_DTRACE_STATE' })
  })

  test('what is no description is ERR_DTRACE_ARGUMENT', async () => {
    const consumer = await open()
    const bad: [unknown, RegExp][] = [
      ['a:b:c:d:e', /Overspecified/],
      ['syscall::[open:', /\[ is not closed/],
      ['open\\', /backslash/],
      ['pid$no_such_macro:::', /Undefined macro/],
      ['a\0b', /NUL/],
      [5, /takes a description/],
      [{ probe: 'x' }, /no probe/],
      [{ name: 5 }, /name is a text/],
    ]
    for (const [filter, message] of bad) {
      await expect(consumer.probes(filter as string), String(filter)).rejects.toMatchObject({
        code: 'ERR_DTRACE_ARGUMENT',
        message,
      })
    }
    expect(await consumer.probes('BEGIN')).toHaveLength(1)
  })
})

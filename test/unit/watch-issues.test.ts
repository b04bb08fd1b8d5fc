/** What a wrong option is told, where its schema has no words of its own. */
import { expect, test } from 'vitest'
import { RescanWatcher, watchMounts, watchOpens, watchUnlinks, ZoneMonitor } from '../../lib/watch/index.js'

const directory = '/tmp/snapshots'

test.each<[() => Promise<unknown>, string]>([
  [() => watchOpens({ include: 5 } as never), 'watchOpens: include: is a string or a list of them, not 5'],
  [
    () => watchOpens({ zones: {} } as never),
    'watchOpens: zones: is a string or a number or a list of them, not {}',
  ],
  [
    () => watchMounts({ include: {} } as never),
    'watchMounts: include: is a string or a list of them, not {}',
  ],
  [
    () => watchUnlinks({ snapshot: { directory } } as never),
    'watchUnlinks: snapshot.include: is missing: it is a string or a list of them',
  ],
  [
    () => watchUnlinks({ snapshot: { include: 'x' } } as never),
    'watchUnlinks: snapshot.directory: is missing: it is a string',
  ],
  [
    () => RescanWatcher.start({} as never),
    'RescanWatcher: paths: is missing: it is a string or a list of them',
  ],
  [() => ZoneMonitor.start(null as never), 'ZoneMonitor: is an object, not null'],
])('%#: %s', async (start, message) => {
  await expect(start()).rejects.toMatchObject({ code: 'ERR_DTRACE_ARGUMENT', message })
})

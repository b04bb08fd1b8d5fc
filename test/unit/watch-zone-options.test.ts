import { describe, expect, it } from 'vitest'
import { DTraceError } from '../../lib/index.js'
import type { ZoneEvent } from '../../lib/watch/index.js'
import { ZoneMonitor } from '../../lib/watch/index.js'
import { checkZoneOptions } from '../../lib/watch/zones/options.js'

const zone = (zone_name: string, fields: Partial<ZoneEvent> = {}): ZoneEvent => ({
  event: 'boot',
  timestamp: 0,
  zone_id: 1,
  zone_name,
  runtime: 'runc',
  ...fields,
})

describe('the options of a zone monitor', () => {
  it.each([
    [{ names: '' }, 'names: the glob "" is empty'],
    [{ names: [] }, 'names: an empty list leaves nothing to watch'],
    [{ names: 5 }, 'names: has to be a string, or several of them'],
    [{ names: ['web', '!'] }, 'names: the glob "!" is empty'],
    [{ runtimes: 'docer' }, 'runtimes.0: "docer" is no runtime; there are runc, crun, docker'],
    [
      { events: ['boot', 'reboot'] },
      'events.1: "reboot" is no event; there are present, boot, shutdown, failed',
    ],
    [{ queueLimit: 0 }, 'queueLimit'],
    [{ name: 'web' }, "there is no option 'name'; there are signal, "],
    ['web', 'ZoneMonitor'],
    [null, 'ZoneMonitor'],
  ])('%j is refused: %s', async (options, message) => {
    const error = await ZoneMonitor.start(options as never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(DTraceError)
    expect(error).toMatchObject({ code: 'ERR_DTRACE_ARGUMENT', message: expect.stringContaining(message) })
  })

  it('names are globs, and a leading ! excludes', () => {
    const { wanted } = checkZoneOptions({ names: ['web*', 'db', '!web-test'] })
    expect(['web', 'web-1', 'pod/web', 'db', 'db2', 'web-test'].filter((name) => wanted(zone(name)))).toEqual(
      ['web', 'web-1', 'db'],
    )
    expect(checkZoneOptions({ names: '!web*' }).wanted(zone('db'))).toBe(true)
    expect(checkZoneOptions({ names: '*' }).wanted(zone('web-0/nginx'))).toBe(true)
  })

  it('all filters have to be met', () => {
    const { wanted } = checkZoneOptions({ runtimes: ['docker', 'podman'], events: 'shutdown' })
    expect(wanted(zone('a', { runtime: 'docker', event: 'shutdown' }))).toBe(true)
    expect(wanted(zone('a', { runtime: 'docker', event: 'boot' }))).toBe(false)
    expect(wanted(zone('a', { runtime: 'crun', event: 'shutdown' }))).toBe(false)
    expect(checkZoneOptions({}).wanted(zone('a'))).toBe(true)
  })
})

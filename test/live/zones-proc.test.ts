/** What /proc says of zones: those that are up, and what became of them when records were dropped. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { Consumer } from '../../lib/index.js'
import { ZoneMonitor, ZoneNames } from '../../lib/watch/index.js'
import { initOf, ZoneLedger } from '../../lib/watch/zones/ledger.js'
import { isUp, type PresentZone, presentZones } from '../../lib/watch/zones/present.js'
import { requireDTrace } from './helper.js'
import { patience } from './patience.js'
import { Containers, tagged, ZoneEvents } from './zone-driver.js'

const describe = requireDTrace()

describe('when records are dropped', () => {
  it('what is told agrees with what is up all the same', { timeout: patience(120_000) }, async () => {
    const containers = await Containers.make()
    const running: Promise<unknown>[] = []
    const drops: number[] = []
    try {
      // Buffers with room for a few records that are looked at every two seconds.
      const monitor = await ZoneMonitor.start({ options: { bufsize: '32k', switchrate: '2sec' } })
      const events = new ZoneEvents(monitor)
      monitor.on('drop', ({ count }) => drops.push(count))
      const unshare = ['unshare', '--kill-child', '--pid', '--fork', 'sh', '-c'] as const
      const short = async (i: number): Promise<void> => {
        await containers.program(...unshare, 'sleep 0.5; true', `zonetest-drop-${i}`)
      }
      await Promise.all(Array.from({ length: 60 }, (_, i) => short(i)))
      for (let i = 0; i < 20; i++)
        running.push(containers.program(...unshare, 'sleep 600; true', 'zonetest-stay'))
      const up = (): number => monitor.zones.filter(tagged('zonetest-stay')).length
      const dropped = (): number =>
        monitor.zones.filter(({ command }) => command?.includes('zonetest-drop')).length
      await expect
        .poll(() => [up(), dropped()], { timeout: patience(30_000), interval: 200 })
        .toEqual([20, 0])
      expect(drops.length).toBeGreaterThan(0)
      expect(events.of(tagged('zonetest-stay')).filter(({ inferred }) => inferred).length).toBeGreaterThan(0)
      for (const { init_pid } of monitor.zones.filter(tagged('zonetest-stay')))
        process.kill(init_pid as number, 'SIGKILL')
      await Promise.all(running)
      await monitor.stop()
      expect(monitor.zones.filter(tagged('zonetest-stay'))).toEqual([])
      const lives = new Map<string, string[]>()
      for (const { zone_id, init_pid, event } of events.all.filter(({ command }) =>
        command?.includes('zonetest-'),
      )) {
        const key = `${zone_id} ${init_pid}`
        lives.set(key, [...(lives.get(key) ?? []), event])
      }
      for (const life of lives.values()) {
        expect(life).toEqual([expect.stringMatching(/^(?:present|boot)$/), 'shutdown'])
      }
    } finally {
      await containers.dispose()
    }
  })
})

describe('when the kernel passes over a probe without a word', () => {
  it('a zone’s boot and its end are found out a little later', { timeout: patience(90_000) }, async () => {
    const containers = await Containers.make()
    const monitor = await ZoneMonitor.start()
    const events = new ZoneEvents(monitor)
    const { add } = ZoneLedger.prototype
    const made = vi.spyOn(ZoneLedger.prototype, 'add').mockImplementation(function (
      this: ZoneLedger,
      records,
      settled,
    ) {
      add.call(
        this,
        records.filter(({ op }) => op === 'create'),
        settled,
      )
    })
    try {
      const unshare = ['--kill-child', '--pid', '--fork', 'sh', '-c', 'sleep 600; true', 'zonetest-silent']
      const ran = containers.program('unshare', ...unshare)
      const [present] = await events.until(tagged('zonetest-silent'), 1)
      expect(present).toMatchObject({ event: 'present', inferred: true })
      process.kill(present?.init_pid as number, 'SIGKILL')
      await ran
      const [, end] = await events.until(tagged('zonetest-silent'), 2)
      expect(end).toMatchObject({ event: 'shutdown', inferred: true, init_pid: present?.init_pid })
    } finally {
      made.mockRestore()
      await monitor.stop()
      await containers.dispose()
    }
  })

  it('a mark of the monitor’s own is made again', async () => {
    const mark = vi.spyOn(Consumer.prototype, 'mark').mockImplementationOnce(() => {})
    const monitor = await ZoneMonitor.start()
    expect(mark.mock.calls.length).toBeGreaterThanOrEqual(3)
    mark.mockRestore()
    await monitor.stop()
  })
})

describe('without a monitor', () => {
  it('hostnames of many zones are asked for a few at a time', { timeout: patience(60_000) }, async () => {
    const containers = await Containers.make()
    const path = process.env.PATH as string
    const log = join(containers.folder, 'log')
    try {
      const unshare = ['--kill-child', '--pid', '--fork', '--uts', 'sh', '-c']
      for (let i = 0; i < 24; i++) {
        void containers.program('unshare', ...unshare, `hostname host-${i}; sleep 600; true`, 'zonetest-many')
      }
      const many = (zones: PresentZone[]): string[] =>
        zones
          .map(({ event }) => event)
          .filter(tagged('zonetest-many'))
          .map(({ hostname }) => `${hostname}`)
      await expect
        .poll(async () => new Set(many(await presentZones())).size, { timeout: patience(20_000) })
        .toBe(24)
      // nsenter itself, which writes down when it begins and ends.
      const script = `#!/bin/sh\necho begin >> ${log}\nPATH=${path} nsenter "$@"\nsleep 0.1\necho end >> ${log}\n`
      await writeFile(join(containers.folder, 'nsenter'), script, { mode: 0o755 })
      process.env.PATH = `${containers.folder}:${path}`
      const first = await presentZones()
      const lines = (await readFile(log, 'utf8')).trim().split('\n')
      let now = 0
      const most = Math.max(
        ...lines.map((line) => {
          now += line === 'begin' ? 1 : -1
          return now
        }),
      )
      expect(most).toBeLessThanOrEqual(8)
      expect(lines.length).toBeGreaterThanOrEqual(48)
      // What is known already is not asked for again.
      await rm(log)
      expect(many(await presentZones({ earlier: first })).sort()).toEqual(many(first).sort())
      expect(await readFile(log, 'utf8').catch(() => '')).toBe('')
    } finally {
      process.env.PATH = path
      await containers.dispose()
    }
  })

  it('a container of runc that has a cgroup only is named by that until it executes its command', async () => {
    const containers = await Containers.make()
    const elsewhere = ['--root', join(containers.folder, 'state')]
    try {
      await containers.create('zonetest-early', ['sleep', '600'], elsewhere)
      const state = JSON.parse(
        await readFile(join(containers.folder, 'state', 'zonetest-early', 'state.json'), 'utf8'),
      ) as { init_process_pid: number }
      const init_pid = state.init_process_pid
      const names = new ZoneNames()
      expect(names.name({ zone_id: 1, pid: init_pid, init_pid, nodename: hostname() })).toBe('zonetest-early')
    } finally {
      await containers.remove('zonetest-early', elsewhere).catch(() => {})
      await containers.dispose()
    }
  })

  it('a zone whose first thread alone has ended is up', async () => {
    const containers = await Containers.make()
    const script =
      'import threading, time, ctypes; threading.Thread(target=lambda: time.sleep(600)).start(); ctypes.CDLL(None).pthread_exit(None)'
    const unshare = ['--kill-child', '--pid', '--fork', '/usr/bin/python3', '-c', script, 'zonetest-leader']
    try {
      void containers.program('unshare', ...unshare)
      const found = async (): Promise<string | undefined> =>
        (await presentZones()).find(({ event }) => event.creator?.endsWith('zonetest-leader'))?.key
      await expect.poll(found, { timeout: patience(20_000) }).toBeDefined()
      const key = (await found()) as string
      const { init_pid } = initOf(key)
      await expect
        .poll(() => readFile(`/proc/${init_pid}/stat`, 'utf8'), { timeout: patience(20_000) })
        .toMatch(/\) Z /)
      expect(isUp(key)).toBe(true)
      process.kill(init_pid, 'SIGKILL')
      await expect.poll(() => isUp(key), { timeout: patience(20_000) }).toBe(false)
    } finally {
      await containers.dispose()
    }
  })
})

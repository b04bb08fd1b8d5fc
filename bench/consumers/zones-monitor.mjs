/**
 * `ZoneMonitor` under measurement.
 *
 *   node zones-monitor.mjs JSON    { prefix }   the beginning of the names of the containers that count
 */
import { ZoneMonitor } from '../../dist/watch/index.js'
import { serve, startClock } from './protocol.mjs'

const { prefix } = JSON.parse(process.argv[2])
const tally = { records: 0, drops: 0, boots: 0, shutdowns: 0 }

const clock = startClock()
const monitor = await ZoneMonitor.start({ names: `${prefix}*` })
clock.step('start')

const progress = serve(tally, {
  reset: () => Object.assign(tally, { records: 0, drops: 0, boots: 0, shutdowns: 0 }),
  stop: () => monitor.stop(),
})
monitor.on('zone', ({ event }) => {
  if (event === 'boot') tally.boots++
  if (event === 'shutdown') tally.shutdowns++
  tally.records++
  progress()
})
monitor.on('drop', ({ count }) => {
  tally.drops += count
  progress()
})
clock.ready()

/**
 * `RescanWatcher` under measurement, with its default options.
 *
 *   node node-watcher.mjs JSON    { directory }
 */
import { RescanWatcher } from '../../dist/watch/index.js'
import { serve, startClock } from './protocol.mjs'

const { directory } = JSON.parse(process.argv[2])
const tally = { records: 0, drops: 0 }

const clock = startClock()
const watcher = await RescanWatcher.start({ paths: [directory] })
clock.step('start')

let progress = () => {}
watcher.on('change', () => {
  tally.records++
  progress()
})
watcher.on('drop', ({ count }) => {
  tally.drops += count
  progress()
})
/** What the kernel let through: the names of files that are made, renamed or removed anywhere are judged here. */
let before = watcher.stats().records
progress = serve(tally, {
  reset() {
    Object.assign(tally, { records: 0, drops: 0 })
    before = watcher.stats().records
  },
  result: () => ({ looked: watcher.stats().records - before }),
  stop: () => watcher[Symbol.asyncDispose](),
})
clock.ready()

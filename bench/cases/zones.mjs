/**
 * Short-lived containers: what a monitor sees of them, and what polling does. All watch the same containers side by side; and before
 * that, all watch nothing for a while.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { withConsumer } from '../harness/consumer-process.mjs'
import { prepareContainers, runContainers } from '../harness/containers.mjs'

const COUNT = 200
const SHORTEST = 20
const LONGEST = 500
const IDLE_SECONDS = 10
/** V8 clears up after the start when the program has been quiet for 8 s, once. */
const SETTLE_SECONDS = 15

/** @param {import('../harness/context.mjs').Context} context */
export async function zones(context) {
  const prefix = `bench-${process.pid}-`
  const consumers = [
    { name: 'ZoneMonitor', command: context.node('zones-monitor', { prefix }) },
    ...['runc', 'lsns'].flatMap((command) =>
      [1000, 100].map((interval) => ({
        name: `${command === 'runc' ? 'runc list' : 'lsns'} every ${interval === 1000 ? '1 s' : '100 ms'}`,
        command: context.node('zones-poll', { command, interval }),
      })),
    ),
  ]
  const place = await prepareContainers(context.folder)
  const containers = Array.from({ length: COUNT }, (_, i) => ({
    name: `${prefix}${i}`,
    // Spread evenly, in an order that is the same each time.
    milliseconds: SHORTEST + ((i * 97) % (LONGEST - SHORTEST + 1)),
  }))

  context.progress(`zones: nothing for ${IDLE_SECONDS} s`)
  const idle = await sideBySide(consumers, 0, () => delay(IDLE_SECONDS * 1000))
  const busy = await sideBySide(consumers, 2 * COUNT, () =>
    runContainers(place, containers, (done) => context.progress(`zones: ${done} of ${COUNT} containers`)),
  )
  const results = consumers.map(({ name }, i) => ({ name, idle: idle[i], busy: busy[i] }))
  const [monitor] = results
  return {
    name: 'zones',
    title: 'Short-lived containers',
    setting:
      `${COUNT} containers of runc that live ${SHORTEST} to ${LONGEST} ms, four at a time, watched by all side by side;\n` +
      'CPU with the programs that are run to poll, percent of one processor',
    columns: [
      'watched by',
      `boots of ${COUNT}`,
      `shutdowns of ${COUNT}`,
      'lists, failed',
      'CPU %',
      'CPU % when idle',
    ],
    rows: results.map(({ name, idle, busy }) => [
      name,
      String(busy.boots),
      String(busy.shutdowns),
      busy.lists === undefined ? '' : `${busy.lists}, ${busy.failures}`,
      percent(busy).toFixed(2),
      percent(idle).toFixed(2),
    ]),
    verdicts: [
      {
        goal: 'the monitor misses none',
        value: `${monitor.busy.boots} boots, ${monitor.busy.shutdowns} shutdowns`,
        met: monitor.busy.boots === COUNT && monitor.busy.shutdowns === COUNT,
      },
    ],
    data: {
      unit: 'percent of one processor',
      containers: COUNT,
      shortest: SHORTEST,
      longest: LONGEST,
      results,
    },
  }
}

function percent({ cpuMicroseconds, childMicroseconds = 0, seconds }) {
  return (cpuMicroseconds + childMicroseconds) / seconds / 1e4
}

/** Starts all, lets something happen, and gives what each says of it. */
async function sideBySide(consumers, events, happen) {
  let open
  const over = new Promise((resolve) => {
    open = resolve
  })
  const ready = []
  const results = consumers.map(({ name, command }) => {
    let arrived
    ready.push(
      new Promise((resolve) => {
        arrived = resolve
      }),
    )
    return withConsumer(name, command, async (consumer) => {
      await consumer.ready()
      await delay(SETTLE_SECONDS * 1000)
      await consumer.begin()
      arrived()
      await over
      return await consumer.finish(events)
    })
  })
  // One that fails to start ends the wait of the others.
  const failed = Promise.all(results)
  await Promise.race([Promise.all(ready), failed])
  try {
    await happen()
  } finally {
    open()
  }
  return await failed
}

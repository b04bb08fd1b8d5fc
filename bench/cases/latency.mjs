/**
 * Latency from the system call to the JavaScript callback. The load generator puts CLOCK_MONOTONIC into a call's
 * argument, the probe emits that argument, and the consumer takes the clock again at the start of its callback.
 */
import { measureLatency, percentiles } from '../harness/latency.mjs'
import { whole } from '../harness/under-load.mjs'

const RATE = 1_000
const GOAL = { median: 150, p99: 1_000, cpuPercent: 5 }
const LOWEST = 'switchrate 0, the lowest'

/** No switchrate: whatever the package's default is, and the bare consumer is then given the same. */
const settings = [
  { name: 'default', options: {} },
  { name: 'switchrate 1ms', options: { switchrate: '1ms' } },
  { name: LOWEST, options: { switchrate: '0' } },
]

/** @param {import('../harness/context.mjs').Context} context */
export async function latency(context) {
  const count = context.quick ? 2_000 : 10_000
  const rounds = context.quick ? 1 : Math.min(context.rounds, 3)
  const results = []
  for (const { name, options } of settings) {
    const plan = { label: `latency, ${name}`, options, rate: RATE, count, rounds }
    for (const result of await measureLatency(context, plan)) results.push({ setting: name, ...result })
  }
  const lowest = results.find(({ setting, consumer }) => setting === LOWEST && consumer === 'Node')
  const milliseconds = (value) => `${(value / 1e3).toFixed(3)} ms`
  return {
    name: 'latency',
    title: 'Latency from the system call to the callback',
    setting:
      `program latency.d, ${whole(RATE)} events a second, ${whole(count)} of them after a warm-up, ` +
      `${rounds} interleaved rounds, medians of the rounds' figures`,
    columns: ['consumer', 'switchrate', 'p50 µs', 'p90 µs', 'p99 µs', 'p99.9 µs', 'CPU %', 'lost'],
    rows: results.map((result) => [
      `${result.consumer}, ${result.setting}`,
      `${result.switchrateMicroseconds / 1e3} ms`,
      ...percentiles.map((key) => result[`${key}Microseconds`].toFixed(0)),
      result.cpuPercent.toFixed(2),
      String(result.lost),
    ]),
    verdicts: [
      {
        goal: `p50 at the lowest setting is at most ${milliseconds(GOAL.median)}`,
        value: milliseconds(lowest.medianMicroseconds),
        met: lowest.medianMicroseconds <= GOAL.median,
      },
      {
        goal: `p99 there is at most ${milliseconds(GOAL.p99)}`,
        value: milliseconds(lowest.p99Microseconds),
        met: lowest.p99Microseconds <= GOAL.p99,
      },
      {
        goal: `CPU there is at most ${GOAL.cpuPercent} %`,
        value: `${lowest.cpuPercent.toFixed(2)} %`,
        met: lowest.cpuPercent <= GOAL.cpuPercent,
      },
    ],
    chart: {
      kind: 'bars',
      title: `Latency at ${whole(RATE)} events a second`,
      unit: 'µs',
      log: true,
      groups: settings.map(({ name }) => ({
        label: name,
        bars: results
          .filter(({ setting }) => setting === name)
          .flatMap(({ consumer, medianMicroseconds, spread, p99Microseconds }) => [
            { label: `${consumer}, p50`, value: medianMicroseconds, spread },
            { label: `${consumer}, p99`, value: p99Microseconds },
          ]),
      })),
    },
    data: { unit: 'microseconds', ratePerSecond: RATE, count, results },
  }
}

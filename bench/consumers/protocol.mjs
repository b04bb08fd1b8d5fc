/**
 * The consumer's side of the benchmark's protocol (see harness/consumer-process.mjs), as bare-consumer.c has it in C.
 */
import { createInterface } from 'node:readline'
import { cpuOf, peakOf } from './children.mjs'

/** Drop counts are read once per `statusrate` (a second): quiet must last longer than that to mean "that was all". */
const QUIET_MS = 3_000

const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

/** @returns {{ ready(detail?: object): void }} steps up to `ready`, in the form that bare-consumer.c prints */
export function startClock() {
  const started = process.hrtime.bigint()
  const steps = {}
  let last = started
  let cpu = process.cpuUsage()
  return {
    /** Notes the end of a step. */
    step(name) {
      const now = process.hrtime.bigint()
      const used = process.cpuUsage(cpu)
      steps[name] = {
        milliseconds: Number(now - last) / 1e6,
        cpuMilliseconds: (used.user + used.system) / 1e3,
      }
      last = now
      cpu = process.cpuUsage()
    },
    ready(detail = {}) {
      send({ event: 'ready', steps, milliseconds: Number(last - started) / 1e6, ...detail })
    },
  }
}

/**
 * Answers `begin` and `finish`. `tally` has `records`, `drops` and whatever else the result is to carry; the consumer
 * counts in it and calls the returned function after each batch. `children` are processes that work for this one: their CPU
 * and memory count as well.
 *
 * @param {{ records: number, drops: number }} tally
 * @param {{ reset(): void, result?(): object, stop(): Promise<void>, children?: number[] }} hooks
 */
export function serve(tally, { reset, result, stop, children = [] }) {
  const childCpu = () => children.reduce((sum, pid) => sum + cpuOf(pid), 0)
  let childBegun = childCpu()
  let begun = process.hrtime.bigint()
  let cpu = process.cpuUsage()
  let target = Number.POSITIVE_INFINITY
  let quiet

  /** @param {number} waited milliseconds that nothing came, at the end */
  const finish = async (waited) => {
    target = Number.POSITIVE_INFINITY
    clearTimeout(quiet)
    const used = process.cpuUsage(cpu)
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9 - waited / 1e3
    send({
      event: 'result',
      ...tally,
      cpuMicroseconds: used.user + used.system,
      childCpuMicroseconds: childCpu() - childBegun,
      peakKilobytes: children.reduce((sum, pid) => sum + peakOf(pid), peakOf('self')),
      seconds,
      ...result?.(),
    })
    await stop()
    send({ event: 'stopped', records: tally.records, drops: tally.drops })
    commands.close()
    process.stdin.destroy()
  }
  const progress = () => {
    if (target === Number.POSITIVE_INFINITY) return
    if (tally.records + tally.drops >= target) void finish(0)
    else quiet.refresh()
  }

  const commands = createInterface({ input: process.stdin })
  let told = false
  commands.on('line', (line) => {
    const finishing = /^finish (\d+)$/.exec(line)
    if (line === 'begin') {
      reset()
      send({ event: 'begun' })
      begun = process.hrtime.bigint()
      cpu = process.cpuUsage()
      childBegun = childCpu()
    } else if (finishing) {
      told = true
      target = Number(finishing[1])
      quiet = setTimeout(() => void finish(QUIET_MS), QUIET_MS)
      progress()
    }
  })
  // The benchmark is gone: leave no probes behind.
  commands.on('close', () => {
    if (!told) void stop()
  })
  return progress
}

import { release } from 'node:os'
import type { Command } from 'commander'
import { Consumer } from '../consumer.js'
import { DTraceError } from '../errors.js'
import { type Check, checkPlatform } from '../platform/checks.js'
import { findLeftovers, removeLeftovers } from '../platform/leftovers.js'
import { choosePlan } from '../watch/index.js'
import { exitCodes } from './exit-codes.js'
import { type Colors, counted, Output } from './output.js'

interface DoctorOptions {
  json?: boolean
  clean?: boolean
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('see what DTrace needs on this machine, whether it is there, and what to do where it is not')
    .option('--clean', 'take away the probes that killed consumers left in uprobe_events')
    .option('--json', 'one JSON object a line')
    .action(doctor)
}

async function doctor(options: DoctorOptions): Promise<void> {
  const output = new Output({ json: options.json === true })
  if (options.clean) clean(output)
  const checks = [describeSystem(), ...checkPlatform()]
  for (const check of checks) show(check, output)
  // What is missing is known: a session would only fail for the same reason.
  const trial = checks.some((check) => check.status === 'fail') ? [] : await tryOut()
  for (const check of trial) show(check, output)
  if (trial.some(({ status }) => status !== 'fail')) show(await rescanPlan(), output)
  const failed = [...checks, ...trial].filter(({ status }) => status === 'fail')
  if (failed.length === 0) {
    output.say(({ green }) => green('DTrace works here.'))
    return
  }
  output.say(({ red }) => red(`DTrace does not work here: ${failed.map(({ name }) => name).join(', ')}.`))
  process.exitCode = exitCodes.unavailable
}

function describeSystem(): Check {
  return {
    name: 'system',
    status: 'ok',
    detail: `${process.platform} ${process.arch}, kernel ${release()}, Node.js ${process.version}`,
  }
}

/** The only sure sign that all of it works together: a session that runs a program to its end. */
async function tryOut(): Promise<Check[]> {
  const name = 'a session'
  const began = performance.now()
  let consumer: Consumer | undefined
  try {
    consumer = await Consumer.open({ options: { bufsize: '64k', aggsize: '64k' } })
    const opened = consumer
    const exited = new Promise<number>((resolve, reject) => {
      opened.once('exit', ({ status }) => resolve(status))
      opened.once('error', reject)
      setTimeout(
        reject,
        10_000,
        new DTraceError('ERR_DTRACE_SESSION', 'BEGIN did not fire within 10 s'),
      ).unref()
    })
    exited.catch(() => {})
    await consumer.enable(await consumer.compile('BEGIN { exit(0) }'))
    await consumer.go()
    await exited
    const ready = performance.now() - began
    await consumer.close()
    const detail = `libdtrace ${opened.version} ran a program in ${ready.toFixed(0)} ms`
    return [{ name, status: 'ok', detail }, describeLibraries(opened)]
  } catch (error) {
    const code = error instanceof DTraceError ? `${error.code}: ` : ''
    return [{ name, status: 'fail', detail: `${code}${(error as Error).message}` }]
  } finally {
    await consumer?.close()
  }
}

/** What of the D libraries this kernel can't compile; known since a program was compiled. */
function describeLibraries({ limitations }: Consumer): Check {
  const name = 'D libraries'
  if (limitations.length === 0) return { name, status: 'ok', detail: 'all of them compile' }
  return {
    name,
    status: 'warn',
    detail: [
      'all but these compile',
      ...limitations.map(({ what, meaning, reason }) => `${what}: ${meaning}; ${reason}`),
    ].join('\n'),
    advice: 'nothing, unless a script of yours uses them',
  }
}

/** What the rescan watcher will see, and what not. */
async function rescanPlan(): Promise<Check> {
  const name = 'rescan'
  try {
    const { plan, reason } = await choosePlan()
    if (plan === 'vfs') return { name, status: 'ok', detail: `plan vfs: ${reason}` }
    return {
      name,
      status: 'warn',
      detail: `plan syscall: ${reason}`,
      advice: 'changes by 32-bit programs, io_uring and the NFS server are not seen: see docs/rescan.md',
    }
  } catch (error) {
    return { name, status: 'warn', detail: (error as Error).message }
  }
}

function clean(output: Output): void {
  try {
    const leftovers = findLeftovers()
    const removed = removeLeftovers(leftovers)
    output.emit('clean', { removed }, () => `${counted(removed, 'leftover probe')} removed`)
  } catch (cause) {
    throw new DTraceError(
      'ERR_DTRACE_PERMISSION',
      'uprobe_events may not be changed by this user; run as root',
      {
        cause,
      },
    )
  }
}

function show(check: Check, output: Output): void {
  output.emit('check', { ...check }, (colors) => {
    const detail = check.detail.replaceAll('\n', '\n      ')
    const lines = [`${mark(check, colors)}  ${colors.bold(check.name)}: ${detail}`]
    if (check.advice !== undefined) lines.push(`      → ${check.advice}`)
    return lines.join('\n')
  })
}

function mark({ status }: Check, { green, yellow, red }: Colors): string {
  const paint = { ok: green, warn: yellow, fail: red }[status]
  return paint(status.padEnd(4))
}

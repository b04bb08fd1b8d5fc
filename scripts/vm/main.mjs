/** `npm run test:vm`: tests under stock Debian kernels, in virtual machines. See docs/laboratory.md. */
import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { inRoot } from '../lib/paths.mjs'
import { runSteps, StepError } from '../lib/steps.mjs'
import { inVm } from './cache.mjs'
import { modulesStep, rootStep } from './image.mjs'
import { kernelOf, kernelStep } from './kernel.mjs'
import { runInGuest } from './qemu.mjs'
import { judgeJob, judgeTests, keepReport } from './report.mjs'
import { SUITES, testJob } from './suites.mjs'

const USAGE = `npm run test:vm -- [options] [TEST-FILE…]

Boots stock Debian kernels under qemu, with this checkout inside, and runs tests there.

  --kernel NAME,…    whose kernel: a suite of Debian's, e.g. stable, testing, bookworm (default: stable,testing)
  --suite NAME,…     what to run: ${Object.keys(SUITES).join(', ')} (default: all of them); TEST-FILEs instead, if given
  --timeout SECONDS  for all tests under one kernel (default: 3600)
  --memory MB        of the guest (default: 2048)
  --run COMMAND      runs this shell command in the guest instead of tests
  --shell            gives you a shell there; leave it with exit
  --prepare          makes all that is needed, boots nothing
  --fresh            throws away what is in .vm/, so that kernels and packages are fetched anew
  --help             this`

function usage(message) {
  console.error(`test:vm: ${message}\n\n${USAGE}`)
  process.exit(64)
}

function readArguments() {
  const text = { type: 'string' }
  const flag = { type: 'boolean', default: false }
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        kernel: { ...text, default: 'stable,testing' },
        suite: { ...text, default: Object.keys(SUITES).join(',') },
        timeout: { ...text, default: '3600' },
        memory: { ...text, default: '2048' },
        run: text,
        shell: flag,
        prepare: flag,
        fresh: flag,
        help: flag,
      },
    })
  } catch (error) {
    return usage(error.message)
  }
}

function checkArguments({ values, positionals }) {
  const list = (value, name) => {
    const items = value.split(',').filter(Boolean)
    return items.length === 0 ? usage(`--${name} names nothing`) : items
  }
  const number = (value, name, least) => {
    if (!/^\d+$/.test(value) || Number(value) < least)
      usage(`--${name} is a number, ${least} or more, not ${value}`)
    return Number(value)
  }
  const kernels = list(values.kernel, 'kernel')
  const strange = kernels.find((name) => !/^[a-z][a-z0-9-]*$/.test(name))
  if (strange !== undefined) usage(`--kernel takes names of Debian's suites, not ${strange}`)
  const suites = list(values.suite, 'suite')
  const unknown = suites.find((name) => !Object.hasOwn(SUITES, name))
  if (unknown !== undefined) usage(`there is no suite ${unknown}, only ${Object.keys(SUITES).join(', ')}`)
  const missing = positionals.find((file) => !/^test\/(?:live|vm)\//.test(file) || !existsSync(inRoot(file)))
  if (missing !== undefined) usage(`${missing} is no test file of test/live/ or test/vm/`)
  if (values.shell && values.run !== undefined) usage('--shell and --run exclude each other')
  if (values.shell && kernels.length > 1) usage('--shell needs one kernel: add --kernel stable, for one')
  return {
    ...values,
    kernels,
    files: positionals.length > 0 ? positionals : suites.flatMap((name) => SUITES[name]),
    timeout: number(values.timeout, 'timeout', 10),
    memory: number(values.memory, 'memory', 512),
  }
}

/** Guest files, packages while they are unpacked, and a kernel each. */
const ROOM = 2_500_000_000
const spaceStep = {
  title: 'Room for the laboratory',
  needed() {
    mkdirSync(inVm(), { recursive: true })
    const { bavail, bsize } = statfsSync(inVm())
    return existsSync(inVm('root.json')) || bavail * bsize > ROOM ? undefined : 'the disk is nearly full'
  },
  async run() {
    throw new StepError(
      `${inVm()} needs ${ROOM / 1e9} GB.`,
      'Free some space, or make .vm a link to a folder on another disk.',
    )
  },
}

const options = checkArguments(readArguments())
if (options.help) {
  console.log(USAGE)
  process.exit(0)
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(
    `test:vm: the laboratory is made for Linux on x86-64; this is ${process.platform} ${process.arch}.`,
  )
  process.exit(69)
}
if (options.fresh) rmSync(inVm(), { recursive: true, force: true })
if (!(await runSteps([spaceStep, rootStep, modulesStep, ...options.kernels.map(kernelStep)]))) process.exit(1)
if (options.prepare) process.exit(0)

const summary = []
let good = true
for (const suite of options.kernels) {
  const kernel = kernelOf(suite)
  const job =
    options.shell || options.run !== undefined
      ? { script: options.run, shell: options.shell }
      : testJob(options.files)
  console.log(`\n==> Debian ${suite}: kernel ${kernel.release}`)
  let result
  try {
    result = await runInGuest(
      kernel,
      { ...job, timeout: options.timeout },
      { memory: options.memory, show: (line) => console.log(`    ${suite} | ${line}`) },
    )
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    console.error(`${error.message}\nWhat to do: ${error.advice}`)
    process.exit(1)
  }
  if (options.shell) continue
  const time = `${result.seconds.toFixed(0)} s`
  if (options.run !== undefined) {
    const problems = judgeJob(result, options.timeout)
    for (const problem of problems) console.log(`    ${problem}`)
    good &&= result.status === 0
    summary.push(`${kernel.release}: exit code ${result.status ?? 'none'} in ${time}`)
    continue
  }
  const { passed, failed, skipped, problems } = judgeTests(result, options.timeout, options.files)
  keepReport(kernel, result)
  for (const problem of problems) console.log(`    ${problem}`)
  good &&= problems.length === 0
  summary.push(
    `${kernel.release}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${time}${problems.length > 0 ? ': FAILED' : ''}`,
  )
}
console.log(`\n${summary.map((line) => `test:vm: ${line}`).join('\n')}`)
process.exitCode = good ? 0 : 1

/** Boots a kernel with the guest's disks, bounded in time. */
import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  createWriteStream,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { inRoot, searchPath, which } from '../lib/paths.mjs'
import { StepError } from '../lib/steps.mjs'
import { freshFolder, inVm } from './cache.mjs'
import { modulesImage, rootImage } from './image.mjs'

/** What of this checkout is in the guest; node_modules is on a disk of its own. */
const CHECKOUT = [
  'package.json',
  'vitest.config.ts',
  'tsconfig.json',
  'lib',
  'dist',
  'dscripts',
  'test',
  'scripts',
  'examples',
  'bench',
  'build/Release/dtrace_consumer.node',
]
const RESULTS_SIZE = 64 << 20

/**
 * Runs a job in the guest.
 *
 * @param kernel as `kernelOf` gives it
 * @param job `{ script, environment, files, timeout }`: a shell script, its variables, files to put beside it (name →
 *   text), and the seconds that it may take
 * @param show called with each line of the console
 * @returns `{ status, folder, seconds, hung, console }`: the job's exit status, `undefined` if it never ended; the folder
 *   of its results
 */
export async function runInGuest(kernel, job, { show = () => {}, memory = 2048 } = {}) {
  const folder = claimFolder(inVm('runs', kernel.suite))
  const input = join(folder, 'input.tar')
  const output = join(folder, 'output.tar')
  packInput(input, folder, job)
  writeFileSync(output, '')
  truncateSync(output, RESULTS_SIZE)
  const begin = Date.now()
  const { hung, text } = await boot(kernel, {
    input,
    output,
    folder,
    memory,
    show,
    shell: job.shell,
    deadline: job.timeout + BOOT_SECONDS,
  })
  const results = join(folder, 'results')
  mkdirSync(results)
  let status
  try {
    execFileSync('tar', ['-xf', output, '-C', results], { stdio: 'ignore' })
    status = Number(readFileSync(join(results, 'status'), 'utf8'))
  } catch {
    // It never got so far.
  }
  for (const file of [input, output]) rmSync(file, { force: true })
  return {
    status,
    folder: results,
    console: join(folder, 'console.log'),
    text,
    hung,
    seconds: (Date.now() - begin) / 1000,
  }
}

/** A run's folder, empty; one run at a time has it. */
function claimFolder(folder) {
  const owner = join(folder, 'pid')
  const pid = existsSync(owner) ? Number(readFileSync(owner, 'utf8')) : process.pid
  if (pid !== process.pid && existsSync(`/proc/${pid}`))
    throw new StepError(
      `another run (process ${pid}) has this kernel booted with ${folder}.`,
      'Wait for its end, or name another kernel.',
    )
  freshFolder(folder)
  writeFileSync(owner, String(process.pid))
  return folder
}

/** Time for booting and for handing the results over, besides the job's own. */
const BOOT_SECONDS = 120

function packInput(file, folder, job) {
  const place = freshFolder(join(folder, 'job'))
  writeFileSync(join(place, 'run'), job.script ?? '')
  const environment = { ...job.environment, LABORATORY_TIMEOUT: String(job.timeout) }
  if (job.shell) environment.LABORATORY_SHELL = '1'
  const quote = (text) => `'${String(text).replaceAll("'", "'\\''")}'`
  writeFileSync(
    join(place, 'environment'),
    Object.entries(environment)
      .map(([name, value]) => `export ${name}=${quote(value)}\n`)
      .join(''),
  )
  for (const [name, text] of Object.entries(job.files ?? {})) writeFileSync(join(place, name), text)
  execFileSync('tar', [
    '-cf',
    file,
    '--owner=0',
    '--group=0',
    '-C',
    folder,
    'job',
    '-C',
    inRoot(),
    '--transform',
    's,^\\./,checkout/,',
    '--exclude-vcs',
    ...CHECKOUT.map((path) => `./${path}`),
  ])
  // A disk is read in sectors.
  const size = statSync(file).size
  const handle = openSync(file, 'r+')
  ftruncateSync(handle, Math.ceil(size / (1 << 20)) * (1 << 20))
  closeSync(handle)
  rmSync(place, { recursive: true })
}

function boot(kernel, { input, output, folder, memory, show, shell, deadline }) {
  const qemu = which('qemu-system-x86_64')
  if (qemu === undefined) throw new StepError('qemu-system-x86_64 is missing', 'Run scripts/setup --vm.')
  const drive = (file, readOnly) => [
    '-drive',
    `file=${file},if=virtio,format=raw,cache=unsafe${readOnly ? ',readonly=on' : ''}`,
  ]
  const args = [
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-serial',
    'stdio',
    '-no-reboot',
    '-M',
    'q35',
    // With a thread for each processor, one may run an int3 that another has just put into the kernel's code and taken out
    // again, as enabling a tracepoint does: 6.12 and 7.2 died of that within minutes. One thread for all has not.
    '-accel',
    'tcg,thread=single',
    // With cmpxchg16b emulated by qemu 7.2, kernel 6.12 corrupts its slabs; without it, the kernel does it another way.
    '-cpu',
    'max,-cx16',
    '-smp',
    '2',
    '-m',
    String(memory),
    '-kernel',
    kernel.image,
    '-initrd',
    kernel.initrd,
    '-append',
    `console=ttyS0 quiet oops=panic panic=-1 ${shell ? '' : 'loglevel=3'}`,
    ...drive(rootImage, true),
    ...drive(modulesImage, true),
    ...drive(input, true),
    ...drive(output, false),
  ]
  return new Promise((resolve, reject) => {
    const child = spawn(qemu, args, {
      env: { ...process.env, PATH: searchPath() },
      stdio: [shell ? 'inherit' : 'ignore', 'pipe', 'pipe'],
    })
    child.on('error', (error) => reject(new StepError(`${qemu} could not be started: ${error.message}`)))
    // Emulation takes all that it gets; whoever works on this machine comes first.
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL)
    const log = createWriteStream(join(folder, 'console.log'))
    let text = ''
    let rest = ''
    let hung = false
    const take = (chunk) => {
      log.write(chunk)
      if (shell) return void process.stdout.write(chunk)
      text += chunk
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) show(line.replace(/\r$/, ''))
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take)
    const stop = () => child.kill('SIGKILL')
    const timer = shell
      ? undefined
      : setTimeout(() => {
          hung = true
          stop()
        }, deadline * 1000)
    process.once('exit', stop)
    const leave = () => process.exit(128)
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    if (!shell) for (const signal of signals) process.once(signal, leave)
    child.on('close', () => {
      clearTimeout(timer)
      process.off('exit', stop)
      for (const signal of signals) process.off(signal, leave)
      log.end()
      resolve({ hung, text })
    })
  })
}

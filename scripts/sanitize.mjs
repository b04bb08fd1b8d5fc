/**
 * Live sessions of the addon under AddressSanitizer with UBSan, and under ThreadSanitizer: `npm run test:sanitize`.
 *
 *   node scripts/sanitize.mjs [address|thread] [STEP…]      by default both, and every step of test/native/live-session.mjs
 *
 * Node.js itself is not built with them, so the sanitizer's runtime is loaded before everything else. Only the addon is
 * looked at: AddressSanitizer sees what its code does with memory, ThreadSanitizer only races in which it takes part.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { inRoot, toolEnvironment } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const env = toolEnvironment()

const kinds = {
  address: {
    flags: 'address,undefined',
    runtime: 'libasan.so',
    environment: {
      // Node.js leaves much to the kernel at its end, on purpose.
      ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  },
  thread: {
    flags: 'thread',
    runtime: 'libtsan.so',
    environment: {
      // Races between Node.js and itself, or libdtrace and itself, are not for us to judge, and half of them are none:
      // locks that are not made by pthread calls are not seen.
      TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66:second_deadlock_stack=1',
    },
  },
}

async function build(kind) {
  const folder = inRoot(`build-addon-${kind}`)
  const steps = [
    [
      '-S',
      inRoot(),
      '-B',
      folder,
      '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
      `-DDTRACE_SANITIZE=${kinds[kind].flags}`,
      // Where node-gyp-build looks for it, see below.
      `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(folder, 'build', 'Release')}`,
      '-Wno-dev',
      '--log-level=WARNING',
    ],
    ['--build', folder, '--parallel', String(availableParallelism())],
  ]
  for (const args of steps) if ((await run('cmake', args, env)) !== 0) process.exit(1)
  return folder
}

function runtimeOf(kind) {
  const { runtime } = kinds[kind]
  const file = execFileSync('g++', [`-print-file-name=${runtime}`], { env, encoding: 'utf8' }).trim()
  // The compiler gives the name back when it has no such file.
  if (!existsSync(file)) {
    console.error(
      `${runtime} is missing: install your compiler's sanitizer libraries (Debian: they come with g++)`,
    )
    process.exit(1)
  }
  return realpathSync(file)
}

function step(kind, folder, name) {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(process.execPath, [inRoot('test', 'native', 'live-session.mjs'), name], {
      env: {
        ...env,
        ...kinds[kind].environment,
        LD_PRELOAD: runtimeOf(kind),
        // node-gyp-build takes this folder's build in place of the package's.
        DTRACE_CONSUMER_PREBUILD: folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 180_000,
      killSignal: 'SIGKILL',
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('close', (code, signal) => {
      const finding = /Sanitizer|runtime error:/.test(output)
      const ok = code === 0 && !finding && output.includes(`done ${name}`)
      if (!ok) console.log(withLines(output, folder))
      console.log(`    ${ok ? 'ok' : `FAILED (${signal ?? `exit code ${code}`})`}: ${name}`)
      resolve(ok)
    })
  })
}

/** Adds function and line to what a stack says of the addon as `(dtrace_consumer.node+0x1234)`: it is unloaded by then. */
function withLines(output, folder) {
  const file = join(folder, 'build', 'Release', 'dtrace_consumer.node')
  return output.replace(/\(dtrace_consumer\.node\+(0x[0-9a-f]+)\)/g, (whole, address) => {
    try {
      const where = execFileSync('addr2line', ['-Cfpe', file, address], { env, encoding: 'utf8' })
      return `${whole} ${where.trim()}`
    } catch {
      return whole
    }
  })
}

const [wanted, ...wantedSteps] = process.argv.slice(2)
if (wanted !== undefined && kinds[wanted] === undefined) {
  console.error(`sanitize: there is no ${wanted}, only ${Object.keys(kinds).join(' and ')}`)
  process.exit(64)
}
const names = JSON.parse(
  execFileSync(process.execPath, [inRoot('test', 'native', 'live-session.mjs')], { encoding: 'utf8' }),
)
const failed = []
for (const kind of wanted === undefined ? Object.keys(kinds) : [wanted]) {
  console.log(`==> ${kinds[kind].flags}`)
  const folder = await build(kind)
  for (const name of wantedSteps.length > 0 ? wantedSteps : names) {
    if (!(await step(kind, folder, name))) failed.push(`${kind}: ${name}`)
  }
}
console.log(failed.length === 0 ? 'no findings' : `failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

/**
 * Live sessions of the addon and of the host program under AddressSanitizer with UBSan, and under ThreadSanitizer:
 * `npm run test:sanitize`.
 *
 *   node scripts/sanitize.mjs [address|thread] [STEP…]      by default both, and every step
 *
 * A step is one of test/native/live-session.mjs, or the name of a file of test/live/ that has to do with consumers, e.g.
 * `aggregations.test.ts`, in this process's sessions, and once more as `process:aggregations.test.ts` in child processes.
 *
 * Node.js itself is not built with them, so the sanitizer's runtime is loaded before everything else. Only the addon is
 * looked at: AddressSanitizer sees what its code does with memory, ThreadSanitizer only races in which it takes part.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { inRoot, toolEnvironment } from './lib/paths.mjs'
import { commands, run } from './lib/run.mjs'

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
      `-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${join(folder, 'build', 'Release')}`,
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

/** Node.js with the runtime, for tests that start it: see test/native/sanitized.mjs. */
function nodeCommand(kind, folder) {
  const path = join(folder, 'node')
  writeFileSync(
    path,
    `#!/bin/sh\nLD_PRELOAD='${runtimeOf(kind)}' exec '${process.execPath}' --import '${inRoot('test', 'native', 'sanitized.mjs')}' "$@"\n`,
  )
  chmodSync(path, 0o755)
  return path
}

/** The tests of consumers: what they make the native code do is all that there is to do. */
const suites = readdirSync(inRoot('test', 'live')).filter((name) =>
  /^(?:consumer|consumer-refusals|actions|aggregation|probes|options|processes|cases|hosts\b)[\w-]*\.test\.ts$/.test(
    name,
  ),
)

/** What runs, and what it prints when it has come to its end. */
function commandOf(name) {
  const [, host, file] = /^(process:)?(.+\.test\.ts)$/.exec(name) ?? []
  if (file === undefined)
    return {
      args: [inRoot('test', 'native', 'live-session.mjs'), name],
      environment: {},
      options: '',
      end: `done ${name}`,
    }
  const project = host === undefined ? 'live' : 'hosts'
  return {
    args: [commands.vitest, 'run', '--project', project, `test/live/${file}`],
    environment: { DTRACE_TEST_SLOWNESS: '5', NO_COLOR: '1', DTRACE_CONSUMER_REQUIRE_LIVE: '1' },
    // It ends children by signals on purpose, and the sanitizer would make an exit code of that.
    options: file.startsWith('hosts') ? ':handle_segv=0:handle_abort=0' : '',
    end: ' passed',
  }
}

function step(kind, folder, name) {
  const { args, environment, options: more, end } = commandOf(name)
  // Whichever process finds something: a child of a child says it to nobody.
  const reports = join(folder, 'reports')
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports)
  const found = () => readdirSync(reports).map((file) => readFileSync(join(reports, file), 'utf8'))
  const options = Object.fromEntries(
    Object.entries(kinds[kind].environment).map(([variable, value]) => [
      variable,
      `${value}${more}:log_path=${join(reports, variable)}`,
    ]),
  )
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(process.execPath, args, {
      env: {
        ...env,
        ...environment,
        ...options,
        LD_PRELOAD: runtimeOf(kind),
        DTRACE_TEST_NODE: nodeCommand(kind, folder),
        // node-gyp-build takes this folder's build in place of the package's.
        DTRACE_CONSUMER_PREBUILD: folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 900_000,
      killSignal: 'SIGKILL',
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('close', (code, signal) => {
      const findings = found()
      const ok = code === 0 && findings.length === 0 && output.includes(end)
      if (!ok) console.log(withLines([output, ...findings].join('\n'), folder))
      console.log(
        `    ${ok ? 'ok' : `FAILED (${signal ?? `exit code ${code}`}, ${findings.length} findings)`}: ${name}`,
      )
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
// The others choose their hosts themselves: see project `hosts` in vitest.config.ts.
const inChildren = suites
  .filter((name) => !/^(?:hosts|consumer-exit|cases-abort|cases-lifetime)/.test(name))
  .map((name) => `process:${name}`)
const failed = []
for (const kind of wanted === undefined ? Object.keys(kinds) : [wanted]) {
  console.log(`==> ${kinds[kind].flags}`)
  const folder = await build(kind)
  for (const name of wantedSteps.length > 0 ? wantedSteps : [...names, ...suites, ...inChildren]) {
    if (!(await step(kind, folder, name))) failed.push(`${kind}: ${name}`)
  }
}
console.log(failed.length === 0 ? 'no findings' : `failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

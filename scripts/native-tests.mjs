/**
 * Builds and runs the native unit tests with CMake and CTest.
 *
 *   node scripts/native-tests.mjs [SANITIZERS]     e.g. address,undefined or thread; each has a build folder of its own
 */
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { inRoot, reportsFolder, toolEnvironment } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const sanitizers = process.argv[2] ?? ''
const kind = sanitizers === '' ? 'plain' : sanitizers.replaceAll(',', '-')
const build = inRoot(`build-native-${kind}`)
mkdirSync(reportsFolder, { recursive: true })

const configure = [
  '-S',
  inRoot(),
  '-B',
  build,
  '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
  // The tests need neither Node.js nor libdtrace: no addon is built here.
  '-DDTRACE_NATIVE_TESTS_ONLY=ON',
  `-DDTRACE_SANITIZE=${sanitizers}`,
  '-Wno-dev',
  '--log-level=WARNING',
]
const env = {
  ...toolEnvironment(),
  // The first finding ends the test, with a stack.
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
}
const steps = [
  ['cmake', configure],
  ['cmake', ['--build', build, '--parallel', String(availableParallelism())]],
  [
    'ctest',
    [
      '--test-dir',
      build,
      '--output-on-failure',
      '--no-tests=error',
      '--output-junit',
      join(reportsFolder, `ctest-${kind}.xml`),
    ],
  ],
]
for (const [command, args] of steps) {
  const code = await run(command, args, env)
  if (code !== 0) process.exit(code)
}

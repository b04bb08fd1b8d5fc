/**
 * What .ci/run does: a newcomer's two commands, then the checks. The last line of output is `N passed, N failed`: tests of
 * every suite, and one for each command that failed without a failed test to explain it. Fails too when no live test ran.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { reportsFolder } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const started = Date.now()
const since = (time) => `${((Date.now() - time) / 1000).toFixed(0)} s`
const env = { ...process.env, CI: process.env.CI ?? 'true', NO_COLOR: '1' }
rmSync(reportsFolder, { recursive: true, force: true })

let passed = 0
let failed = 0
const problems = []

async function command(name, args) {
  const begin = Date.now()
  console.log(`\n######## ${name}`)
  const code = await run('npm', args, env)
  console.log(`######## ${name}: ${code === 0 ? 'ok' : `failed (exit code ${code})`} in ${since(begin)}`)
  return code === 0
}

/** Adds up what the test runners reported since the last call. */
function count() {
  const result = { passed: 0, failed: 0, live: 0 }
  for (const name of existsSync(reportsFolder) ? readdirSync(reportsFolder) : []) {
    const file = join(reportsFolder, name)
    const text = readFileSync(file, 'utf8')
    rmSync(file)
    if (/^vitest.*\.json$/.test(name)) countVitest(JSON.parse(text), result)
    else if (name.startsWith('ctest-')) countCtest(text, result)
  }
  return result
}

function countVitest(report, result) {
  result.passed += report.numPassedTests
  result.failed += report.numFailedTests
  for (const file of report.testResults) {
    const ran = file.assertionResults.filter(
      (test) => test.status === 'passed' || test.status === 'failed',
    ).length
    if (file.name.includes('/test/live/')) result.live += ran
    // A file that couldn't even be loaded has no tests in it to fail.
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'))
      result.failed++
  }
}

function countCtest(text, result) {
  for (const [, status] of text.matchAll(/<testcase [^>]*status="(\w+)"/g)) {
    if (status === 'run') result.passed++
    else if (status === 'fail') result.failed++
  }
}

/**
 * Whose kernels the laboratory boots, as --kernel takes it, or `none`. All of it takes half an hour; what only a stock kernel can
 * do, on the stable one, takes three to four minutes.
 */
const kernels = process.env.DTRACE_CI_KERNELS || 'stable'
const laboratory = ['run', 'test:vm', '--', '--kernel', kernels, '--suite', 'vm', '--timeout', '900']

for (const [name, args] of [
  ['npm start', ['start']],
  ['npm test', ['test']],
  ['npm run check', ['run', 'check', '--', '--without-tests']],
  // Twenty minutes are for those who change what a session does: `npm run soak`.
  ['npm run soak', ['run', 'soak', '--', '--minutes', '1']],
  ...(kernels === 'none' ? [] : [['npm run test:vm', laboratory]]),
]) {
  const ok = await command(name, args)
  const result = count()
  passed += result.passed
  failed += result.failed
  if (!ok && result.failed === 0) {
    failed++
    problems.push(`${name} failed`)
  }
  if (name === 'npm test' && result.live === 0) {
    failed++
    problems.push('no live test ran')
  }
}

console.log(`\ntotal time: ${since(started)}`)
for (const problem of problems) console.log(problem)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

/** What became of a run: counts for the last line, and everything that makes it a failure. */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reportsFolder } from '../lib/paths.mjs'

/** How much of the console is shown when a guest hung or died. */
const SHOWN_LINES = 40

/**
 * @param files the beginnings of the paths that were asked for: vitest is content when one of them matches something
 * @returns `{ passed, failed, skipped, problems }` of a run of tests, from `runInGuest`'s result
 */
export function judgeTests(result, timeout, files = []) {
  const verdict = { passed: 0, failed: 0, skipped: 0, problems: judgeJob(result, timeout) }
  const file = join(result.folder, 'vitest.json')
  if (!existsSync(file)) {
    verdict.problems.push('the guest left no test report: no test ran to its end')
    return verdict
  }
  const report = JSON.parse(readFileSync(file, 'utf8'))
  verdict.passed = report.numPassedTests
  verdict.failed = report.numFailedTests
  verdict.skipped = report.numPendingTests + report.numTodoTests
  const ran = []
  for (const { name, status, message, assertionResults } of report.testResults) {
    const path = name.replace(/^\/checkout\//, '')
    if (assertionResults.some((test) => test.status === 'passed' || test.status === 'failed')) ran.push(path)
    for (const test of assertionResults) {
      if (test.status === 'failed') verdict.problems.push(`failed: ${path}: ${test.fullName}`)
    }
    // One that couldn't even be loaded has no tests in it to fail.
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed'))
      verdict.problems.push(`failed: ${path}: ${message || 'the file itself'}`)
  }
  if (verdict.passed + verdict.failed === 0) verdict.problems.push('no test ran')
  for (const file of files)
    if (!ran.some((path) => path.startsWith(file))) verdict.problems.push(`no test of ${file} ran`)
  if (verdict.problems.length === 0 && result.status !== 0)
    verdict.problems.push(`the tests ended with exit code ${result.status}`)
  return verdict
}

/** For those who add up the reports of all suites. */
export function keepReport(kernel, { folder }) {
  const file = join(folder, 'vitest.json')
  if (!existsSync(file)) return
  mkdirSync(reportsFolder, { recursive: true })
  copyFileSync(file, join(reportsFolder, `vitest-vm-${kernel.suite}.json`))
}

/** Why a job came to no proper end. */
export function judgeJob({ status, hung, text, console: log }, timeout) {
  if (status === 124 || status === 137) return [`it did not end within ${timeout} s`]
  if (status !== undefined) return []
  const tail = text.trimEnd().split('\n').slice(-SHOWN_LINES)
  const what = hung
    ? `the guest hung: it did not power off by itself within the time`
    : 'the guest died before its job had ended'
  return [[`${what}; the end of its console (all of it: ${log}):`, ...tail].join('\n    ')]
}

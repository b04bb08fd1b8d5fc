/** The laboratory's own judgement: a run in which anything is amiss must not look like a good one. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Result {
  status: number | undefined
  hung: boolean
  text: string
  console: string
  folder: string
}
interface Report {
  judgeTests(
    result: Result,
    timeout: number,
    files?: string[],
  ): { passed: number; failed: number; skipped: number; problems: string[] }
}

const scripts = join(import.meta.dirname, '..', '..', 'scripts', 'vm')
let report: Report
let top: string
let runs = 0

beforeAll(async () => {
  report = (await import(pathToFileURL(join(scripts, 'report.mjs')).href)) as Report
  top = mkdtempSync(join(tmpdir(), 'laboratory-'))
})
afterAll(() => rmSync(top, { recursive: true, force: true }))

/** What a guest left. */
function result(json: unknown, rest: Partial<Result> = {}): Result {
  const folder = join(top, String(runs++))
  mkdirSync(folder)
  if (json !== undefined) writeFileSync(join(folder, 'vitest.json'), JSON.stringify(json))
  return { status: 0, hung: false, text: 'booting\nthe last line\n', console: 'console.log', folder, ...rest }
}

/** vitest's report of these tests, by name and status. */
function tests(
  statuses: Record<string, string>,
  file: { status: string; message: string } = { status: 'passed', message: '' },
) {
  const all = Object.values(statuses)
  const count = (status: string) => all.filter((one) => one === status).length
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('skipped'),
    numTodoTests: 0,
    testResults: [
      {
        name: '/checkout/test/vm/a.test.ts',
        ...file,
        assertionResults: Object.entries(statuses).map(([fullName, status]) => ({ fullName, status })),
      },
    ],
  }
}

describe('a run in the laboratory', () => {
  it('is good when tests ran and all passed', () => {
    const verdict = report.judgeTests(result(tests({ a: 'passed', b: 'skipped' })), 60)
    expect(verdict).toEqual({ passed: 1, failed: 0, skipped: 1, problems: [] })
  })

  it('is bad when nothing ran of a file that was asked for', () => {
    const judge = (...files: string[]) =>
      report.judgeTests(result(tests({ a: 'passed' })), 60, files).problems
    expect(judge('test/')).toEqual([])
    expect(judge('test/', 'test/gone')).toEqual(['no test of test/gone ran'])
  })

  it.each([
    [
      'a test failed',
      () => result(tests({ a: 'passed', 'b c': 'failed' }), { status: 1 }),
      /a\.test\.ts: b c/,
    ],
    ['no test ran', () => result(tests({ a: 'skipped' })), /no test ran/],
    [
      'a file could not be loaded',
      () => result(tests({}, { status: 'failed', message: 'no such module' }), { status: 1 }),
      /no such module/,
    ],
    ['there is no report', () => result(undefined), /no test report/],
    ['all passed, and the runner failed', () => result(tests({ a: 'passed' }), { status: 1 }), /exit code 1/],
    ['the tests took too long', () => result(undefined, { status: 124 }), /within 60 s/],
    [
      'the guest hung',
      () => result(undefined, { status: undefined, hung: true }),
      /hung[\s\S]*the last line/,
    ],
    ['the guest died', () => result(undefined, { status: undefined }), /died[\s\S]*the last line/],
  ])('is bad when %s', (_, make, problem) => {
    expect(report.judgeTests(make(), 60).problems.join('\n')).toMatch(problem)
  })
})

describe('npm run test:vm', () => {
  const main = (...args: string[]) =>
    spawnSync(process.execPath, [join(scripts, 'main.mjs'), ...args], { encoding: 'utf8' })

  it.each([
    ['--kernel', '../x'],
    ['--kernel', ','],
    ['--suite', 'nothing'],
    ['--timeout', 'soon'],
    ['--timeout', '1'],
    ['--no-such-option'],
    ['test/live/no-such.test.ts'],
    ['--shell', '--run', 'true', '--kernel', 'stable'],
    ['--shell'],
  ])('refuses %s %s, and says what there is', (...args) => {
    const { status, stderr } = main(...args)
    expect(status).toBe(64)
    expect(stderr).toMatch(/^test:vm: .*\n\nnpm run test:vm/)
  })

  it('--help is no failure', () => {
    expect(main('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--kernel') })
  })
})

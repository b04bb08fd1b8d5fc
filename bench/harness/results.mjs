/**
 * The committed results: `docs/benchmarks/results.json` with the charts beside it, and `docs/benchmarks.md`, which is made of it.
 * What is measured anew replaces what there was of the same case, and nothing else: so each report says itself when it was made, on
 * what machine, and of which commit.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import { inRoot } from '../../scripts/lib/paths.mjs'
import { drawChart } from './chart.mjs'
import { formatPage } from './page.mjs'

const folder = inRoot('docs', 'benchmarks')
const file = join(folder, 'results.json')
const page = inRoot('docs', 'benchmarks.md')

/** What of the checkout is measured. */
const measuredParts = ['lib', 'native', 'dscripts', 'bench', 'package-lock.json']

/**
 * @typedef {{ machine: object, commit?: string, modified: boolean, date: string, quick: boolean, rounds: number }} Circumstances
 * @typedef {import('./report.mjs').Report & { case: string, measured: Circumstances }} Result
 */

/** @param {import('./context.mjs').Context} context @returns {Circumstances} */
export function circumstances({ library, quick, rounds }) {
  return {
    machine: {
      processor: cpus()[0]?.model ?? 'unknown',
      processors: cpus().length,
      kernel: release(),
      architecture: arch(),
      node: process.version,
      libdtrace: library.version ?? 'unknown',
    },
    commit: git('rev-parse', '--short', 'HEAD'),
    modified: (git('status', '--porcelain', '--', ...measuredParts) ?? '') !== '',
    date: new Date().toISOString(),
    quick,
    rounds,
  }
}

/** What git prints, or `undefined` outside of a checkout. */
function git(...args) {
  try {
    return execFileSync('git', args, {
      cwd: inRoot(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}

/** @param {Result[]} fresh all reports of the cases that were run @param {string[]} order of the cases on the page */
export async function writeDocs(fresh, order) {
  await mkdir(folder, { recursive: true })
  const anew = new Set(fresh.map((result) => result.case))
  const old = await readResults()
  const place = (result) => order.indexOf(result.case)
  const results = [...old.filter((result) => !anew.has(result.case)), ...fresh].sort(
    (a, b) => place(a) - place(b),
  )
  for (const { name, chart } of old.filter((result) => anew.has(result.case)))
    if (chart !== undefined) await rm(join(folder, `${name}.svg`), { force: true })
  for (const { name, chart } of fresh)
    if (chart !== undefined) await writeFile(join(folder, `${name}.svg`), drawChart(chart))
  await writeFile(file, `${JSON.stringify({ results }, null, 1)}\n`)
  await writeFile(page, formatPage(results))
}

/** @returns {Promise<Result[]>} */
async function readResults() {
  try {
    return JSON.parse(await readFile(file, 'utf8')).results
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

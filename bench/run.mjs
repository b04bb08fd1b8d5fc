#!/usr/bin/env node
/**
 * The benchmarks: `npm run bench -- [NAME…] [--json FILE] [--docs] [--quick] [--rounds N]`.
 *
 * Prints a table for each, and writes everything that was measured, run by run, as JSON with `--json`; with `--docs` as the
 * committed results, with their page and charts. A goal that is missed is said and is no failure: this is a measurement, and
 * exits non-zero only where it could not be made.
 */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** The order on the page; any others come last. */
const order = [
  ...['throughput', 'wide', 'pause', 'latency', 'memory', 'growth'],
  ...['tree', 'probe-cost', 'enabled-probes', 'ready', 'close', 'idle', 'opens', 'zones'],
]
const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length)
const names = readdirSync(fileURLToPath(new URL('cases', import.meta.url)))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -'.mjs'.length))
  .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))

/** @returns {never} */
function usage(why) {
  console.error(
    `bench: ${why}\nusage: npm run bench -- [${names.join('|')}]… [--json FILE] [--docs] [--quick] [--rounds N]`,
  )
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        docs: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
      },
    })
  } catch (error) {
    return usage(error.message)
  }
}

const { values, positionals } = readArguments()
const unknown = positionals.find((name) => !names.includes(name))
if (unknown !== undefined) usage(`there is no benchmark '${unknown}'`)
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
  usage('--rounds needs a whole number above 0')

const progress = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[2K${text}`)
const clear = () => process.stderr.isTTY && process.stderr.write('\r\x1b[2K')

/** The exported function of `probe-cost.mjs` is `probeCost`. */
const camelCase = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())

async function loadCase(name) {
  const module = await import(`./cases/${name}.mjs`)
  return { name, benchmark: module[camelCase(name)], needs: module.needs ?? [] }
}

async function main(folder) {
  // Imported late, so that a checkout that isn't built yet is told so in plain words.
  const { createContext } = await import('./harness/context.mjs')
  const { formatReport } = await import('./harness/report.mjs')
  const { circumstances, writeDocs } = await import('./harness/results.mjs')
  const cases = await Promise.all((positionals.length > 0 ? positionals : names).map(loadCase))
  const context = await createContext({ quick: values.quick, rounds, folder, progress })
  const results = []
  try {
    // Before the first of them, and not after half an hour.
    for (const { needs } of cases) for (const name of needs) context.peer(name)
    const { machine } = circumstances(context)
    console.log(
      `${machine.processor}, ${machine.processors} processors; Linux ${machine.kernel}, ${machine.architecture}; ` +
        `Node ${machine.node}; libdtrace ${machine.libdtrace}\nRatios travel to other machines, absolute figures don't.\n`,
    )
    for (const { name, benchmark } of cases) {
      const reports = [await benchmark(context)].flat()
      clear()
      const measured = circumstances(context)
      for (const report of reports) {
        console.log(formatReport(report))
        results.push({ case: name, measured, ...report })
      }
      // After each, so that what was measured is not lost when a later one can't be.
      if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ results }, null, 2)}\n`)
      if (values.docs) await writeDocs(results, names)
    }
  } finally {
    await context.dispose()
  }
}

const folder = await mkdtemp(join(tmpdir(), 'dtrace-consumer-bench-'))
try {
  await main(folder)
} catch (error) {
  clear()
  const unbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes('/dist/')
  console.error(
    unbuilt ? "bench: the package isn't built yet: run npm run build first" : `bench: ${error.message}`,
  )
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

#!/usr/bin/env node
/**
 * The benchmarks: `npm run bench -- [NAME…] [--json FILE] [--quick] [--rounds N]`.
 *
 * Prints a table for each, and writes everything that was measured, run by run, as JSON with `--json`. A goal that is
 * missed is said and is no failure: this is a measurement, and exits non-zero only where it could not be made.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { arch, cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const names = ['throughput', 'latency', 'ready', 'idle', 'zones', 'opens']

/** @returns {never} */
function usage(why) {
  console.error(
    `bench: ${why}\nusage: npm run bench -- [${names.join('|')}]… [--json FILE] [--quick] [--rounds N]`,
  )
  process.exit(2)
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
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

async function main(folder) {
  // Imported late, so that a checkout that isn't built yet is told so in plain words.
  const { createContext } = await import('./harness/context.mjs')
  const { formatReport } = await import('./harness/report.mjs')
  const context = await createContext({ quick: values.quick, rounds, folder, progress })
  const machine = {
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    kernel: release(),
    architecture: arch(),
    node: process.version,
    libdtrace: context.library.version ?? 'unknown',
  }
  console.log(
    `${machine.processor}, ${machine.processors} processors; Linux ${machine.kernel}, ${machine.architecture}; ` +
      `Node ${machine.node}; libdtrace ${machine.libdtrace}\nRatios travel to other machines, absolute figures don't.\n`,
  )
  const reports = []
  try {
    for (const name of positionals.length > 0 ? positionals : names) {
      const benchmark = (await import(`./cases/${name}.mjs`))[name]
      const report = await benchmark(context)
      clear()
      console.log(formatReport(report))
      reports.push(report)
    }
  } finally {
    await context.dispose()
  }
  if (values.json !== undefined) {
    const result = {
      machine,
      date: new Date().toISOString(),
      quick: values.quick,
      rounds: context.rounds,
      reports,
    }
    await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`)
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

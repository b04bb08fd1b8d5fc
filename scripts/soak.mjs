/**
 * `npm run soak`: a consumer under load for long, as a service has it. 20,000 events a second, a snapshot of an aggregation every
 * second, and a second consumer in a child process that comes and goes.
 *
 *   node scripts/soak.mjs [--minutes 20] [--rate 20000]
 *
 * It fails when an event is lost that nobody reported, when the aggregation counted another number than the load made, or when resident
 * memory at the end is more than 2 % above what it was after a quarter of the time (five minutes of twenty). A run of less than twenty
 * minutes allows 25 %: it begins to compare while the heap still grows to its working size, so it can only find what leaks fast.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { build } from '../bench/harness/build.mjs'
import { Consumer } from '../dist/index.js'

const MOST_GROWTH = { long: 0.02, short: 0.25 }
const LONG_MINUTES = 20

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '20' }, rate: { type: 'string', default: '20000' } },
})
const minutes = Number(values.minutes)
const rate = Number(values.rate)
if (!(minutes > 0 && minutes <= 1440) || !(rate > 0)) {
  console.error('soak: --minutes is 0.1 to 1440, --rate is events a second')
  process.exit(64)
}
if (globalThis.gc === undefined) {
  // Memory that only waits to be collected is no growth.
  const again = spawn(process.execPath, ['--expose-gc', ...process.argv.slice(1)], { stdio: 'inherit' })
  again.on('exit', (code) => process.exit(code ?? 1))
} else {
  process.exitCode = (await soak()) ? 0 : 1
}

async function soak() {
  const { load } = build()
  const folder = mkdtempSync(join(tmpdir(), 'dtrace-soak-'))
  const seen = { records: 0, drops: 0, faults: 0, snapshots: 0, counted: 0n, visitors: 0, visitorRecords: 0 }
  const consumer = await Consumer.open({ host: 'in-process' })
  consumer.on('drop', ({ count }) => {
    seen.drops += count
  })
  consumer.on('fault', ({ count }) => {
    seen.faults += count
  })
  let letters = 0
  consumer.on('batch', (batch) => {
    seen.records += batch.length
    // Used as a service would: each record looked at.
    for (const { fields } of batch) letters += fields.path.length
  })
  await consumer.enable(
    await consumer.compile(`
      syscall::openat:entry /execname == "load" && (int)arg0 == -7777/
      {
        printf("pid=%d cpu=%d path=%s", pid, cpu, copyinstr(arg1));
        @opens[execname, cpu] = count();
      }`),
  )
  await consumer.go()

  const until = Date.now() + minutes * 60_000
  const count = Math.round(minutes * 60 * rate)
  const generator = spawn(
    load,
    ['open', '--count', String(count), '--rate', String(rate), '--folder', folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const made = new Promise((resolve, reject) => {
    let text = ''
    generator.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    generator.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(text).made) : reject(new Error(`load: exit code ${code}`)),
    )
  })

  const visiting = visit(until, seen)
  const memory = []
  const quarter = Date.now() + minutes * 15_000
  let early
  for (let second = 0; Date.now() < until; second++) {
    await sleep(1000)
    await consumer.aggregations()
    seen.snapshots++
    if (second % 5 !== 0) continue
    globalThis.gc()
    memory.push(process.memoryUsage.rss())
    if (Date.now() >= quarter) early ??= middle(memory.slice(-5))
    if (second % 30 === 0) report(second, seen, memory.at(-1))
  }
  const total = await made
  await visiting
  await consumer.stop()
  const rows = await consumer.aggregations()
  seen.counted = rows.reduce((sum, { value }) => sum + BigInt(value), 0n)
  await consumer.close()
  rmSync(folder, { recursive: true, force: true })

  const late = middle(memory.slice(-5))
  const growth = late / early - 1
  const told = seen.records + seen.drops + seen.faults
  const problems = []
  if (told !== total)
    problems.push(
      `${total} events were made; ${seen.records} came, ${seen.drops} drops and ${seen.faults} faults were told`,
    )
  if (seen.counted !== BigInt(total)) problems.push(`the aggregation counted ${seen.counted} of ${total}`)
  if (growth > (minutes < LONG_MINUTES ? MOST_GROWTH.short : MOST_GROWTH.long))
    problems.push(`memory grew by ${(growth * 100).toFixed(1)} %, from ${mb(early)} to ${mb(late)}`)
  if (letters === 0) problems.push('no path was recorded')
  if (seen.visitors === 0 || seen.visitorRecords === 0) problems.push('no second consumer saw anything')
  console.log(
    `soak: ${minutes} min at ${Math.round(total / (minutes * 60))}/s: ${seen.records} records, ${seen.drops} dropped, ${seen.faults} faults, ` +
      `${seen.snapshots} snapshots, ${seen.visitors} visits; memory ${mb(early)} → ${mb(late)} (${(growth * 100).toFixed(2)} %)`,
  )
  for (const problem of problems) console.error(`soak: FAILED: ${problem}`)
  console.log(`${problems.length === 0 ? 1 : 0} passed, ${problems.length} failed`)
  return problems.length === 0
}

/** Another consumer, again and again. */
async function visit(until, seen) {
  while (Date.now() < until - 5000) {
    const consumer = await Consumer.open({ host: 'process' })
    consumer.on('batch', (batch) => {
      seen.visitorRecords += batch.length
    })
    await consumer.enable(await consumer.compile('tick-100hz { printf("tick=%d", 1); }'))
    await consumer.go()
    await sleep(2000)
    await consumer.close()
    seen.visitors++
    await sleep(1000)
  }
}

function middle(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]
}

function report(second, { records, drops, visitors }, rss) {
  console.log(
    `    ${String(second).padStart(5)} s  ${records} records, ${drops} dropped, ${visitors} visits, ${mb(rss)}`,
  )
}

function mb(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

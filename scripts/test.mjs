/**
 * `npm test`: every suite, live ones included (a live suite that can't run is a failure), and the native unit tests.
 * Arguments go to vitest, e.g. `npm test -- test/unit/setup-elf.test.ts`; then the native tests are left out.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, reportsFolder, toolEnvironment } from './lib/paths.mjs'
import { commands, runNode } from './lib/run.mjs'

const args = process.argv.slice(2)
rmSync(reportsFolder, { recursive: true, force: true })
mkdirSync(reportsFolder, { recursive: true })

const env = { ...toolEnvironment(), DTRACE_CONSUMER_REQUIRE_LIVE: '1' }
const reporters = [
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${join(reportsFolder, 'vitest.json')}`,
]
let code = await runNode(commands.vitest, ['run', ...reporters, ...args], env)
if (args.length === 0) code = (await runNode(inRoot('scripts', 'native-tests.mjs'), [])) || code
process.exitCode = code

/**
 * `npm run check`: everything that can be said about the sources without a user: style, types, static analysis, the other
 * systems, the native tests under sanitizers, then `npm test` (left out with --without-tests). Every check runs, and the failed ones are
 * named at the end. `--only NAME…` runs those alone.
 */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism, homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { inRoot, toolEnvironment, toolsFolder } from './lib/paths.mjs'
import { checkPlatforms } from './lib/platforms.mjs'
import { commands, run, runNode } from './lib/run.mjs'

const nativeSources = ['native', 'test/native', 'bench'].flatMap((folder) =>
  filesBelow(folder, /\.(?:cc|c|h)$/),
)

function filesBelow(folder, pattern) {
  if (!existsSync(inRoot(folder))) return []
  return readdirSync(inRoot(folder), { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => inRoot(folder, name))
    .sort()
}

/** The flags with which node-gyp compiles the addon on every system, as far as they matter to an analysis. */
function nodeFlags() {
  const prefix = dirname(dirname(process.execPath))
  const headers = [
    join(prefix, 'include', 'node'),
    join(homedir(), '.cache', 'node-gyp', process.versions.node, 'include', 'node'),
  ]
  const flags = [
    '-std=c++17',
    '-DNAPI_VERSION=9',
    '-DNODE_ADDON_API_DISABLE_DEPRECATED',
    '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
  ]
  const include = headers.find((folder) => existsSync(join(folder, 'node_api.h')))
  for (const folder of [include, inRoot('node_modules', 'node-addon-api')])
    if (folder) flags.push('-isystem', folder)
  return flags
}

/** The same, and what is this system's. */
function addonFlags() {
  const { DTRACE_INCLUDE } = toolEnvironment()
  const flags = nodeFlags()
  if (DTRACE_INCLUDE) flags.push('-idirafter', DTRACE_INCLUDE)
  const tools = join(toolsFolder, 'root', 'usr')
  if (existsSync(join(tools, 'include', 'c++'))) {
    const triplet = `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`
    flags.push(
      `--gcc-toolchain=${tools}`,
      '-idirafter',
      join(tools, 'include', triplet),
      '-idirafter',
      join(tools, 'include'),
    )
  }
  return flags
}

/** One process per file, as many at once as there are processors. */
async function clangTidy(files) {
  const flags = addonFlags()
  const waiting = [...files]
  let worst = 0
  const worker = async () => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      const code = await run('clang-tidy', ['--quiet', '--warnings-as-errors=*', file, '--', ...flags])
      worst = Math.max(worst, code)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return worst
}

const checks = [
  ['biome', () => runNode(commands.biome, ['check', '--error-on-warnings'])],
  ['types of lib/', () => runNode(commands.tsc, ['-p', inRoot(), '--noEmit'])],
  ['types of the tests', () => runNode(commands.tsc, ['-p', inRoot('tsconfig.test.json')])],
  ['clang-format', () => run('clang-format', ['--dry-run', '-Werror', ...nativeSources])],
  ['clang-tidy', () => clangTidy(filesBelow('native', /\.cc$/))],
  ['platforms', () => checkPlatforms(nodeFlags())],
  [
    'native tests with AddressSanitizer and UBSan',
    () => runNode(inRoot('scripts', 'native-tests.mjs'), ['address,undefined']),
  ],
]
if (!process.argv.includes('--without-tests')) {
  checks.push(['tests', () => runNode(inRoot('scripts', 'test.mjs'), [])])
}

const only = process.argv.indexOf('--only')
const names = process.argv.slice(only + 1)
const chosen = only === -1 ? checks : checks.filter(([name]) => names.includes(name))

const failed = []
for (const [name, check] of chosen) {
  const started = Date.now()
  console.log(`==> ${name}`)
  if ((await check()) !== 0) failed.push(name)
  console.log(
    `    ${failed.includes(name) ? 'FAILED' : 'ok'} in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  )
}
console.log(
  failed.length === 0 ? `all ${chosen.length} checks passed` : `checks that failed: ${failed.join(', ')}`,
)
process.exitCode = failed.length === 0 ? 0 : 1

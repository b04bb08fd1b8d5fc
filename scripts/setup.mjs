/** The steps of scripts/setup. Uses nothing but Node.js itself until the step that fetches the packages is done. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { dtraceFolder, inRoot, toolEnvironment, which } from './lib/paths.mjs'
import { fingerprint, stampMatches, writeStamp } from './lib/stamp.mjs'
import { runLogged, runSteps, StepError } from './lib/steps.mjs'
import { installTools, missingTools } from './lib/tools.mjs'

const known = ['--test', '--check', '--vm']
const unknown = process.argv.slice(2).find((argument) => !known.includes(argument))
if (unknown !== undefined) {
  console.error(`set-up: unknown argument ${unknown}; there are ${known.join(', ')}.`)
  process.exit(64)
}
const wanted = (option) => process.argv.includes(option)

/** What was compiled from lib/ may be imported from the moment that it is there. */
const setupModule = () => import(inRoot('dist', 'setup', 'index.js'))

const packages = {
  title: 'npm packages: npm ci, without running their scripts',
  needed() {
    if (!existsSync(inRoot('node_modules', '.package-lock.json'))) return 'no node_modules yet'
    const wantedOnes = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8')).packages
    const present = JSON.parse(readFileSync(inRoot('node_modules', '.package-lock.json'), 'utf8')).packages
    for (const [path, { version, optional }] of Object.entries(wantedOnes)) {
      // Optional ones are for other platforms.
      if (path === '' || (optional && present[path] === undefined)) continue
      if (present[path]?.version !== version || !existsSync(inRoot(path)))
        return `${path} is missing or of another version`
    }
    return undefined
  },
  async run() {
    const npm = which('npm')
    if (npm === undefined)
      throw new StepError(
        'npm is missing',
        'Install npm (it comes with Node.js from nodejs.org), then run this again.',
      )
    const args = [
      'ci',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--fetch-retries=2',
      '--fetch-retry-mintimeout=2000',
      '--fetch-retry-maxtimeout=10000',
      '--fetch-timeout=60000',
    ]
    await runLogged(npm, args, {
      log: 'npm-ci',
      // npm says what is wrong first, and all of its options after it.
      shown: (lines) => lines.filter((line) => line.startsWith('npm error')).slice(0, 12),
      advice:
        'See npm’s message above. It needs the npm registry: check the network, or npm’s proxy and registry settings (npm config ls).',
    })
  },
}

const typescriptSources = () => fingerprint(['lib', 'tsconfig.json', 'package-lock.json'])
const typescriptStamp = inRoot('dist', '.stamp')
const typescript = {
  title: 'TypeScript: tsc, lib/ to dist/',
  needed: () => (stampMatches(typescriptStamp, typescriptSources()) ? undefined : 'lib/ is newer than dist/'),
  async run() {
    const stamp = typescriptSources()
    // Beside it, then renamed: files whose source is gone vanish, and nobody sees half of it.
    const fresh = inRoot('build-dist')
    rmSync(fresh, { recursive: true, force: true })
    await runLogged(
      process.execPath,
      [inRoot('node_modules', 'typescript', 'bin', 'tsc'), '-p', inRoot(), '--outDir', fresh],
      {
        log: 'tsc',
        advice: 'Correct the type errors above.',
      },
    )
    writeStamp(join(fresh, '.stamp'), stamp)
    rmSync(inRoot('dist'), { recursive: true, force: true })
    renameSync(fresh, inRoot('dist'))
  },
}

const library = {
  title: 'libdtrace, its headers and dtrace(1): a private copy in .dtrace/, unless the system has them',
  async needed() {
    if (process.platform !== 'linux') return undefined
    const { librarySetupNeeded } = await setupModule()
    return librarySetupNeeded({ prefix: dtraceFolder, dev: true, useSystem: true })
  },
  async run(note) {
    const { setupLibrary } = await setupModule()
    await setupLibrary({ prefix: dtraceFolder, dev: true, useSystem: true, log: note })
  },
}

function tools(group, purpose) {
  return {
    title: `Tools for ${purpose}: a private copy in .tools/ of what this machine lacks`,
    needed() {
      const missing = missingTools(group)
      return missing.length === 0 ? undefined : `missing: ${missing.map((tool) => tool.name).join(', ')}`
    },
    run: (note) => installTools(group, note),
  }
}

/** The folder above `include/node` when this Node.js came with its headers: then no download is needed. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined
}

const addonFile = inRoot('build', 'Release', 'dtrace_consumer.node')
const addonStamp = inRoot('build', '.stamp')
function addonSources() {
  const { node, modules } = process.versions
  const { DTRACE_INCLUDE, CXX, CXXFLAGS } = toolEnvironment()
  return fingerprint(
    ['native', 'binding.gyp', 'package-lock.json'],
    [node, modules, process.arch, DTRACE_INCLUDE, CXX, CXXFLAGS],
  )
}
const addon = {
  title: 'The addon: node-gyp, native/ to build/Release/',
  needed() {
    if (!existsSync(inRoot('binding.gyp'))) return undefined
    if (!existsSync(addonFile)) return 'not built yet'
    return stampMatches(addonStamp, addonSources()) ? undefined : 'native/ is newer'
  },
  async run() {
    const stamp = addonSources()
    const args = [inRoot('node_modules', 'node-gyp', 'bin', 'node-gyp.js'), 'rebuild', '-j', 'max']
    const headers = nodeHeaders()
    if (headers !== undefined) args.push(`--nodedir=${headers}`)
    await runLogged(process.execPath, args, {
      log: 'node-gyp',
      advice:
        headers === undefined
          ? 'See the compiler’s message above. This Node.js came without its headers, so node-gyp had to download them from nodejs.org: check the network, or install Node.js with headers.'
          : 'See the compiler’s message above.',
    })
    writeStamp(addonStamp, stamp)
  },
}

const tracefs = {
  title: 'tracefs: debugfs at /sys/kernel/debug',
  async needed() {
    if (process.platform !== 'linux' || process.getuid() !== 0) return undefined
    const { tracefsReachable } = await setupModule()
    return tracefsReachable() ? undefined : 'not mounted'
  },
  async run(note) {
    const { ensureTracefs } = await setupModule()
    const { state, reason } = ensureTracefs(note)
    if (state === 'unreachable') throw new StepError(reason)
  },
}

const steps = [packages, typescript, library, tools('build', 'building the addon'), addon, tracefs]
if (wanted('--test') || wanted('--check')) steps.push(tools('test', 'the tests'))
if (wanted('--check')) steps.push(tools('check', 'the checks'))
if (wanted('--vm')) steps.push(tools('vm', 'the laboratory'))

if (!(await runSteps(steps))) process.exit(1)
if (process.platform === 'linux' && process.getuid() !== 0) {
  console.log(
    'set-up: note that tracing itself needs root, or CAP_BPF, CAP_PERFMON, CAP_DAC_OVERRIDE and CAP_SYSLOG.',
  )
}

/**
 * Fetches what the benchmarks measure this package against: programs, as every tool that this machine lacks (lib/tools.mjs), and
 * packages of npm into `build-bench/peers`. What is there already, or on the host, is left alone. After scripts/setup.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findPackage, peerPackages, peersFolder } from '../bench/harness/peers.mjs'
import { inRoot, which } from './lib/paths.mjs'
import { runLogged, runSteps, StepError } from './lib/steps.mjs'
import { installTools, missingTools } from './lib/tools.mjs'

const programs = {
  title: 'Peers from Debian: a private copy in .tools of what this machine lacks',
  needed() {
    const missing = missingTools('peers').map(({ name }) => name)
    return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`
  },
  run: (note) => installTools('peers', note),
}

const packages = {
  title: 'Peers from npm: build-bench/peers/node_modules',
  needed() {
    for (const [name, version] of Object.entries(peerPackages)) {
      const folder = findPackage(name)
      if (folder === undefined) return `missing: ${name}`
      const present = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
      if (present !== version) return `${name} is ${present}, wanted is ${version}`
    }
    return undefined
  },
  async run() {
    const npm = which('npm')
    if (npm === undefined) throw new StepError('npm is missing', 'Install npm, then run this again.')
    mkdirSync(peersFolder, { recursive: true })
    const manifest = { name: 'bench-peers', private: true, dependencies: peerPackages }
    writeFileSync(join(peersFolder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    // Scripts are not run: @parcel/watcher's binary is a package of its own.
    const args = ['install', '--prefix', peersFolder, '--ignore-scripts', '--no-audit', '--no-fund']
    await runLogged(npm, args, {
      log: 'npm-peers',
      timeout: 300_000,
      advice: 'See npm’s message above. It needs the npm registry: check the network, or npm’s settings.',
    })
  },
}

if (!existsSync(inRoot('dist', 'setup', 'packages.js'))) {
  console.error("set-up failed: the package isn't built yet: run npm run build first")
  process.exit(1)
}
if (!(await runSteps([programs, packages]))) process.exit(1)

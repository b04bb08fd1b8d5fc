/**
 * Fetches what the benchmarks measure this package against, into `build-bench/peers`: packages of Debian, unpacked there and
 * not installed, and packages of npm. What is there already, or on the host, is left alone. After scripts/setup.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findPackage, findProgram, peerPackages, peerPrograms, peersFolder } from '../bench/harness/peers.mjs'
import { inRoot, toolsFolder, which } from './lib/paths.mjs'
import { runLogged, runSteps, StepError } from './lib/steps.mjs'

const unpacked = join(peersFolder, 'root')

const missingPrograms = () => Object.keys(peerPrograms).filter((name) => findProgram(name) === undefined)
const programs = {
  title: 'Peers from Debian: a private copy in build-bench/peers of what this machine lacks',
  needed() {
    const missing = missingPrograms()
    return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`
  },
  async run(note) {
    const { PrivateApt, debianHost, hostSources, packageOf, unpack } = await import(
      inRoot('dist', 'setup', 'packages.js')
    )
    const names = missingPrograms().map((name) => peerPrograms[name])
    const advice = `Check the network, or install the packages yourself: apt-get install ${names.join(' ')}`
    let debs
    try {
      const host = debianHost()
      note(`fetching the package list of ${host.prettyName}`)
      const apt = new PrivateApt(join(toolsFolder, 'apt'), hostSources(host.codename))
      await apt.update()
      note(`downloading ${names.join(', ')}, with what they depend on and this machine lacks`)
      debs = await apt.downloadMissing(names)
    } catch (error) {
      throw new StepError(error.message, advice)
    }
    note(`unpacking ${debs.length} packages: ${debs.map((deb) => packageOf(deb).name).join(' ')}`)
    for (const deb of debs) await unpack(deb, unpacked)
    for (const deb of debs) rmSync(deb, { force: true })
    for (const name of missingPrograms()) writeStarter(name)
    const still = missingPrograms()
    if (still.length > 0)
      throw new StepError(`no ${still.join(', ')} in the packages ${names.join(', ')}`, advice)
  },
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

/** A script that runs an unpacked program with the libraries that were unpacked with it. */
function writeStarter(name) {
  const program = ['usr/bin', 'usr/sbin']
    .map((folder) => join(unpacked, folder, name))
    .find((path) => existsSync(path) && statSync(path).isFile())
  if (program === undefined) return
  const starter = join(peersFolder, 'bin', name)
  mkdirSync(dirname(starter), { recursive: true })
  const folders = libraryFolders(join(unpacked, 'usr', 'lib')).join(':')
  const lines = [
    '#!/bin/sh',
    `export LD_LIBRARY_PATH='${folders}'\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`,
    `exec '${program}' "$@"`,
  ]
  writeFileSync(starter, `${lines.join('\n')}\n`, { mode: 0o755 })
}

/** The folders with shared libraries: not only the usual one, LLVM has its own. */
function libraryFolders(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  const here = entries.some((entry) => !entry.isDirectory() && /\.so(\.|$)/.test(entry.name)) ? [folder] : []
  const below = entries.filter((entry) => entry.isDirectory())
  return [...here, ...below.flatMap((entry) => libraryFolders(join(folder, entry.name)))]
}

if (!existsSync(inRoot('dist', 'setup', 'packages.js'))) {
  console.error("set-up failed: the package isn't built yet: run npm run build first")
  process.exit(1)
}
if (!(await runSteps([programs, packages]))) process.exit(1)

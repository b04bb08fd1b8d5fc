/**
 * `npm run prebuildify`: the addon for this platform, ready-made, below prebuilds/, where node-gyp-build finds it in an installed
 * package. Built aside, so that the checkout's own build stays as it is.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot, toolEnvironment } from './lib/paths.mjs'
import { run } from './lib/run.mjs'

const staging = inRoot('build-prebuild')
rmSync(staging, { recursive: true, force: true })
mkdirSync(staging)
for (const name of ['package.json', 'binding.gyp', 'native', 'node_modules']) {
  symlinkSync(inRoot(name), join(staging, name))
}

const env = toolEnvironment()
// With the headers that came with this Node.js nothing has to be downloaded.
const headers = dirname(dirname(process.execPath))
if (existsSync(join(headers, 'include', 'node', 'node_api.h'))) env.npm_config_nodedir = headers

rmSync(inRoot('prebuilds'), { recursive: true, force: true })
const prebuildify = inRoot('node_modules', 'prebuildify', 'bin.js')
// One file serves every Node.js that has Node-API 9; the C library it is for is part of its name.
const args = [
  '--napi',
  '--strip',
  '--tag-libc',
  '--cwd',
  staging,
  '--out',
  inRoot(),
  '--target',
  process.version,
]
const code = await run(process.execPath, [prebuildify, ...args], env)

/** The programs that a session needs, beside the addon and for the same C library: lib/host/locate.ts and linux/keeper.cc find them. */
function addPrograms() {
  const folder = inRoot('prebuilds', `${process.platform}-${process.arch}`)
  const addon = readdirSync(folder).find((name) => name.endsWith('.node'))
  const library = /\.(?:glibc|musl)(?=\.node$)/.exec(addon)?.[0] ?? ''
  for (const program of ['dtrace-consumer-host', 'dtrace-consumer-keeper']) {
    const built = join(staging, 'build', 'Release', program)
    if (existsSync(built)) copyFileSync(built, join(folder, `${program}${library}`))
  }
}
if (code === 0) addPrograms()
process.exitCode = code

/**
 * What npm runs when this package is installed: takes the ready-made addon for this platform, or builds one. Where neither
 * works the installation goes on all the same: everything but a session works without the addon, and `Consumer.open`
 * says what is missing.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const nodeGypBuild = join(dirname(require.resolve('node-gyp-build')), 'bin.js')
const { status, signal } = spawnSync(process.execPath, [nodeGypBuild], { stdio: 'inherit' })

if (status !== 0) {
  const how = signal ?? `exit code ${status}`
  console.error(`
dtrace-consumer: there is no ready-made addon for ${process.platform}-${process.arch} with this C library, and building one failed (${how}).
It needs a C++17 compiler, make, Python 3 and dtrace.h: on Debian and Ubuntu the packages g++, make, python3 and
libdtrace2-dev; illumos, FreeBSD (from 13.0) and Xcode have dtrace.h among their own headers. If it is elsewhere than in
/usr/include, set DTRACE_INCLUDE to its folder. Then run:

  npm rebuild dtrace-consumer
`)
}

/**
 * What users get: the packed tarball, installed into an empty project on a machine without a compiler.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { locateLibrary } from '../../lib/platform/locate.js'

const checkout = realpathSync(join(import.meta.dirname, '..', '..'))
const folder = mkdtempSync(join(tmpdir(), 'dtrace-consumer-package-'))
const project = join(folder, 'project')
const installed = join(project, 'node_modules', 'dtrace-consumer')
const bin = join(folder, 'bin')
const emptyLibraryFolder = join(folder, 'no-libdtrace')
let tarball: { filename: string; files: { path: string }[] }

/** Only what a machine with nothing but Node.js has: no compiler, no make, no Python. */
const environment: NodeJS.ProcessEnv = {
  PATH: bin,
  HOME: folder,
  npm_config_cache: execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim(),
  npm_config_registry: execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim(),
  npm_config_userconfig: execFileSync('npm', ['config', 'get', 'userconfig'], { encoding: 'utf8' }).trim(),
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: project,
    env: { ...environment, ...env },
    encoding: 'utf8',
    timeout: 240_000,
  })
  return { status, stdout, stderr, output: stdout + stderr }
}

/** Runs a module in the project. */
function script(source: string, env: NodeJS.ProcessEnv = {}) {
  return run('node', ['--input-type=module', '--eval', source], env)
}

/** Why no live test can run here; under `npm test` and in CI that is a failure. */
function whyNotLive(): string | undefined {
  try {
    locateLibrary()
    return process.getuid?.() === 0 ? undefined : 'tracing needs root'
  } catch (error) {
    return (error as Error).message
  }
}
const problem = whyNotLive()
if (problem !== undefined && (process.env.CI || process.env.DTRACE_CONSUMER_REQUIRE_LIVE)) {
  throw new Error(`live tests can't run: ${problem}`)
}

beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: checkout,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // What the preparing scripts print comes before it.
  tarball = JSON.parse(packed.slice(packed.search(/^\[$/m)))[0]

  mkdirSync(bin)
  for (const command of ['node', 'npm', 'npx', 'sh', 'env']) {
    const path = execFileSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' }).trim()
    symlinkSync(command === 'node' ? process.execPath : realpathSync(path), join(bin, command))
  }
  mkdirSync(emptyLibraryFolder)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "private": true, "type": "module" }')
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball.filename)]
  const { status, output } = run('npm', args)
  expect(output).not.toContain('gyp')
  expect(status, output).toBe(0)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the tarball', () => {
  it('has what runs, what it was made of, and nothing else', () => {
    const paths = tarball.files.map((file) => file.path)
    expect(paths).toEqual(
      expect.arrayContaining([
        'package.json',
        'binding.gyp',
        'scripts/install.mjs',
        'dist/index.js',
        'dist/index.d.ts',
        'dist/watch/index.js',
        'dist/cli/main.js',
        'dscripts/linux/rescan.d',
        'native/session.cc',
        'native/platform/linux.h',
        `prebuilds/${process.platform}-${process.arch}/dtrace-consumer.glibc.node`,
        `prebuilds/${process.platform}-${process.arch}/dtrace-consumer-host.glibc`,
        `prebuilds/${process.platform}-${process.arch}/dtrace-consumer-keeper.glibc`,
      ]),
    )
    const folders = new Set(paths.map((path) => (path.includes('/') ? path.split('/')[0] : '')))
    expect([...folders].sort()).toEqual(
      ['', 'dist', 'docs', 'dscripts', 'native', 'prebuilds', 'scripts'].filter((name) => folders.has(name)),
    )
    expect(paths.filter((path) => path.startsWith('scripts/'))).toEqual(['scripts/install.mjs'])
  })
})

describe('installed without a compiler', () => {
  it('imports, with every entry point', () => {
    const { status, output, stdout } = script(
      `const { Consumer, DTraceError } = await import('dtrace-consumer')
       const { RescanWatcher } = await import('dtrace-consumer/watch')
       console.log(typeof Consumer.open, typeof DTraceError, typeof RescanWatcher.start)`,
    )
    expect(status, output).toBe(0)
    expect(stdout.trim()).toBe('function function function')
  })

  it('has the command', () => {
    const { status, output, stdout } = run('npx', ['--no-install', 'dtrace-watch', '--help'])
    expect(status, output).toBe(0)
    expect(stdout).toContain('rescan')
  })

  it('rejects with ERR_DTRACE_LIBRARY_NOT_FOUND where there is no libdtrace', () => {
    const { status, output, stdout } = script(
      `import { Consumer } from 'dtrace-consumer'
       await Consumer.open().catch((error) => console.log(error.name, error.code, error.message))`,
      { DTRACE_CONSUMER_LIBDTRACE: emptyLibraryFolder },
    )
    expect(status, output).toBe(0)
    expect(stdout).toContain('DTraceError ERR_DTRACE_LIBRARY_NOT_FOUND')
  })

  it.skipIf(problem !== undefined).each(['in-process', 'process'])('traces, %s', (host) => {
    const { path, source } = locateLibrary()
    // The checkout's folder says what else has to be loaded; a library of the system's is found by the package itself.
    const env: NodeJS.ProcessEnv = {}
    if (source === 'checkout') env.DTRACE_CONSUMER_LIBDTRACE = join(checkout, '.dtrace')
    if (source === 'environment')
      env.DTRACE_CONSUMER_LIBDTRACE = process.env.DTRACE_CONSUMER_LIBDTRACE ?? path
    const { status, output, stdout } = script(
      `import { Consumer } from 'dtrace-consumer'
       const consumer = await Consumer.open({ host: '${host}' })
       await consumer.enable(await consumer.compile('BEGIN { printf("answer=%d", 42); exit(0); }'))
       await consumer.go()
       for await (const { fields } of consumer) if ('answer' in fields) console.log(JSON.stringify(fields))
       await consumer.close()`,
      env,
    )
    expect(status, output).toBe(0)
    expect(stdout.trim()).toBe('{"answer":42}')
  })

  // Last: it takes the addon away.
  it('installs on a platform without a ready-made addon, and says what to do', () => {
    rmSync(join(installed, 'prebuilds'), { recursive: true })
    const { status, output } = run('npm', ['rebuild', '--foreground-scripts', 'dtrace-consumer'])
    expect(status, output).toBe(0)
    expect(output).toContain('npm rebuild dtrace-consumer')
    expect(output).toContain('dtrace.h')

    const opened = script(
      `import { Consumer } from 'dtrace-consumer'
       await Consumer.open().catch((error) => console.log(error.code, error.message))`,
      { DTRACE_CONSUMER_LIBDTRACE: dirname(locateLibrary().path) },
    )
    expect(opened.status, opened.output).toBe(0)
    expect(opened.stdout).toContain('ERR_DTRACE_ADDON_NOT_FOUND')
    expect(opened.stdout).toContain('npm rebuild dtrace-consumer')
  })
})

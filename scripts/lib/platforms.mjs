/**
 * Compiles native/ for the systems that no test runs on: each source that sees libdtrace, with each system's header from
 * native/platform, against the declarations of its libdtrace in test/native/platform-stubs. The C library is this host's.
 * docs/platforms.md says what that shows and what it doesn't.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { inRoot, toolEnvironment, which } from './paths.mjs'

const stubs = inRoot('test', 'native', 'platform-stubs')
const platformHeader = inRoot('native', 'platform', 'platform.h')

/** What a system's compiler predefines, which is how platform.h knows it, and which compiler Node.js is built with there. */
const systems = [
  { name: 'illumos', predefined: '__sun', kind: 'gcc' },
  { name: 'freebsd', predefined: '__FreeBSD__', kind: 'clang' },
  { name: 'macos', predefined: '__APPLE__', kind: 'clang' },
]

/** `node`: the flags with which Node-API's headers are found. Resolves to an exit code, like a program's. */
export async function checkPlatforms(node) {
  const sources = readdirSync(inRoot('native'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => inRoot('native', name))
    .filter((file) => seesLibdtrace(file))
  const problems = [...systems.flatMap(choosesItsHeader), ...strayConditions()]
  if (sources.length === 0) problems.push('no source in native/ includes platform/platform.h any more')
  if (compilers().length === 0) problems.push('no C++ compiler: run scripts/setup')
  const compilations = systems.flatMap((system) => {
    const compiler = compilerOf(system)
    if (compiler === undefined) return []
    return [...sources, join(stubs, 'contract.cc')].map((file) => ({ system, file, compiler }))
  })

  const waiting = [...compilations]
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const said = await compile(next, node)
      const { system, file, compiler } = next
      if (said !== undefined)
        problems.push(`${relative(inRoot(), file)} for ${system.name}, ${compiler.name}:\n${said}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  for (const problem of problems) console.error(problem)
  const used = new Set(compilations.map(({ compiler }) => compiler.name))
  console.log(`    ${sources.length} sources, ${systems.length} systems, with ${[...used].join(' and ')}`)
  return problems.length === 0 ? 0 : 1
}

/** Does it include native/platform/platform.h, however indirectly? */
function seesLibdtrace(file, seen = new Set()) {
  if (file === platformHeader) return true
  if (seen.has(file) || !existsSync(file)) return false
  seen.add(file)
  const included = [...readFileSync(file, 'utf8').matchAll(/^#include "(.+)"$/gm)]
  return included.some(([, name]) => seesLibdtrace(join(dirname(file), name), seen))
}

/** platform.h with no more predefined than that system's own macro: whose header does it include? */
function choosesItsHeader({ name, predefined }) {
  const compiler = which('g++') ?? which('clang++')
  if (compiler === undefined) return []
  // -MG takes headers for granted that are in no folder of the search path: here, all of them.
  const how = ['-x', 'c++', '-undef', '-nostdinc', '-I', stubs, '-M', '-MG']
  const { stdout, stderr } = spawnSync(compiler, [...how, `-D${predefined}`, platformHeader], {
    encoding: 'utf8',
    env: toolEnvironment(),
  })
  if (stdout.includes(`/${name}.h`)) return []
  return [`native/platform/platform.h does not include ${name}.h where ${predefined} is defined:\n${stderr}`]
}

/** What differs between systems is in native/platform, and nowhere else. */
function strayConditions() {
  return readdirSync(inRoot('native'))
    .filter((name) => /\.(?:cc|h)$/.test(name))
    .filter((name) => /^\s*#\s*(?:el)?if/m.test(readFileSync(inRoot('native', name), 'utf8')))
    .map(
      (name) =>
        `native/${name} is compiled conditionally: put what differs between systems into native/platform`,
    )
}

/** Its own, or what there is. */
function compilerOf({ kind }) {
  const here = compilers()
  return here.find((compiler) => compiler.kind === kind) ?? here[0]
}

/** Those that are here. Without clang itself, clang-tidy's front end says what clang would. */
function compilers() {
  const found = []
  if (which('g++') !== undefined) {
    found.push({
      name: 'g++',
      kind: 'gcc',
      command: (file, flags) => ['g++', '-fsyntax-only', '-Werror', ...flags, file],
    })
  }
  if (which('clang++') !== undefined) {
    found.push({
      name: 'clang++',
      kind: 'clang',
      command: (file, flags) => ['clang++', '-fsyntax-only', '-Werror', ...flags, file],
    })
  } else if (which('clang-tidy') !== undefined) {
    // A check that finds nothing here: clang-tidy refuses to run without one.
    const how = ['--quiet', '--checks=-*,clang-diagnostic-*,misc-static-assert', '--warnings-as-errors=*']
    found.push({
      name: "clang-tidy's clang",
      kind: 'clang',
      command: (file, flags) => ['clang-tidy', ...how, file, '--', ...flags],
    })
  }
  return found
}

/** Resolves to what the compiler said, or `undefined` when it was content. */
function compile({ system, file, compiler }, node) {
  const flags = [
    ...['-Wall', '-Wextra', `-DDTRACE_PLATFORM_HEADER="${system.name}.h"`, '-I', inRoot('native')],
    ...[join(stubs, system.name), join(stubs, 'older')].flatMap((folder) => ['-isystem', folder]),
    ...node,
  ]
  const [command, ...args] = compiler.command(file, flags)
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: inRoot(),
      env: toolEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stdout.on('data', (text) => (said += text))
    child.stderr.on('data', (text) => (said += text))
    child.on('error', (error) => resolve(`${command} could not be started: ${error.message}`))
    child.on('close', (code, signal) =>
      resolve(code === 0 ? undefined : `${said}${signal ?? `exit code ${code}`}`),
    )
  })
}

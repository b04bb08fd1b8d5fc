/**
 * Builds the C half of the benchmarks, the load generators and the bare consumer, into `build-bench` (node-gyp empties `build`). Nothing is
 * installed, and nothing is compiled again as long as the sources and the compiler's arguments are the same.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkoutFolder, dataFolders } from '../../dist/platform/locate.js'
import { readManifest } from '../../dist/platform/manifest.js'

const sources = fileURLToPath(new URL('..', import.meta.url))
const output = fileURLToPath(new URL('../../build-bench', import.meta.url))

/** @returns {{ load: string, calls: string, bareConsumer: string }} the paths of the programs */
export function build() {
  mkdirSync(join(output, 'include', 'sys'), { recursive: true })
  // dtrace.h asks for a header that no package has; ctf-api.h is it, under its own name.
  writeFileSync(join(output, 'include', 'sys', 'ctf-api.h'), '#include <ctf-api.h>\n')
  const include = [...headerFolders(), join(output, 'include')].flatMap((folder) => ['-isystem', folder])
  return {
    // The process's name is what the programs' predicates ask for: the file must be called `load`.
    load: compile('load', ['load.c'], []),
    calls: compile('calls', ['calls.c'], []),
    bareConsumer: compile('bare-consumer', ['bare-consumer.c'], [...include, '-pthread', '-ldl']),
  }
}

/** Where dtrace.h and the headers that it includes are: what the set-up made, else the system's own. */
function headerFolders() {
  const wish = process.env.DTRACE_INCLUDE
  if (wish) return wish.split(delimiter)
  for (const folder of [checkoutFolder, ...dataFolders()]) {
    const manifest = readManifest(folder)
    if (manifest !== undefined) return manifest.includeDirs.map((path) => join(folder, path))
  }
  return []
}

/** @param {string} name @param {string[]} files @param {string[]} flags */
function compile(name, files, flags) {
  const program = join(output, name)
  const paths = files.map((file) => join(sources, file))
  const args = ['-std=gnu17', '-O2', '-g', '-Wall', '-Wextra', ...paths, ...flags, '-o', program]
  const compiler = process.env.CC || 'cc'
  const hash = createHash('sha256').update(JSON.stringify([compiler, args]))
  for (const path of paths) hash.update(readFileSync(path))
  const digest = hash.digest('hex')
  const stamp = `${program}.sha256`
  if (existsSync(program) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return program
  try {
    execFileSync(compiler, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  } catch (error) {
    throw new Error(
      `Cannot build bench/${files.join(' ')} (${error.message.split('\n')[0]}). ` +
        'scripts/setup brings a C compiler and the headers of libdtrace; CC and DTRACE_INCLUDE override them.',
      { cause: error },
    )
  }
  writeFileSync(stamp, digest)
  return program
}

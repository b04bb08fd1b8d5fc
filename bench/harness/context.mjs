/** What every benchmark is given: the built programs, the libdtrace that is used, and how thorough to be. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepareDLibraries } from '../../dist/platform/dlibs.js'
import { checkoutFolder, dataFolders, locateLibrary } from '../../dist/platform/locate.js'
import { readManifest } from '../../dist/platform/manifest.js'
import { build } from './build.mjs'
import { peer } from './peers.mjs'

const file = (path) => fileURLToPath(new URL(path, import.meta.url))

/**
 * What every throughput and latency run has in common, bare or not. Default string size; buffers as dtrace(1) has them.
 * Given to both, so that no difference in defaults is measured.
 */
export const commonOptions = { bufsize: '4m', aggsize: '4m', strsize: '256' }

/** @typedef {Awaited<ReturnType<typeof createContext>>} Context */

/** @param {{ quick: boolean, rounds?: number, folder: string, progress(text: string): void }} options */
export async function createContext({ quick, rounds, folder, progress }) {
  const library = locateLibrary()
  // On kernels where io.d doesn't compile the bare consumer gets the same D libraries as the addon.
  const { syslibdir, dispose } = await prepareDLibraries(library)
  const programs = build()
  return {
    quick,
    rounds: rounds ?? (quick ? 2 : 5),
    library,
    load: programs.load,
    /** An empty folder of this run's own. */
    folder,
    progress,
    /** The path of a D program of the benchmarks. */
    program: (name) => file(`../programs/${name}.d`),
    /** The path of a peer's program, or the folder of its npm package; says how to install it where it is missing. */
    peer,

    /**
     * The command line of the bare consumer.
     * @param {{ file: string, options: Record<string, string>, args?: string[], latency?: number }} run
     */
    bare({ file, options, args = [], latency }) {
      const all = syslibdir === undefined ? options : { syslibdir, ...options }
      return [
        programs.bareConsumer,
        ...library.preload.flatMap((path) => ['--preload', path]),
        '--library',
        library.path,
        ...Object.entries(all).flatMap(([name, value]) => ['-x', `${name}=${value}`]),
        '--program',
        file,
        ...(latency === undefined ? [] : ['--latency', String(latency)]),
        ...args,
      ]
    },

    /** dtrace(1) of the same libdtrace, where there is one. */
    dtrace: dtraceCommand(library),

    dispose,

    /** The command line of a consumer in Node. @param {string} name in consumers/ @param {object} run its argument */
    node(name, run) {
      return [process.execPath, file(`../consumers/${name}.mjs`), JSON.stringify(run)]
    },
  }
}

/** @param {import('../../dist/platform/locate.js').LibraryLocation} library */
function dtraceCommand(library) {
  if (library.source === 'system')
    return ['/usr/sbin/dtrace', '/usr/bin/dtrace'].find((path) => existsSync(path))
  for (const folder of [checkoutFolder, ...dataFolders()]) {
    const command = readManifest(folder)?.command
    if (command !== undefined && library.path.startsWith(folder)) return join(folder, command)
  }
  return undefined
}

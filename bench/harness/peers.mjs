/**
 * The programs and packages that are measured beside this one, which `npm run bench:setup` (scripts/bench-setup.mjs) brings:
 * programs as every other tool of the checkout, packages into `build-bench/peers`, where nothing but the benchmarks finds them.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inRoot, which } from '../../scripts/lib/paths.mjs'

export const peersFolder = inRoot('build-bench', 'peers')

/** Packages of npm: the newest that run on every Node.js that this package runs on. */
export const peerPackages = { chokidar: '4.0.3', '@parcel/watcher': '2.6.0' }

/** The folder of a peer from npm, or `undefined`. */
export function findPackage(name) {
  const folder = join(peersFolder, 'node_modules', name)
  return existsSync(join(folder, 'package.json')) ? folder : undefined
}

/**
 * The path of a peer's program, or the folder of its package.
 *
 * @param {string} name
 */
export function peer(name) {
  const found = name in peerPackages ? findPackage(name) : which(name)
  if (found === undefined) throw new Error(`${name} is missing: run npm run bench:setup`)
  return found
}

/** Imports a peer from npm. @param {string} name */
export async function importPeer(name) {
  peer(name)
  const path = createRequire(join(peersFolder, 'package.json')).resolve(name)
  return await import(pathToFileURL(path).href)
}

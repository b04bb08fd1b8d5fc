/** Where things are in this checkout. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
export const inRoot = (...parts) => join(root, ...parts)

/** The private libdtrace. */
export const dtraceFolder = inRoot('.dtrace')
/** Tools that the host lacks: packages are unpacked below `root`, and `bin` has a script for each of their programs. */
export const toolsFolder = inRoot('.tools')
export const toolsBin = join(toolsFolder, 'bin')
/** What test runners write for .ci/run to add up. */
export const reportsFolder = inRoot('build-reports')

/** Folders that an ordinary user's PATH may lack. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** PATH as it was, then the administrator's folders; the private tools come last, for what nothing else has. */
export function searchPath({ tools = true } = {}) {
  const folders = (process.env.PATH ?? '/usr/bin:/bin')
    .split(delimiter)
    .filter((folder) => folder !== toolsBin)
  for (const folder of systemFolders) if (!folders.includes(folder)) folders.push(folder)
  if (tools) folders.push(toolsBin)
  return folders.join(delimiter)
}

/** The path of a program, or `undefined`. */
export function which(command, options) {
  for (const folder of searchPath(options).split(delimiter)) {
    const path = join(folder, command)
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {
      // Not in this one.
    }
  }
  return undefined
}

/** The environment in which builds, tests and checks run. */
export function toolEnvironment() {
  const env = { ...process.env, PATH: searchPath() }
  const unpacked = join(toolsFolder, 'root', 'usr')
  if (existsSync(unpacked)) {
    env.CMAKE_PREFIX_PATH = [unpacked, process.env.CMAKE_PREFIX_PATH].filter(Boolean).join(delimiter)
  }
  const include = join(dtraceFolder, 'usr', 'include')
  if (env.DTRACE_INCLUDE === undefined && existsSync(include)) env.DTRACE_INCLUDE = include
  return env
}

/** Where this system keeps its shared libraries, and which it has. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** GNU's name of this architecture in library paths, e.g. `x86_64-linux-gnu`. */
export function multiarchTriplet(arch: string = process.arch): string {
  const cpu = arch === 'x64' ? 'x86_64' : arch === 'arm64' ? 'aarch64' : arch
  return `${cpu}-linux-gnu`
}

/** The folders that the loader or a distribution's packages use, most specific first. */
export function systemLibraryFolders(): string[] {
  const triplet = multiarchTriplet()
  return [
    `/usr/local/lib/${triplet}`,
    '/usr/local/lib64',
    '/usr/local/lib',
    `/usr/lib/${triplet}`,
    `/lib/${triplet}`,
    '/usr/lib64',
    '/lib64',
    '/usr/lib',
    '/lib',
  ]
}

let ldCache: Map<string, string> | undefined

/** The loader's cache: soname → path, of this architecture. Empty where there is no ldconfig (musl, for one). */
export function readLdCache(): ReadonlyMap<string, string> {
  if (ldCache !== undefined) return ldCache
  ldCache = new Map()
  const kind = process.arch === 'arm64' ? 'AArch64' : 'x86-64'
  // An ordinary user's PATH often lacks /sbin.
  const command = ['/sbin/ldconfig', '/usr/sbin/ldconfig'].find((path) => existsSync(path))
  if (command === undefined) return ldCache
  const { stdout } = spawnSync(command, ['-p'], { encoding: 'utf8', timeout: 10_000 })
  for (const match of (stdout ?? '').matchAll(/^\s+(\S+) \(([^)]*)\) => (.+)$/gm)) {
    const [, soname, flags, path] = match
    if (soname === undefined || path === undefined || !flags?.includes(kind)) continue
    if (!ldCache.has(soname)) ldCache.set(soname, path)
  }
  return ldCache
}

/** The system's library of this soname, if it has one. */
export function findSystemLibrary(soname: string): string | undefined {
  for (const folder of systemLibraryFolders()) {
    const path = join(folder, soname)
    if (existsSync(path)) return path
  }
  const cached = readLdCache().get(soname)
  return cached !== undefined && existsSync(cached) ? cached : undefined
}

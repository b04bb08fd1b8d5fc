/** Whether something was built from what is there now: a hash over its sources, kept beside the result. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot } from './paths.mjs'

/** A hash over files (all below a folder) and any other text that matters. */
export function fingerprint(paths, extra = []) {
  const hash = createHash('sha256')
  for (const path of paths) addPath(hash, path)
  for (const text of extra) hash.update(`\0${text}`)
  return hash.digest('hex')
}

function addPath(hash, path) {
  const full = inRoot(path)
  if (!existsSync(full)) return
  if (statSync(full).isFile()) {
    hash.update(`\0${path}\0`)
    hash.update(readFileSync(full))
    return
  }
  for (const name of readdirSync(full).sort()) addPath(hash, join(path, name))
}

export function stampMatches(file, value) {
  return existsSync(file) && readFileSync(file, 'utf8') === value
}

export function writeStamp(file, value) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, value)
}

/** What the laboratory keeps: `.vm/` in this checkout. Delete it to start afresh. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { inRoot } from '../lib/paths.mjs'

export const inVm = (...parts) => inRoot('.vm', ...parts)

/** What is known of a finished part, or `undefined` when it isn't there or was made for something else. */
export function readRecord(file, key) {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8'))
    return record.key === key ? record : undefined
  } catch {
    return undefined
  }
}

/** Written last, and at once: an interrupted run leaves none. */
export function writeRecord(file, record) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 2)}\n`)
  renameSync(`${file}.new`, file)
}

/** An empty folder. */
export function freshFolder(folder) {
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

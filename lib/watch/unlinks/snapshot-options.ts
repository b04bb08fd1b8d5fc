/** The options for keeping copies of removed files, and their check. */
import { z } from 'zod'

export interface SnapshotOptions {
  /**
   * Globs of the files to keep, as those of the watcher: one with a slash starts at the root directory, one without is about the name in
   * any directory.
   */
  include: string | readonly string[]
  /** Globs of what is not kept. */
  exclude?: string | readonly string[]
  /** Where copies go. It is made, for its owner alone, if it isn't there; nobody else may have a right to it (mode 0700). */
  directory: string
  /** The largest file that is kept: bytes, or a text such as `'64m'`. Default `'64m'`. */
  maxSize?: number | string
  /** The most that is kept in all, by this watcher. Default `'1g'`. */
  maxTotal?: number | string
  /**
   * Directories that are searched for another name of a file that has links left. Default: those that the `include` globs
   * start with.
   */
  search?: string | readonly string[]
  /**
   * Hold a descriptor on matching files before they are removed, so that their data can't go: those that are there at the start, and
   * those that are opened for writing or renamed later. Default false.
   */
  pin?: boolean
  /** The most files that are pinned; the one that was used longest ago is let go for another. Default 1024. */
  maxPins?: number
}

/** With the defaults filled in. */
export interface CheckedSnapshot {
  include: readonly string[]
  exclude: readonly string[]
  directory: string
  /** Bytes. */
  maxSize: number
  maxTotal: number
  search?: readonly string[]
  pin: boolean
  maxPins: number
}

const UNITS: Readonly<{ [unit: string]: number }> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** `4096`, `'64m'`: as DTrace writes sizes. */
const size = z
  .union([z.number(), z.string()])
  .transform((value) => {
    if (typeof value === 'number') return value
    const [, digits, unit = ''] = /^(\d+)([kmgt]?)$/i.exec(value.trim()) ?? []
    return digits === undefined ? Number.NaN : Number(digits) * (UNITS[unit.toLowerCase()] ?? 1)
  })
  .refine(
    (value) => Number.isSafeInteger(value) && value >= 0,
    "is no size: give a number of bytes, or a number with k, m, g or t behind it, such as '64m'",
  )

const one = z.string().min(1, 'is empty')
const texts = z.union([one.transform((text) => [text]), z.array(one).min(1, 'is empty')])
const path = one
  .refine((text) => !text.includes('\0'), 'has a NUL in it')
  .refine((text) => text.startsWith('/'), 'is not absolute: begin it with a slash')

export const snapshotShape = {
  include: texts,
  exclude: texts.default([]),
  directory: path,
  maxSize: size.default(64 * 2 ** 20),
  maxTotal: size.default(2 ** 30),
  search: z.union([path.transform((text) => [text]), z.array(path)]).optional(),
  pin: z.boolean().default(false),
  maxPins: z.int().min(1).max(100_000).default(1024),
}

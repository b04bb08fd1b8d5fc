/** The options of an unlink watcher, and their check. */
import { z } from 'zod'
import type { PredicateOptions } from '../../act/index.js'
import { checkOptions, type WatcherOptions, watcherShape } from '../watcher.js'
import { type CheckedSnapshot, type SnapshotOptions, snapshotShape } from './snapshot-options.js'

/**
 * What counts. `include` and `exclude` are globs on the full path: one with a slash in it starts at the root directory, one without is
 * about the name in any directory.
 */
export interface UnlinksOptions extends PredicateOptions, WatcherOptions {
  /** Only removals by these processes. */
  pids?: number | readonly number[]
  /** Only in these zones: globs on `zone_name`, or `zone_id` as a number. A leading `!` excludes. */
  zones?: string | number | readonly (string | number)[]
  /** Calls that failed are told too, with `error`. Default false. */
  failed?: boolean
  /**
   * Renames of which the kernel does not tell whether they replaced something are told too, with `certain: false`. Default
   * true: not to know is not the same as not to have happened.
   */
  uncertain?: boolean
  /** Keep copies of removed files. Default: none. */
  snapshot?: SnapshotOptions
}

/** With the defaults filled in. */
export interface CheckedUnlinks extends Omit<UnlinksOptions, 'snapshot'> {
  pids: readonly number[]
  failed: boolean
  uncertain: boolean
  queueLimit: number
  snapshot?: CheckedSnapshot
}

const text = z.union([z.string(), z.array(z.string())])
const either = z.union([z.string(), z.int().min(0)])
// PID_MAX_LIMIT of the kernel's include/linux/threads.h, 64-bit.
const pid = z.int().min(1).max(4_194_304)

// Globs and users are understood, and refused, where they are used: see lib/act.
const schema = z.strictObject({
  ...watcherShape,
  include: text.optional(),
  exclude: text.optional(),
  processes: text.optional(),
  users: z.union([either, z.array(either)]).optional(),
  pids: z
    .union([pid.transform((one) => [one]), z.array(pid).min(1, 'is empty: name a process, or leave it out')])
    .default([]),
  zones: z.union([either, z.array(either)]).optional(),
  failed: z.boolean().default(false),
  uncertain: z.boolean().default(true),
  snapshot: z.strictObject(snapshotShape).optional(),
})

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkUnlinksOptions(options: UnlinksOptions): CheckedUnlinks {
  // What zod makes of optional fields, `| undefined`, is not what exactOptionalPropertyTypes means.
  return checkOptions('watchUnlinks', schema, options) as unknown as CheckedUnlinks
}

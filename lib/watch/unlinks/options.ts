/** The options of an unlinks watcher, and their check. */
import { z } from 'zod'
import { type ChoiceOptions, choiceShape, type Outcome } from '../choice.js'
import { checkOptions } from '../watcher.js'
import { type CheckedSnapshot, type SnapshotOptions, snapshotShape } from './snapshot-options.js'

/**
 * What counts. `include` and `exclude` are globs on the full path: one with a slash in it starts at the root directory, one without is
 * about the name in any directory.
 */
export interface UnlinksOptions extends ChoiceOptions {
  /** Only what is removed, only calls that fail to (with `error`), or both; chosen in the kernel. Default `'ok'`. */
  outcome?: Outcome
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
  outcome: Outcome
  uncertain: boolean
  queueLimit: number
  snapshot?: CheckedSnapshot
}

const schema = z
  .strictObject({
    ...choiceShape,
    uncertain: z.boolean().default(true),
    snapshot: z.strictObject(snapshotShape).optional(),
  })
  .refine(({ outcome, snapshot }) => outcome !== 'failed' || snapshot === undefined, {
    path: ['snapshot'],
    message: "keeps what is removed, and with outcome: 'failed' nothing is; leave one of them out",
  })

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkUnlinksOptions(options: UnlinksOptions): CheckedUnlinks {
  const { pids = [], outcome = 'ok', ...rest } = checkOptions('watchUnlinks', schema, options)
  // What zod makes of optional fields, `| undefined`, is not what exactOptionalPropertyTypes means.
  return { ...rest, pids, outcome } as unknown as CheckedUnlinks
}

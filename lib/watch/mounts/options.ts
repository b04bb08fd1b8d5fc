/** The options of a watcher of mounts, their check, and what they choose. */
import { z } from 'zod'
import { list, splitGlobs, wordMatcher } from '../../act/globs.js'
import { compilePredicate } from '../../act/index.js'
import { type ChoiceOptions, choiceShape, compileWho, type Outcome } from '../choice.js'
import { checkOptions, type WatcherOptions } from '../watcher.js'
import type { MountEvent } from './event.js'

/**
 * What counts. `include` and `exclude` are globs on the absolute `target`: one with a slash in it starts at the root directory, one without is
 * about the name in any directory. With `include`, what has no target does not count.
 */
export interface MountsOptions extends ChoiceOptions {
  /** Only what succeeds, only what fails, or both. Default `'all'`. */
  outcome?: Outcome
  /** Only file systems of these types: globs on `fstype`. A leading `!` excludes. What has no type does not count, if one is asked for. */
  types?: string | readonly string[]
  /** The steps of the newer calls are told as well: fsopen, fsconfig, fsmount, open_tree, fspick. Default false. */
  calls?: boolean
}

export interface CheckedMountsOptions extends WatcherOptions {
  queueLimit: number
  calls: boolean
  chooses: (event: MountEvent) => boolean
}

const schema = z.strictObject({
  ...choiceShape,
  types: z.union([z.string(), z.array(z.string())]).optional(),
  calls: z.boolean().default(false),
})

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkMountsOptions(given: MountsOptions): CheckedMountsOptions {
  const { queueLimit, calls } = checkOptions('watchMounts', schema, given)
  const { options, library, signal } = given
  return {
    queueLimit,
    calls,
    chooses: choice(given),
    ...(options === undefined ? {} : { options }),
    ...(library === undefined ? {} : { library }),
    ...(signal === undefined ? {} : { signal }),
  }
}

function choice(given: MountsOptions): CheckedMountsOptions['chooses'] {
  const { include, exclude, outcome = 'all' } = given
  const at = compilePredicate({ include, exclude })
  const targeted = splitGlobs(list(include), 'include').wanted.length > 0
  const pids = given.pids === undefined ? undefined : new Set(list(given.pids))
  const { who, zone } = compileWho(given)
  const type = given.types === undefined ? undefined : wordMatcher(list(given.types), 'types')
  return ({ errno, pid, execname, uid, zone_name, zone_id, fstype, target }) =>
    (outcome === 'all' || (outcome === 'failed') === (errno !== undefined)) &&
    (pids === undefined || pids.has(pid)) &&
    who(execname, uid) &&
    zone?.(zone_name, zone_id) !== false &&
    type?.(fstype ?? '') !== false &&
    !(targeted && target === undefined) &&
    at({ path: (target ?? '').replace(/^\//, '') })
}

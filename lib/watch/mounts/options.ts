/** The options of a watcher of mounts, their check, and what they choose. */
import picomatch from 'picomatch'
import { z } from 'zod'
import { compilePredicate, type PredicateOptions } from '../../act/index.js'
import { DTraceError } from '../../errors.js'
import { checkOptions, type WatcherOptions, watcherShape } from '../watcher.js'
import type { MountEvent } from './event.js'

/**
 * What counts. `include` and `exclude` are globs on the absolute `target`: one with a slash in it starts at the root directory, one without is
 * about the name in any directory. With `include`, what has no target does not count.
 */
export interface MountsOptions extends PredicateOptions, WatcherOptions {
  /** Only calls by these processes. */
  pids?: number | readonly number[]
  /** Only in these zones: globs on `zone_name`, or a `zone_id`. A leading `!` excludes. */
  zones?: string | number | readonly (string | number)[]
  /** Only file systems of these types: globs on `fstype`. A leading `!` excludes. What has no type does not count, if one is asked for. */
  types?: string | readonly string[]
  /** Only what fails. Default false. */
  failedOnly?: boolean
  /** Only what succeeds. Default false. */
  okOnly?: boolean
  /** The steps of the newer calls are told as well: fsopen, fsconfig, fsmount, open_tree, fspick. Default false. */
  calls?: boolean
}

export interface CheckedMountsOptions extends WatcherOptions {
  queueLimit: number
  calls: boolean
  chooses: (event: MountEvent) => boolean
}

// PID_MAX_LIMIT of the kernel's include/linux/threads.h, 64-bit.
const PID_MAX = 2 ** 22
const pid = z
  .int('a pid is a whole number')
  .min(1, 'a pid is a positive number')
  .max(PID_MAX, `a pid is at most ${PID_MAX}`)
const text = z.union([z.string(), z.array(z.string())])
const names = z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))])

// Globs and users are understood, and refused, where they are used.
const schema = z
  .strictObject({
    ...watcherShape,
    include: text.optional(),
    exclude: text.optional(),
    processes: text.optional(),
    users: names.optional(),
    pids: z.union([pid, z.array(pid).min(1, 'is empty: name a process, or leave it out')]).optional(),
    zones: names.optional(),
    types: text.optional(),
    failedOnly: z.boolean().default(false),
    okOnly: z.boolean().default(false),
    calls: z.boolean().default(false),
  })
  .refine(({ failedOnly, okOnly }) => !(failedOnly && okOnly), {
    path: ['okOnly'],
    message: 'and failedOnly exclude each other; give one of them, or neither for all',
  })

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkMountsOptions(given: MountsOptions): CheckedMountsOptions {
  const { queueLimit, calls } = checkOptions('watchMounts', schema, given)
  const { options, library } = given
  return {
    queueLimit,
    calls,
    chooses: choice(given),
    ...(options === undefined ? {} : { options }),
    ...(library === undefined ? {} : { library }),
  }
}

function choice(given: MountsOptions): CheckedMountsOptions['chooses'] {
  const { include, exclude, processes, users, failedOnly = false, okOnly = false } = given
  const predicate = compilePredicate({
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(processes === undefined ? {} : { processes }),
    ...(users === undefined ? {} : { users }),
  })
  const targeted = list(include).some((glob) => !isNegated(glob))
  const pids = given.pids === undefined ? undefined : new Set(list(given.pids))
  const zone = matcher('zones', list(given.zones).map(String))
  const type = matcher('types', list(given.types))
  return ({ errno, pid: by, execname, uid, zone_name, zone_id, fstype, target }) =>
    !(failedOnly && errno === undefined) &&
    !(okOnly && errno !== undefined) &&
    (pids === undefined || pids.has(by)) &&
    (zone === undefined || zone(zone_name, String(zone_id))) &&
    (type === undefined || type(fstype ?? '')) &&
    !(targeted && target === undefined) &&
    predicate({ path: (target ?? '').replace(/^\//, ''), execname, uid })
}

function list<T extends string | number>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

/** '!(a|b)' is an extended glob, not a negation. */
function isNegated(glob: string): boolean {
  return glob.startsWith('!') && !glob.startsWith('!(')
}

/** Whether one of the names that something has is wanted, and none is not; undefined where nothing is asked. */
function matcher(option: string, globs: readonly string[]): ((...names: string[]) => boolean) | undefined {
  if (globs.length === 0) return undefined
  for (const glob of globs) {
    if (glob.replace(/^!/, '').trim() === '') {
      throw new DTraceError(
        'ERR_DTRACE_ARGUMENT',
        `${option}: ${JSON.stringify(glob)} is empty; name one, or leave it out`,
      )
    }
  }
  const compile = (some: string[]): ((name: string) => boolean) => {
    try {
      return some.length === 0 ? () => false : picomatch(some, { dot: true, nonegate: true })
    } catch (error) {
      const message = `${option}: ${some.join(', ')} can't be used as a glob: ${(error as Error).message}`
      throw new DTraceError('ERR_DTRACE_ARGUMENT', message, { cause: error })
    }
  }
  const wanted = compile(globs.filter((glob) => !isNegated(glob)))
  const unwanted = compile(globs.filter(isNegated).map((glob) => glob.slice(1)))
  const any = globs.every(isNegated)
  return (...names) => (any || names.some(wanted)) && !names.some(unwanted)
}

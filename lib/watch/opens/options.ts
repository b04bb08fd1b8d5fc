/** The options of a watcher of opens, their check, and what they choose. */
import picomatch from 'picomatch'
import { z } from 'zod'
import { compilePredicate } from '../../act/index.js'
import { procfs } from '../../act/processes.js'
import { DTraceError } from '../../errors.js'
import { checkOptions, type WatcherOptions, watcherShape } from '../watcher.js'

export interface OpensOptions extends WatcherOptions {
  /** Only these processes, with all their threads; chosen in the kernel, so the others cost next to nothing. */
  pids?: number | readonly number[]
  /** Only what fails; chosen in the kernel. Default false. */
  failedOnly?: boolean
  /** Only opens by these programs: globs on the execname (the kernel's, 15 bytes long). A leading `!` excludes. */
  processes?: string | readonly string[]
  /** Only opens by these users, by name or number. A leading `!` excludes. */
  users?: string | number | readonly (string | number)[]
  /** Only in these zones: globs on `zone_name`, or a `zone_id`. */
  zones?: string | number | readonly (string | number)[]
  /**
   * Only these files: globs on the path, as `RescanOptions.include` has them but from `/`. A glob also matches on an absolute path as it
   * was passed: `/etc/localtime`, though the file that is opened is another one. A leading `!` excludes.
   */
  include?: string | readonly string[]
  /** Not these files: globs. One that matches a folder takes all that is in it. */
  exclude?: string | readonly string[]
}

export interface CheckedOpensOptions extends WatcherOptions {
  pids: readonly number[]
  failedOnly: boolean
  queueLimit: number
  options: NonNullable<WatcherOptions['options']>
  chooses: OpenChoice
}

/** What can be asked of an open, the cheap questions first. */
export interface OpenChoice {
  who(execname: string, uid: number): boolean
  /** Undefined: any. */
  zone: ((zone_name: string, zone_id: number) => boolean) | undefined
  /** Undefined: any. @param paths names of the same file, without the slash at their beginning */
  path: ((paths: readonly string[]) => boolean) | undefined
}

const PID_MAX = 2 ** 22
const pid = z
  .int('a pid is a whole number')
  .min(1, 'a pid is a positive number')
  .max(PID_MAX, `a pid is at most ${PID_MAX}`)
const text = z.union([z.string(), z.array(z.string())])
const names = z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))])

const schema = z.strictObject({
  ...watcherShape,
  // Made a list first: what a union says of a bad value isn't what is wrong with it.
  pids: z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(pid).min(1, 'is empty: name a process, or leave it out').optional(),
  ),
  failedOnly: z.boolean().default(false),
  processes: text.optional(),
  users: names.optional(),
  zones: names.optional(),
  include: text.optional(),
  exclude: text.optional(),
})

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option, `ERR_DTRACE_TARGET` for a process that isn't there */
export function checkOpensOptions(given: OpensOptions): CheckedOpensOptions {
  const {
    pids = [],
    failedOnly,
    queueLimit,
    options = {},
    library,
  } = checkOptions('watchOpens', schema, given)
  for (const one of pids) {
    if (procfs.get(one) === undefined) {
      throw new DTraceError(
        'ERR_DTRACE_TARGET',
        `pids: there is no process with pid ${one}; see ps -e for those that run`,
      )
    }
  }
  return {
    pids: [...new Set(pids)],
    failedOnly,
    queueLimit,
    options: { ...options },
    chooses: choice(given),
    ...(library === undefined ? {} : { library: given.library as NonNullable<WatcherOptions['library']> }),
  }
}

function choice({ processes, users, zones, include, exclude }: OpensOptions): OpenChoice {
  const by = compilePredicate({
    ...(processes === undefined ? {} : { processes }),
    ...(users === undefined ? {} : { users }),
  })
  const globs = list(include)
  // Any of a file's names may be the one that is wanted, and any the one that is not.
  const wanted = globs.filter((glob) => !isNegated(glob))
  const unwanted = [...list(exclude), ...globs.filter(isNegated).map((glob) => glob.slice(1))]
  const included = compilePredicate({ include: wanted })
  const excluded = compilePredicate({ exclude: unwanted })
  return {
    who: (execname, uid) => by({ path: '', execname, uid }),
    zone: zoneMatcher(list(zones)),
    path:
      wanted.length + unwanted.length === 0
        ? undefined
        : (paths) => paths.some((path) => included({ path })) && paths.every((path) => excluded({ path })),
  }
}

function isNegated(glob: string): boolean {
  return typeof glob === 'string' && glob.length > 1 && glob.startsWith('!') && !glob.startsWith('!(')
}

function list<T extends string | number>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function zoneMatcher(zones: readonly (string | number)[]): OpenChoice['zone'] {
  if (zones.length === 0) return undefined
  const texts = zones.map(String)
  const empty = texts.find((zone) => zone.trim() === '')
  if (empty !== undefined) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `zones: ${JSON.stringify(empty)} is empty; give a zone's name or zone_id`,
    )
  }
  const ids = new Set(texts.filter((zone) => /^\d+$/.test(zone)).map(Number))
  const matches = picomatch(texts, { dot: true })
  return (name, id) => ids.has(id) || matches(name)
}

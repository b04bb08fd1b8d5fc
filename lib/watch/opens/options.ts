/** The options of a watcher of opens, their check, and what they choose. */
import { z } from 'zod'
import { list, splitGlobs } from '../../act/globs.js'
import { compilePredicate } from '../../act/index.js'
import { procfs } from '../../act/processes.js'
import { DTraceError } from '../../errors.js'
import { type ChoiceOptions, choiceShape, compileWho, type Outcome, type WhoAndWhere } from '../choice.js'
import { checkOptions, type WatcherOptions } from '../watcher.js'

export interface OpensOptions extends ChoiceOptions {
  /** Only these processes, with all their threads; chosen in the kernel, so the others cost next to nothing. */
  pids?: number | readonly number[]
  /** Only what succeeds, only what fails, or both; chosen in the kernel. Default `'all'`. */
  outcome?: Outcome
  /** The same as `outcome: 'failed'`. */
  failedOnly?: boolean
  /**
   * Only these files: globs on the path, as `RescanOptions.include` has them but from `/`. A glob also matches on an absolute path as it
   * was passed: `/etc/localtime`, though the file that is opened is another one. A leading `!` excludes.
   */
  include?: string | readonly string[]
}

export interface CheckedOpensOptions extends WatcherOptions {
  pids: readonly number[]
  outcome: Outcome
  queueLimit: number
  options: NonNullable<WatcherOptions['options']>
  chooses: OpenChoice
}

/** What can be asked of an open, the cheap questions first. */
export interface OpenChoice extends WhoAndWhere {
  /** Undefined: any. @param paths names of the same file, without the slash at their beginning */
  path: ((paths: readonly string[]) => boolean) | undefined
}

const schema = z
  .strictObject({ ...choiceShape, failedOnly: z.boolean().default(false) })
  .refine(({ failedOnly, outcome = 'failed' }) => !failedOnly || outcome === 'failed', {
    path: ['failedOnly'],
    message: "means outcome: 'failed'; give one of them",
  })

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option, `ERR_DTRACE_TARGET` for a process that isn't there */
export function checkOpensOptions(given: OpensOptions): CheckedOpensOptions {
  const checked = checkOptions('watchOpens', schema, given)
  const { pids = [], outcome = checked.failedOnly ? 'failed' : 'all', queueLimit, options = {} } = checked
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
    outcome,
    queueLimit,
    options: { ...options },
    chooses: { ...compileWho(given), path: pathChoice(given) },
    ...(given.library === undefined ? {} : { library: given.library }),
    ...(given.signal === undefined ? {} : { signal: given.signal }),
  }
}

/** Any of a file's names may be the one that is wanted, and any the one that is not. */
function pathChoice({ include, exclude }: OpensOptions): OpenChoice['path'] {
  const { wanted, unwanted } = splitGlobs(list(include), 'include')
  const not = [...list(exclude), ...unwanted]
  if (wanted.length + not.length === 0) return undefined
  const included = compilePredicate({ include: wanted })
  const excluded = compilePredicate({ exclude: not })
  return (paths) => paths.some((path) => included({ path })) && paths.every((path) => excluded({ path }))
}

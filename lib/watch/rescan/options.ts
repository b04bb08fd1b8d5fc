/** The options of a rescan watcher, and their check. */
import { z } from 'zod'
import { type Duration, type PredicateOptions, parseDuration, type Target } from '../../act/index.js'
import { checkOptions, signalSchema, type WatcherOptions, watcherShape } from '../watcher.js'
import { RESCAN_PLANS, type RescanPlan } from './plan.js'

export interface RescanOptions extends PredicateOptions, Omit<WatcherOptions, 'signal'> {
  /** Directories to watch, with all that is below them. */
  paths: string | readonly string[]
  /** Whom to tell: a process, or a command that gets the changes as JSON lines. Without one there are only events. */
  target?: Target
  /** The signal for a process. Default `'SIGHUP'`. */
  signal?: string | number
  /** What `signal` is to other watchers: the watcher stops when it aborts, and its loop rejects with the reason. */
  abortSignal?: AbortSignal
  /** The flag that changes set is tested this often, and acted upon when it is set. Default `'60s'`. */
  every?: Duration
  /** Instead of `every`: act when nothing has changed for this long, */
  debounce?: Duration
  /** and at the latest this long after the first change. Default `'60s'`. */
  maxWait?: Duration
  /**
   * When the watcher stops, a command has this long to take the last changes or to come to its end; then it is ended. 0: at
   * once. Default `'10s'`.
   */
  stopTimeout?: Duration
  /** Changes made by the target itself don't count: it would be told for ever. Default true. */
  ignoreTarget?: boolean
  /**
   * Which probes are used: those of the kernel's VFS layer (`'vfs'`) or of system calls (`'syscall'`). Default `'auto'`: of the
   * VFS layer where the kernel has such probes (fbt).
   */
  plan?: 'auto' | RescanPlan
  /** What a target command writes. */
  onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void
}

/** With the defaults filled in. */
export interface CheckedOptions extends RescanOptions {
  paths: string[]
  /** Milliseconds. */
  stopTimeout: number
  ignoreTarget: boolean
  plan: 'auto' | RescanPlan
  queueLimit: number
}

const path = z
  .string()
  .min(1, 'is empty')
  .refine((text) => !text.includes('\0'), 'has a NUL in it')
const duration = z.union([z.string(), z.number()])
const text = z.union([z.string(), z.array(z.string())])

// Globs, users and targets are understood, and refused, where they are used: see lib/act.
const schema = z
  .strictObject({
    ...watcherShape,
    paths: z.union([path.transform((one) => [one]), z.array(path).min(1, 'is empty: name a directory')]),
    include: text.optional(),
    exclude: text.optional(),
    processes: text.optional(),
    users: z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))]).optional(),
    target: z.looseObject({}).optional(),
    signal: z
      .union([z.string(), z.number()], 'is a name or a number; an AbortSignal is abortSignal')
      .optional(),
    abortSignal: signalSchema,
    every: duration.optional(),
    debounce: duration.optional(),
    maxWait: duration.optional(),
    stopTimeout: duration.default('10s'),
    ignoreTarget: z.boolean().default(true),
    plan: z.enum(RESCAN_PLANS, "is 'auto', 'vfs' or 'syscall'").default('auto'),
    onOutput: z.custom<RescanOptions['onOutput']>((value) => typeof value === 'function').optional(),
  })
  .refine(({ maxWait, debounce }) => maxWait === undefined || debounce !== undefined, {
    path: ['maxWait'],
    message: 'goes with debounce; give that too',
  })
  .refine(({ every, debounce }) => every === undefined || debounce === undefined, {
    path: ['debounce'],
    message: 'and every exclude each other; give one of them',
  })

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function checkRescanOptions(options: RescanOptions): CheckedOptions {
  const checked = checkOptions('RescanWatcher', schema, options)
  for (const name of ['every', 'debounce', 'maxWait'] as const) {
    const value = checked[name]
    if (value !== undefined) parseDuration(value, name)
  }
  const stopTimeout = parseDuration(checked.stopTimeout, 'stopTimeout', 0)
  // What zod makes of optional fields, `| undefined`, is not what exactOptionalPropertyTypes means.
  return { ...checked, stopTimeout } as unknown as CheckedOptions
}

/** What the watchers of opens, unlinks and mounts are asked for in the same words: who, where, and with which outcome. */
import { z } from 'zod'
import { compilePredicate, type PredicateOptions } from '../act/index.js'
import { type WatcherOptions, watcherShape } from './watcher.js'
import { type ZoneChoice, zoneMatcher } from './zones/matcher.js'

/** Calls that succeeded, calls that failed, or both. */
export type Outcome = 'ok' | 'failed' | 'all'

export interface ChoiceOptions extends PredicateOptions, WatcherOptions {
  /** Only calls by these processes, with all their threads. */
  pids?: number | readonly number[]
  /** Only in these zones: globs on `zone_name`, or a `zone_id`. A leading `!` excludes. */
  zones?: ZoneChoice
  /** Only what succeeded, only what failed, or both. */
  outcome?: Outcome
}

/** How the D programs take an outcome: a bit for each. */
export const OUTCOME_BITS: Readonly<{ [outcome in Outcome]: number }> = { failed: 1, ok: 2, all: 3 }

// PID_MAX_LIMIT of the kernel's include/linux/threads.h, 64-bit.
const PID_MAX = 2 ** 22
const pid = z
  .int('a pid is a whole number')
  .min(1, 'a pid is a positive number')
  .max(PID_MAX, `a pid is at most ${PID_MAX}`)
const text = z.union([z.string(), z.array(z.string())])
const name = z.union([z.string(), z.int().min(0)])
const names = z.union([name, z.array(name)])

/** For the schemas of these watchers' options. Globs and users are understood, and refused, where they are used. */
export const choiceShape = {
  ...watcherShape,
  include: text.optional(),
  exclude: text.optional(),
  processes: text.optional(),
  users: names.optional(),
  // Made a list first: what a union says of a bad value isn't what is wrong with it.
  pids: z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(pid).min(1, 'is empty: name a process, or leave it out').optional(),
  ),
  zones: names.optional(),
  outcome: z.enum(['ok', 'failed', 'all'], "is 'ok', 'failed' or 'all'").optional(),
}

/** What can be asked before a path is known. */
export interface WhoAndWhere {
  who(execname: string, uid: number): boolean
  /** Undefined: any. */
  zone: ReturnType<typeof zoneMatcher>
}

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option */
export function compileWho({ processes, users, zones }: ChoiceOptions): WhoAndWhere {
  const by = compilePredicate({ processes, users })
  return {
    who: (execname, uid) => by({ path: '', execname, uid }),
    zone: zoneMatcher(zones, 'zones'),
  }
}

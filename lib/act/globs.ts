/** Globs in options: one or several, of which those with a leading `!` exclude. */
import picomatch from 'picomatch'
import { DTraceError } from '../errors.js'

/** One stands for a list of it. */
export function list<T extends string | number>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

/** Those that are wanted, and those that are not, without their `!`. @throws DTraceError for an empty one */
export function splitGlobs(
  globs: readonly string[],
  option: string,
): { wanted: string[]; unwanted: string[] } {
  const wanted: string[] = []
  const unwanted: string[] = []
  for (const glob of globs) {
    if (typeof glob !== 'string') throw badGlob(option, glob, 'is not a string')
    // '!(a|b)' is an extended glob, not a negation.
    const negated = glob.startsWith('!') && !glob.startsWith('!(')
    const plain = negated ? glob.slice(1) : glob
    if (plain.trim() === '') throw badGlob(option, glob, 'is empty; name something, or leave it out')
    if (negated) unwanted.push(plain)
    else wanted.push(plain)
  }
  return { wanted, unwanted }
}

/** Whether one of them matches. @throws DTraceError for what picomatch can't use */
export function compileGlobs(
  globs: readonly string[],
  option: string,
  more: picomatch.PicomatchOptions = {},
): (text: string) => boolean {
  if (globs.length === 0) return () => false
  try {
    // `s`: picomatch's `.` must match a newline too, file names may have them.
    return picomatch([...globs], { dot: true, flags: 's', nonegate: true, ...more })
  } catch (error) {
    throw badGlob(option, globs.join(', '), `can't be used: ${(error as Error).message}`)
  }
}

/** Words, not paths: `*` matches a slash too. Where all of them exclude, any other word matches. */
export function wordMatcher(globs: readonly string[], option: string): (word: string) => boolean {
  const { wanted, unwanted } = splitGlobs(globs, option)
  // picomatch without its rules for paths.
  const yes = wanted.length === 0 ? () => true : compileGlobs(wanted, option, { bash: true })
  const no = compileGlobs(unwanted, option, { bash: true })
  return (word) => yes(word) && !no(word)
}

export function badGlob(option: string, glob: unknown, why: string): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `${option}: the glob ${JSON.stringify(glob)} ${why}`)
}

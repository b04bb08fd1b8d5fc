import { readFileSync } from 'node:fs'
import picomatch from 'picomatch'
import { DTraceError } from '../errors.js'

/** What a {@link Predicate} looks at: one change, its path relative to the watched directory. */
export interface Subject {
  /** Relative to the watched directory, no leading slash; the directory itself is `''`. */
  path: string
  /** The change is about a directory: `include` speaks of files and isn't asked. See {@link compilePredicate}. */
  directory?: boolean
  execname?: string
  uid?: number
}

export interface PredicateOptions {
  /**
   * Globs of which one must match, relative to the watched directory. As in .gitignore a glob without a slash is about
   * the name, in whichever folder; one with a leading slash starts at the watched directory. A leading `!` makes it an
   * `exclude`. Names that begin with a dot are matched like any others. Default: everything.
   */
  include?: string | readonly string[]
  /** Globs of what doesn't count. One that matches a folder takes all that is in it. */
  exclude?: string | readonly string[]
  /** Only changes made by these programs: globs on the execname (the kernel's, 15 bytes long). A leading `!` excludes. */
  processes?: string | readonly string[]
  /** Only changes made by these users, by name or number. A leading `!` excludes. */
  users?: string | number | readonly (string | number)[]
}

export type Predicate = (subject: Subject) => boolean

/**
 * Compiles the globs once; the result is asked for every change.
 *
 * A change to a directory (made, moved, removed) is tested against `exclude` only: a folder moved in brings its files
 * along, and no system call tells of those one by one.
 *
 * @throws DTraceError `ERR_DTRACE_ARGUMENT` for an empty or impossible glob and for an unknown user
 */
export function compilePredicate(options: PredicateOptions): Predicate {
  const { wanted: include, unwanted: negated } = split(list(options.include), 'include')
  const { wanted: excludes, unwanted: doubleNegated } = split(list(options.exclude), 'exclude')
  if (doubleNegated.length > 0) {
    throw badGlob('exclude', `!${doubleNegated[0]}`, "has a leading '!'; put it into include instead")
  }
  const included = pathMatcher(include, 'include')
  const excluded = pathMatcher([...excludes, ...negated], 'exclude')
  const process = processMatcher(list(options.processes))
  const user = userMatcher(list(options.users))
  return ({ path, directory = false, execname, uid }) =>
    (user === undefined || (uid !== undefined && user(uid))) &&
    (process === undefined || (execname !== undefined && process(execname))) &&
    (included === undefined || directory || included(path)) &&
    (excluded === undefined || !orAncestor(path, excluded))
}

/** picomatch's `.` must match a newline too: file names may have them. */
const GLOB_OPTIONS: picomatch.PicomatchOptions = { dot: true, flags: 's', nonegate: true }

function list<T extends string | number>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function split(globs: readonly string[], option: string): { wanted: string[]; unwanted: string[] } {
  const wanted: string[] = []
  const unwanted: string[] = []
  for (const glob of globs) {
    if (typeof glob !== 'string' || glob.trim() === '' || glob === '!') {
      throw badGlob(option, glob, 'is empty or not a string')
    }
    // '!(a|b)' is an extended glob, not a negation.
    if (glob.startsWith('!') && !glob.startsWith('!(')) unwanted.push(glob.slice(1))
    else wanted.push(glob)
  }
  return { wanted, unwanted }
}

/** undefined when there is nothing to test. */
function pathMatcher(globs: readonly string[], option: string): ((path: string) => boolean) | undefined {
  if (globs.length === 0) return undefined
  const byName: string[] = []
  const byPath: string[] = []
  for (const glob of globs) {
    const plain = glob.replace(/^\.\//, '')
    const anchored = plain.replace(/^\/+/, '').replace(/\/+$/, '')
    if (anchored === '') throw badGlob(option, glob, 'matches nothing; use ** for everything')
    if (anchored === plain.replace(/\/+$/, '') && !anchored.includes('/')) byName.push(anchored)
    else byPath.push(anchored)
  }
  const name = compile(byName, option)
  const whole = compile(byPath, option)
  return (path) => whole(path) || name(path.slice(path.lastIndexOf('/') + 1))
}

function compile(globs: string[], option: string): (text: string) => boolean {
  if (globs.length === 0) return () => false
  try {
    return picomatch(globs, GLOB_OPTIONS)
  } catch (error) {
    throw badGlob(option, globs.join(', '), `can't be used: ${(error as Error).message}`)
  }
}

function orAncestor(path: string, matches: (path: string) => boolean): boolean {
  if (matches(path)) return true
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    if (matches(path.slice(0, slash))) return true
  }
  return false
}

function processMatcher(globs: readonly string[]): ((execname: string) => boolean) | undefined {
  if (globs.length === 0) return undefined
  const { wanted, unwanted } = split(globs, 'processes')
  // The kernel keeps 15 bytes of a program's name; a longer plain name in the options still means that program.
  const cut = (glob: string): string => (/^[\w.+@:-]{16,}$/.test(glob) ? glob.slice(0, 15) : glob)
  const yes = wanted.length === 0 ? () => true : compile(wanted.map(cut), 'processes')
  const no = compile(unwanted.map(cut), 'processes')
  return (execname) => yes(execname) && !no(execname)
}

function userMatcher(users: readonly (string | number)[]): ((uid: number) => boolean) | undefined {
  if (users.length === 0) return undefined
  const wanted = new Set<number>()
  const unwanted = new Set<number>()
  for (const user of users) {
    const text = String(user)
    if (text.startsWith('!')) unwanted.add(uidOf(text.slice(1)))
    else wanted.add(uidOf(text))
  }
  return (uid) => (wanted.size === 0 || wanted.has(uid)) && !unwanted.has(uid)
}

function uidOf(user: string): number {
  if (/^\d{1,10}$/.test(user)) return Number(user)
  // Node has no getpwnam. Users from LDAP and the like aren't in this file: they go by number.
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid] = line.split(':')
    if (name === user && uid !== undefined) return Number(uid)
  }
  throw new DTraceError(
    'ERR_DTRACE_ARGUMENT',
    `users: there is no user ${JSON.stringify(user)} in /etc/passwd; give the name of a local user, or the user's number (id -u)`,
  )
}

function badGlob(option: string, glob: unknown, why: string): DTraceError {
  return new DTraceError('ERR_DTRACE_ARGUMENT', `${option}: the glob ${JSON.stringify(glob)} ${why}`)
}

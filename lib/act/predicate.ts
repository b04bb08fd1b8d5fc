import { readFileSync } from 'node:fs'
import { DTraceError } from '../errors.js'
import { badGlob, compileGlobs, list, splitGlobs, wordMatcher } from './globs.js'

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
export function compilePredicate(
  options: {
    [Name in keyof PredicateOptions]: PredicateOptions[Name] | undefined
  },
): Predicate {
  const { wanted: include, unwanted: negated } = splitGlobs(list(options.include), 'include')
  const { wanted: excludes, unwanted: doubleNegated } = splitGlobs(list(options.exclude), 'exclude')
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
  const name = compileGlobs(byName, option)
  const whole = compileGlobs(byPath, option)
  return (path) => whole(path) || name(path.slice(path.lastIndexOf('/') + 1))
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
  // The kernel keeps 15 bytes of a program's name; a longer plain name in the options still means that program.
  const cut = (glob: string): string => String(glob).replace(/^(!?[\w.+@:-]{15})[\w.+@:-]+$/, '$1')
  return wordMatcher(globs.map(cut), 'processes')
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

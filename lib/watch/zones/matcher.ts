import { compileGlobs, list, splitGlobs } from '../../act/globs.js'

/** What zones a watcher is asked about: names by glob, or ids by number; a leading `!` excludes. */
export type ZoneChoice = string | number | readonly (string | number)[]

/**
 * Where all that is given excludes, any other zone matches.
 *
 * @param option its name, for messages
 * @returns undefined where nothing is asked
 * @throws DTraceError `ERR_DTRACE_ARGUMENT` that names the option
 */
export function zoneMatcher(
  zones: ZoneChoice | undefined,
  option: string,
): ((zone_name: string, zone_id: number) => boolean) | undefined {
  const texts = list<string | number>(zones).map(String)
  if (texts.length === 0) return undefined
  const { wanted, unwanted } = splitGlobs(texts, option)
  const yes = compile(wanted, option)
  const no = compile(unwanted, option)
  return (name, id) => (wanted.length === 0 || yes(name, id)) && !no(name, id)
}

function compile(globs: readonly string[], option: string): (name: string, id: number) => boolean {
  const ids = new Set(globs.filter((glob) => /^\d+$/.test(glob)).map(Number))
  // A name is one word to picomatch, whatever is in it: Kubernetes' have slashes.
  const named = compileGlobs(globs, option, { bash: true })
  return (name, id) => ids.has(id) || named(name)
}

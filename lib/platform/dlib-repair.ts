/**
 * Takes out of a D library what this kernel cannot compile, as little as possible.
 *
 * Nearly all of a library that depends on the kernel is in translators: `member = expression;`, where the expression reads a
 * kernel's structure. A translator may leave members out; a program that uses such a member is told so by libdtrace
 * ("translator does not define conversion for member"). So what fails there is one assignment. What fails elsewhere
 * costs the whole library, and those that depend on it.
 */

/** An assignment that was taken out. */
export interface Dropped {
  /** e.g. `devinfo_t.dev_name`. */
  what: string
  /** The type that is translated, e.g. `struct bio *`. */
  from: string
}

export interface Repair {
  /** The library without them; its lines keep their numbers. */
  text: string
  dropped: Dropped[]
}

interface Assignment extends Dropped {
  start: number
  end: number
}

/** Takes out every assignment of a translator that mentions this name. */
export function dropMentions(text: string, name: string): Repair {
  const mention = new RegExp(`\\b${name}\\b`)
  return drop(text, (assignment, code) => mention.test(code.slice(assignment.start, assignment.end)))
}

/** Takes out the assignments of a translator that are at this line, the first one being 1. */
export function dropLine(text: string, line: number): Repair {
  return drop(text, ({ start, end }) => lineAt(text, start) <= line && line <= lineAt(text, end))
}

function drop(text: string, condemned: (assignment: Assignment, code: string) => boolean): Repair {
  const code = withoutComments(text)
  const dropped: Dropped[] = []
  let result = text
  for (const assignment of assignments(code)) {
    if (!condemned(assignment, code)) continue
    const { start, end, what, from } = assignment
    result = result.slice(0, start) + blank(result.slice(start, end)) + result.slice(end)
    dropped.push({ what, from })
  }
  return { text: result, dropped }
}

/** `translator bufinfo_t < struct bio *B > { b_addr = 0; … };`, from after a `{` or `;` to the next `;`. */
function assignments(code: string): Assignment[] {
  const found: Assignment[] = []
  for (const translator of code.matchAll(/\btranslator\s+(\w+)\s*<\s*([^>]*?)\s*(\w+)\s*>\s*\{([^}]*)\}/g)) {
    const [all, type = '', from = '', , body = ''] = translator
    let start = translator.index + all.length - body.length - 1
    for (const statement of body.split(/(?<=;)/)) {
      const member = /^\s*(\w+)\s*=/.exec(statement)?.[1]
      const begin = start + statement.search(/\S|$/)
      start += statement.length
      if (member !== undefined) found.push({ what: `${type}.${member}`, from, start: begin, end: start })
    }
  }
  return found
}

/** Comments and strings as blanks: what is in them is no code. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"/g, blank)
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}

function lineAt(text: string, offset: number): number {
  // The end of a statement is the place after its semicolon.
  return text.slice(0, offset).split('\n').length
}

/** The libraries that this one asks for, by `#pragma D depends_on library NAME`. */
export function dependencies(text: string): string[] {
  return [...text.matchAll(/^\s*#\s*pragma\s+D\s+depends_on\s+library\s+(\S+)/gm)].map(
    ([, name = '']) => name,
  )
}

/** What a library is for, for people: the types and arrays that it defines. */
export function definitions(text: string): string[] {
  const code = withoutComments(text)
  const types = [...code.matchAll(/\}\s*(\w+)\s*;/g)].map(([, name = '']) => name)
  const arrays = [...code.matchAll(/^\s*inline\s+[^=;]*?(\w+)\s*\[[^=;]*=/gm)].map(
    ([, name = '']) => `${name}[]`,
  )
  return [...types, ...arrays]
}

/** Where in a D library a program failed to compile, from libdtrace's message. */
export function failedPlace(reason: string): { file: string; line: number; problem: string } | undefined {
  const [, file, line, problem] = /"([^"\n]+\.d)", line (\d+): ([^\n]*)/.exec(reason) ?? []
  if (file === undefined || line === undefined) return undefined
  return { file, line: Number(line), problem: problem ?? '' }
}

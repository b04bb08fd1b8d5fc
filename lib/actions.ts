/**
 * Actions that have no meaning where nothing is printed: refused when a program is compiled. What a macro hides is found at
 * its first firing, from what it records (`native/statement.cc`).
 */
import { DTraceError } from './errors.js'

const REFUSED: Readonly<Record<string, string>> = {
  freopen: 'there is no output here to redirect; write the records to a file in JavaScript',
  ftruncate: 'there is no output here to cut; the records are where JavaScript keeps them',
}

// Comments, strings and characters: in one pass, since each may hold what looks like another.
const NO_CODE = /\/\*[\s\S]*?(?:\*\/|$)|"(?:\\[\s\S]|[^"\\])*(?:"|$)|'(?:\\.|[^'\\\n])+'/g
const CALL = new RegExp(`(?<![\\w\`$])(?<name>${Object.keys(REFUSED).join('|')})\\s*\\(`, 'g')

/** What the C preprocessor says of the line that follows: `# 3 "file.d"`. */
const LINE_MARKER = /^#\s*(?:line\s+)?(\d+)\b/

/** @throws `ERR_DTRACE_UNSUPPORTED` */
export function checkActions(source: string): void {
  // What is left out keeps its lines, so that they can be counted.
  const code = source.replace(NO_CODE, (text) => text.replace(/[^\n]/g, ' '))
  for (const { index, groups } of code.matchAll(CALL)) {
    const name = groups?.name ?? ''
    const line = lineAt(source, index)
    throw new DTraceError(
      'ERR_DTRACE_UNSUPPORTED',
      `line ${line}: ${name}() can't be used: ${REFUSED[name]}`,
      { line },
    )
  }
}

/** The line of the program as it was written. */
function lineAt(source: string, index: number): number {
  let line = 0
  for (const text of source.slice(0, index).split('\n')) {
    const marked = LINE_MARKER.exec(text)?.[1]
    line = marked === undefined ? line + 1 : Number(marked) - 1
  }
  return line
}

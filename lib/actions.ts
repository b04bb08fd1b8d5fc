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

/** @throws `ERR_DTRACE_UNSUPPORTED` */
export function checkActions(source: string): void {
  // What is left out keeps its lines, so that they can be counted.
  const code = source.replace(NO_CODE, (text) => text.replace(/[^\n]/g, ' '))
  for (const { index, groups } of code.matchAll(CALL)) {
    const name = groups?.name ?? ''
    const line = code.slice(0, index).split('\n').length
    throw new DTraceError('ERR_DTRACE_UNSUPPORTED', `line ${line}: ${name}() can't be used: ${REFUSED[name]}`)
  }
}

/**
 * What has to be known of a D program's text before libdtrace gets it, or what libdtrace 2 doesn't tell afterwards. Follows the
 * lexer of D (dt_lex.l): there are comments of one kind, control lines that begin with #, and no strings outside clauses.
 */
import { DTraceError } from './errors.js'

// A comment, a control line, a string, a character: whatever comes first. What is not closed goes to the end.
const OPAQUE =
  /\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$(?![\s\S]))|^[\f\t\v ]*#.*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?/gm

/** The text with blanks for comments, control lines, strings and characters; everything else stays in its place. */
export function bareText(source: string): string {
  return source.replace(OPAQUE, (opaque) => opaque.replace(/[^\n]/g, ' '))
}

/** A `#pragma D option` of a program. */
export interface PragmaOption {
  name: string
  /** Undefined where the option is set without one. */
  value: string | undefined
}

/** The options that a program sets by itself, in order. */
export function pragmaOptions(source: string): PragmaOption[] {
  const found: PragmaOption[] = []
  for (const [line] of source.matchAll(OPAQUE)) {
    const { name, value } =
      /^[\f\t\v ]*#[\f\t\v ]*pragma[\f\t\v ]+D[\f\t\v ]+option[\f\t\v ]+(?<name>[^=\f\t\v "]+)(?:=(?<value>[^\f\t\v "]*))?/.exec(
        line,
      )?.groups ?? {}
    if (name !== undefined) found.push({ name, value })
  }
  return found
}

/** Aggregating actions and calls of `speculate()`: libdtrace 2 counts neither. */
export function countActions(source: string): { aggregations: number; speculations: number } {
  const text = bareText(source)
  let aggregations = 0
  for (const { index } of text.matchAll(/@\w*/g)) {
    let at = text.slice(index).search(/[^@\w\s]/) + index
    if (text[at] === '[') at = closing(text, at) + 1
    if (/^\s*=(?!=)/.test(text.slice(at))) aggregations++
  }
  return { aggregations, speculations: [...text.matchAll(/\bspeculate\s*\(/g)].length }
}

/** Where the bracket is closed, else the end of the text. */
function closing(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if (text[at] === '[') depth++
    if (text[at] === ']' && --depth === 0) return at
  }
  return text.length
}

/** What a probe specifier names when it has no colons: `open` is a name in `dtrace -n`, a function in `dtrace -f`. */
export type Specifier = 'provider' | 'module' | 'function' | 'name'

const MISSING: { readonly [Level in Specifier]: string } = {
  provider: ':::',
  module: '::',
  function: ':',
  name: '',
}

/** Words with which a declaration begins (dt_lex.l, state S2). */
const DECLARATION =
  /^(?:auto|char|const|counter|double|enum|extern|float|import|inline|int|long|provider|register|restrict|self|short|signed|static|string|struct|this|translator|typedef|union|unsigned|void|volatile)\b/

/**
 * The program with every probe specifier written out to the name, so that it can be compiled as a file: libdtrace takes the level
 * only together with a string, and from a string it aborts at an unclosed brace.
 */
export function writeOutSpecifiers(source: string, level: Specifier): string {
  if (!Object.hasOwn(MISSING, level)) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `specifier is ${Object.keys(MISSING)
        .map((name) => `'${name}'`)
        .join(' or ')}, not ${JSON.stringify(level)}`,
    )
  }
  const text = bareText(source)
  let written = ''
  let at = 0
  while (at < text.length) {
    const head = /[^{;/]*/y
    head.lastIndex = at
    const length = head.exec(text)?.[0].length ?? 0
    const declares = DECLARATION.test(text.slice(at, at + length).trimStart())
    const specifiers = source.slice(at, at + length)
    // Comments among them stay as they are: a blank in the bare text is no specifier.
    written += declares ? specifiers : addColons(specifiers, text.slice(at, at + length), MISSING[level])
    const end = declares ? endOfDeclaration(text, at + length) : endOfClause(text, at + length)
    written += source.slice(at + length, end)
    at = end
  }
  return written
}

function addColons(source: string, bare: string, colons: string): string {
  let written = ''
  let at = 0
  for (const { 0: word, index } of bare.matchAll(/[^\s,]+/g)) {
    written += source.slice(at, index + word.length) + colons
    at = index + word.length
  }
  return written + source.slice(at)
}

/** After the predicate, if there is one, and the actions, if there are any. */
function endOfClause(text: string, from: number): number {
  let at = from
  if (text[at] === '/') {
    // The slash that ends a predicate is followed by an opening brace, a semicolon, a slash or nothing.
    const predicate = /\/[\s\S]*?\/\s*(?=[{;/]|$(?![\s\S]))/y
    predicate.lastIndex = at
    at = predicate.exec(text) === null ? text.length : predicate.lastIndex
  }
  return text[at] === '{' ? endOfBlock(text, at) : Math.min(at + 1, text.length)
}

function endOfDeclaration(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') at = endOfBlock(text, at) - 1
    else if (text[at] === ';') return at + 1
  }
  return text.length
}

function endOfBlock(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') depth++
    if (text[at] === '}' && --depth === 0) return at + 1
  }
  return text.length
}

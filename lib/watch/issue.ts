/** What is wrong with an option, where its schema has no words of its own for it. */
import type { z } from 'zod'

type Issue = Parameters<z.core.$ZodErrorMap>[0]

const WORDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list of them',
  object: 'an object',
  record: 'an object',
}

/** @param known the options that there are */
export function describeIssue(issue: Issue, known: readonly string[]): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const at = issue.path?.length ? '' : `; there are ${known.join(', ')}`
      return `there is no option ${issue.keys.map((key) => `'${key}'`).join(', ')}${at}`
    }
    case 'invalid_type':
      return expected([issue.expected], issue.input)
    case 'invalid_union':
      return expected(issue.errors.flatMap(typesOf), issue.input)
    default:
      return undefined
  }
}

/** Those of the value itself; a union may have unions in it. */
function typesOf(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_union') return issue.errors.flatMap(typesOf)
    return issue.code === 'invalid_type' && issue.path.length === 0 ? [issue.expected] : []
  })
}

function expected(types: readonly string[], input: unknown): string {
  const words = [...new Set(types.map((type) => WORDS[type] ?? type))]
  const wanted = words.length === 0 ? 'something else' : words.join(' or ')
  if (input === undefined) return `is missing: it is ${wanted}`
  const given = typeof input === 'object' ? JSON.stringify(input) : String(input)
  return Array.isArray(input) ? `is a list of ${wanted}, not ${given}` : `is ${wanted}, not ${given}`
}

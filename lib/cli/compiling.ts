/** Flags of dtrace(1) about how a program is compiled. */
import { type Command, InvalidArgumentError } from 'commander'
import type { CompileOptions } from '../consumer-options.js'
import { collect } from './arguments.js'

export interface CompilingFlags {
  allowNoMatches?: boolean
  cpp?: boolean
  define?: Record<string, string | boolean>
  include?: string[]
}

export function addCompiling(command: Command): Command {
  return command
    .option('-Z, --allow-no-matches', 'a probe that does not exist is no error')
    .option('-C, --cpp', 'run the C preprocessor first')
    .option(
      '-D, --define <name[=value]>',
      'define a macro for the preprocessor; implies -C; may be repeated',
      collectDefinition,
    )
    .option('-I, --include <folder>', 'where #include looks; implies -C; may be repeated', collect)
}

function collectDefinition(
  value: string,
  before: Record<string, string | boolean> | undefined,
): Record<string, string | boolean> {
  const [, name, definition] = /^([^=]+)(?:=(.*))?$/s.exec(value) ?? []
  if (name === undefined) throw new InvalidArgumentError('write name or name=value')
  return { ...before, [name]: definition ?? true }
}

export function compileOptions({ allowNoMatches, cpp, define, include }: CompilingFlags): CompileOptions {
  const preprocessed = cpp === true || define !== undefined || include !== undefined
  return {
    ...(allowNoMatches === true ? { allowNoMatches } : {}),
    ...(preprocessed ? { cpp: { defines: define ?? {}, includes: include ?? [] } } : {}),
  }
}

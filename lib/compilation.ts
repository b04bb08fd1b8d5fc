/**
 * A program on its way to the compiler: its text, as libdtrace gets it, its arguments and flags.
 */
import { checkActions } from './actions.js'
import {
  type CompileOptions,
  checkArguments,
  checkCompileOptions,
  readSource,
  sourceText,
} from './consumer-options.js'
import { countActions, writeOutSpecifiers } from './d-text.js'
import { DTraceError } from './errors.js'
import type { Enabled } from './host/commands.js'
import { checkPragmas, type OptionValues } from './options.js'
import { preprocess } from './preprocessor.js'
import type { TypedProgram } from './program.js'

/** A compiled program. */
export interface Program {
  /** Number in the consumer; each of its records has it as `program`. */
  readonly id: number
  readonly source: string
}

/** What a program can be compiled from. */
export type ProgramSource = string | { file: string } | TypedProgram<unknown>

/** `DTRACE_C_…` of `<dtrace.h>`. */
const CompileFlag = {
  allowEmpty: 0x0002,
  allowNoMatches: 0x0004,
  probes: 0x0080,
  allowUnusedArgs: 0x0200,
  defaultArgs: 0x0800,
} as const

/** What libdtrace is given to compile. */
export interface Compilation {
  /** As it was given. */
  source: string
  /** What it is called in messages. */
  name: string
  file: string | undefined
  text: string
  /** `$0`, `$1`, … */
  args: string[]
  flags: number
}

/** @throws `ERR_DTRACE_ARGUMENT`, `ERR_DTRACE_OPTION` for a pragma that is refused, `ERR_DTRACE_COMPILE` of the preprocessor */
export async function prepareCompilation(
  from: ProgramSource,
  options: CompileOptions,
  values: OptionValues,
): Promise<Compilation> {
  checkCompileOptions(options)
  const { args = [], cpp = false, specifier, signal } = options
  const file = typeof from === 'object' && from !== null && 'file' in from ? from.file : undefined
  const { text: source, name } = file === undefined ? sourceText(from) : await readSource(file)
  // $0 is what the program is called.
  const all = [file ?? 'dtrace-consumer', ...checkArguments(args)]
  if (typeof cpp !== 'boolean' && (typeof cpp !== 'object' || cpp === null)) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', 'cpp is true, or { path, defines, includes, args }')
  }
  let text = cpp === false ? source : await preprocess(source, file, cpp === true ? {} : cpp, signal)
  checkPragmas(text)
  checkActions(text)
  if (specifier !== undefined) text = writeOutSpecifiers(text, specifier)
  return {
    source,
    name,
    file,
    text: values.prologue() + text,
    args: all,
    flags: values.compileFlags() | flagsOf(options),
  }
}

function flagsOf({ specifier, ...options }: CompileOptions): number {
  let flags = specifier === undefined ? 0 : CompileFlag.probes
  if (options.allowEmpty === true) flags |= CompileFlag.allowEmpty
  if (options.allowNoMatches === true) flags |= CompileFlag.allowNoMatches
  if (options.allowUnusedArgs === true) flags |= CompileFlag.allowUnusedArgs
  if (options.defaultArgs === true) flags |= CompileFlag.defaultArgs
  return flags
}

/** What libdtrace says of a program when it is enabled. */
export type ProgramInfo = Enabled

/** libdtrace 2 counts no aggregating actions and no speculations (dtrace_program_info): the program's text tells them. */
export function programInfo(enabled: Enabled, text: string): ProgramInfo {
  const { aggregations, speculations } = countActions(text)
  return {
    ...enabled,
    aggregations: enabled.aggregations || aggregations,
    speculations: enabled.speculations || speculations,
  }
}

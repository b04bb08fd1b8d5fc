/**
 * The C preprocessor, before a D program is compiled. Not by libdtrace's option `cpp`: that runs it with SIGCHLD set to default,
 * which can cost this process a child's exit.
 */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { DTraceError } from './errors.js'

/** How the preprocessor is run. */
export interface PreprocessorOptions {
  /** The program. Default: `cpp`, else `cc -E`, `gcc -E` or `clang -E`, whichever there is. */
  path?: string
  /** Macros: `{ DEBUG: true, LIMIT: 10, NAME: '"x"' }`; `false` undefines one. */
  defines?: Readonly<Record<string, string | number | boolean>>
  /** Folders in which `#include` looks, first to last. That of the program's file comes before them. */
  includes?: readonly string[]
  /** More arguments. */
  args?: readonly string[]
}

/** What libdtrace's own call of cpp defines (dt_open.c): programs ask for `__SUNW_D`. */
const DEFINITIONS = ['-D__linux', '-D__unix', '-D__SVR4', '-D__SUNW_D=1', '-U__GNUC__', '-std=c99']
const MOST_OUTPUT = 64 * 1024 * 1024
/** libdtrace knows this name as that of the program itself (dt_pragma_line), and then tells the line alone. */
const PROGRAM = '/dev/stdin'

const DEFAULTS: readonly (readonly [path: string, ...args: string[]])[] = [
  ['cpp'],
  ['cc', '-E', '-x', 'c'],
  ['gcc', '-E', '-x', 'c'],
  ['clang', '-E', '-x', 'c'],
]

/**
 * Preprocesses a program. Its lines keep their numbers, and those of included files their names: errors tell both.
 *
 * @param file from which the program comes, if it comes from one
 * @throws `ERR_DTRACE_COMPILE` with the preprocessor's words; `ERR_DTRACE_ARGUMENT` for a `path` that is not there
 */
export async function preprocess(
  source: string,
  file: string | undefined,
  options: PreprocessorOptions,
  signal?: AbortSignal,
): Promise<string> {
  const args = argumentsOf(options, file)
  const commands = options.path === undefined ? DEFAULTS : [[options.path] as const]
  // A script's first line is no C.
  const text = source.replace(/^#!.*/, '')
  for (const [path, ...first] of commands) {
    const output = await run(path, [...first, ...args, '-'], text, file, signal)
    if (output === undefined) continue
    const name = JSON.stringify(file ?? PROGRAM)
    return output.replace(/^(# \d+ )"<stdin>"/gm, (_, line: string) => line + name)
  }
  throw options.path === undefined
    ? new DTraceError(
        'ERR_DTRACE_COMPILE',
        'there is no C preprocessor (cpp, cc, gcc or clang): install one (Debian, Ubuntu: `apt install cpp`), or name it with cpp: { path }',
      )
    : new DTraceError('ERR_DTRACE_ARGUMENT', `the C preprocessor ${options.path} does not exist`)
}

function argumentsOf(options: PreprocessorOptions, file: string | undefined): string[] {
  const { defines = {}, includes = [], args = [], path = 'cpp' } = options
  const texts = [path, ...includes, ...args, ...Object.entries(defines).flat()]
  if (
    texts.some(
      (text) => !['string', 'number', 'boolean'].includes(typeof text) || String(text).includes('\0'),
    )
  ) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      'cpp is true or { path, defines, includes, args }: texts without NUL, and numbers and booleans as definitions',
    )
  }
  const bad = Object.keys(defines).find((name) => !/^[A-Za-z_]\w*(?:\([\w, .]*\))?$/.test(name))
  if (bad !== undefined)
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `cpp: ${JSON.stringify(bad)} is no name of a macro`)
  return [
    ...DEFINITIONS,
    ...Object.entries(defines).map(([name, value]) =>
      value === false ? `-U${name}` : value === true ? `-D${name}` : `-D${name}=${value}`,
    ),
    ...[...(file === undefined ? [] : [dirname(file)]), ...includes].flatMap((folder) => ['-I', folder]),
    ...args,
  ]
}

/** Undefined where there is no such program. */
function run(
  path: string,
  args: readonly string[],
  text: string,
  file: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      path,
      args,
      {
        encoding: 'utf8',
        maxBuffer: MOST_OUTPUT,
        env: { ...process.env, LC_ALL: 'C' },
        ...(signal ? { signal } : {}),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else if (error.code === ('ENOENT' as unknown)) resolve(undefined)
        else if (signal?.aborted) reject(signal.reason)
        else reject(failure(path, stderr.trim() || error.message, file))
      },
    )
    // One that ends without reading says why on its standard error.
    child.stdin?.on('error', () => {})
    child.stdin?.end(text)
  })
}

function failure(path: string, words: string, file: string | undefined): DTraceError {
  const told = /^(?<name>.+?):(?<line>\d+):(?:\d+:)? (?:fatal )?error: /m.exec(words)?.groups
  const where = told?.name === '<stdin>' ? file : told?.name
  return new DTraceError(
    'ERR_DTRACE_COMPILE',
    `${file ?? 'the D program'} can't be preprocessed by ${path}: ${words}`,
    {
      reason: words,
      ...(told?.line === undefined ? {} : { line: Number(told.line) }),
      ...(where === undefined ? {} : { file: where }),
    },
  )
}

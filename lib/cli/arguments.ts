import { type Command, InvalidArgumentError } from 'commander'

/** A command line cut in two: ours, and what belongs to a command or script. */
export interface SplitArguments {
  own: string[]
  rest: string[] | undefined
}

/**
 * Cuts off what follows `--`: it isn't ours to understand.
 *
 * For `rescan` what follows `--exec` too, up to a lone `;` as find(1) has it. A command that is one argument with blanks
 * (`--exec 'mpc update --wait'`) is itself cut into words, and what follows it is ours again.
 */
export function splitArguments(args: readonly string[], execOption = false): SplitArguments {
  for (const [at, arg] of args.entries()) {
    if (arg === '--') return { own: args.slice(0, at), rest: args.slice(at + 1) }
    if (!execOption) continue
    const inline = arg.startsWith('--exec=') ? arg.slice('--exec='.length) : undefined
    if (inline !== undefined) {
      return { own: [...args.slice(0, at), ...args.slice(at + 1)], rest: words(inline) }
    }
    if (arg !== '--exec') continue
    const first = args[at + 1]
    if (first !== undefined && /\s/.test(first.trim())) {
      return { own: [...args.slice(0, at), ...args.slice(at + 2)], rest: words(first) }
    }
    const semicolon = args.indexOf(';', at)
    const end = semicolon === -1 ? args.length : semicolon
    return { own: [...args.slice(0, at), ...args.slice(end + 1)], rest: args.slice(at + 1, end) }
  }
  return { own: [...args], rest: undefined }
}

/** Words of a command as a shell cuts them: blanks, quotes and backslashes, and nothing else of a shell. */
export function words(line: string): string[] {
  const found: string[] = []
  const pattern = /\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)/gsy
  let end = 0
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    end = pattern.lastIndex
    found.push(
      (match[1] as string).replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs,
        (_all, double?: string, single?: string, escaped?: string) =>
          double?.replace(/\\(["\\$`])/g, '$1') ?? single ?? escaped ?? '',
      ),
    )
  }
  if (line.slice(end).trim() !== '') {
    throw new InvalidArgumentError(`a quote is not closed in ${JSON.stringify(line)}`)
  }
  return found
}

/** For an option that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** `-x name=value` or `-x name`, as dtrace(1) has it. */
function collectOption(value: string, before: DTraceOptions | undefined): DTraceOptions {
  const [, name, setting] = /^([^=]+)(?:=(.*))?$/s.exec(value) ?? []
  if (name === undefined) throw new InvalidArgumentError('write name=value, for instance bufsize=4m')
  return { ...before, [name]: setting ?? true }
}

export type DTraceOptions = Record<string, string | boolean>

/** `-x`, which each subcommand has that opens DTrace. */
export function addDTraceOption(command: Command): Command {
  return command.option(
    '-x, --option <name=value>',
    'a DTrace option, such as bufsize=16m; may be repeated',
    collectOption,
  )
}

/** What the flags were given for; the library tells an option that is undefined from one that isn't there. */
export function given<T extends object>(options: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as ReturnType<typeof given<T>>
}

/** For `--pid`, where it may be given several times. */
export function collectPid(value: string, before: number[] | undefined): number[] {
  return [...(before ?? []), parsePid(value)]
}

export function parsePid(value: string): number {
  const pid = Number(value)
  if (!/^\d+$/.test(value) || pid < 1 || pid > 2 ** 31 - 1) {
    throw new InvalidArgumentError('a process id is a positive number')
  }
  return pid
}

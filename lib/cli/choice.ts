/** The options that the subcommands `opens`, `unlinks` and `mounts` have in common: whose calls, where, with which outcome. */
import { type Command, Option } from 'commander'
import { printable } from '../printable.js'
import type { Outcome } from '../watch/index.js'
import { collect, collectPid, type DTraceOptions, given } from './arguments.js'

export interface ChoiceFlags {
  pid?: number[]
  name?: string[]
  path?: string[]
  user?: string[]
  zone?: string[]
  failed?: boolean
  ok?: boolean
  all?: boolean
  option?: DTraceOptions
  json?: boolean
}

/** @param usual the outcome that is told where none is asked for */
export function addChoice(command: Command, usual: Outcome): Command {
  const outcome = (name: Outcome, flag: string, what: string): Option =>
    new Option(flag, name === usual ? `${what} (default)` : what).conflicts(
      ['failed', 'ok', 'all'].filter((other) => `--${other}` !== flag),
    )
  return command
    .option('--pid <pid>', 'only by this process; may be repeated', collectPid)
    .option('--name <program>', 'only by this program, or glob; may be repeated', collect)
    .option('--user <user>', 'only by this user, name or number; may be repeated', collect)
    .option('--zone <zone>', 'only in this zone: a name, a glob, or an id; may be repeated', collect)
    .option('--path <glob>', 'only paths that match; may be repeated', collect)
    .addOption(outcome('failed', '--failed', 'only what fails'))
    .addOption(outcome('ok', '--ok', 'only what succeeds'))
    .addOption(outcome('all', '--all', 'what fails and what succeeds'))
}

/** For the watcher, which says what is wrong with them. */
export function choiceOptions(flags: ChoiceFlags) {
  return given({
    pids: flags.pid,
    processes: flags.name,
    include: flags.path,
    users: flags.user,
    zones: flags.zone,
    outcome: outcomeOf(flags),
    options: flags.option,
  })
}

/** @param what the plural of what is watched @param more other things that were chosen */
export function describeChoice(what: string, flags: ChoiceFlags, more: readonly string[] = []): string {
  const { pid, name, path, user, zone } = flags
  const chosen = [
    ...(pid === undefined ? [] : [`pid ${pid.join(', ')}`]),
    ...[name, path, more, user, zone].flatMap((texts) => (texts?.length ? [texts.join(', ')] : [])),
  ]
  const of = chosen.length === 0 ? '' : ` of ${printable(chosen.join('; '))}`
  return `${what}${OUTCOMES[outcomeOf(flags) ?? 'usual']}${of}`
}

const OUTCOMES = {
  usual: '',
  failed: ' that fail',
  ok: ' that succeed',
  all: ', whether they fail or not,',
} as const

function outcomeOf({ failed, ok, all }: ChoiceFlags): Outcome | undefined {
  return failed ? 'failed' : ok ? 'ok' : all ? 'all' : undefined
}

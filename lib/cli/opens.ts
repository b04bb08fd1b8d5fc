import type { Command } from 'commander'
import { printable } from '../printable.js'
import type { OpenEvent, OpensOptions, OpensWatcher } from '../watch/index.js'
import { watchOpens } from '../watch/index.js'
import { collect, collectOption, parsePid } from './arguments.js'
import { clock } from './format.js'
import { type Colors, Output } from './output.js'
import { watch } from './watching.js'

interface OpensFlags {
  pid?: number[]
  name?: string[]
  path?: string[]
  user?: string[]
  zone?: string[]
  failed?: boolean
  option?: Record<string, string | boolean>
  json?: boolean
}

const HELP = `
The path is that of the file itself, whatever links led to it; of what fails, the string that was passed, made absolute.
A glob without a slash is about the name in any folder, one with a leading slash begins at /. It also matches on an
absolute path as it was passed. A leading ! excludes.

Examples:
  dtrace-watch opens --failed --name nginx
  dtrace-watch opens --path '/etc/**' --user '!root'
  dtrace-watch opens --pid 4711 --json
`

export function addOpens(program: Command): void {
  program
    .command('opens')
    .description('tell which files are opened, by whom, and what fails to be')
    .option('--pid <pid>', 'only this process; may be repeated', collectPid)
    .option('--name <program>', 'only this program, or glob; may be repeated', collect)
    .option('--path <glob>', 'only files that match; may be repeated', collect)
    .option('--failed', 'only what fails')
    .option('--zone <zone>', 'only in this zone: a name, a glob, or an id; may be repeated', collect)
    .option('--user <user>', 'only by this user, name or number; may be repeated', collect)
    .option(
      '-x, --option <name=value>',
      'a DTrace option, such as bufsize=16m; may be repeated',
      collectOption,
    )
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (flags: OpensFlags) => {
      const course = { start: () => watchOpens(opensOptions(flags)), report, ready: () => ready(flags) }
      await watch(course, new Output({ json: flags.json === true }))
    })
}

function collectPid(value: string, before: number[] | undefined): number[] {
  return [...(before ?? []), parsePid(value)]
}

export function opensOptions(flags: OpensFlags): OpensOptions {
  const given = Object.entries({
    pids: flags.pid,
    processes: flags.name,
    include: flags.path,
    users: flags.user,
    zones: flags.zone,
    failedOnly: flags.failed,
    options: flags.option,
  }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as OpensOptions
}

function report(watcher: OpensWatcher, output: Output): void {
  let headed = false
  watcher.on('open', (open) => {
    if (!headed) output.say(({ bold }) => bold(HEADER))
    headed = true
    output.emit('open', { ...open }, (colors) => line(open, colors))
  })
  watcher.on('blind', (blind) => output.warn('blind', blind.message, { ...blind }))
}

function ready({ pid, failed, name, path, user, zone }: OpensFlags): {
  fields: Record<string, unknown>
  what: string
} {
  const chosen = [
    ...(pid === undefined ? [] : [`pid ${pid.join(', ')}`]),
    ...[name, path, user, zone].flatMap((texts) => (texts === undefined ? [] : [texts.join(', ')])),
  ]
  const by = chosen.length === 0 ? '' : ` of ${printable(chosen.join('; '))}`
  return { fields: {}, what: `${failed === true ? 'failing opens' : 'opens'}${by}` }
}

/** One line of the table; the last column has no width. */
function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (RIGHT.has(i) ? cell.padStart(WIDTHS[i] ?? 0) : cell.padEnd(WIDTHS[i] ?? 0)))
    .join('  ')
}

const WIDTHS = [12, 12, 5, 7, 15, 8, 20]
/** Numbers: to the right. */
const RIGHT: ReadonlySet<number> = new Set([2, 3])
const HEADER = row(['TIME', 'ZONE', 'UID', 'PID', 'EXECNAME', 'FD/ERROR', 'FLAGS', 'PATH'])

function line(open: OpenEvent, { red }: Colors): string {
  const { timestamp, zone_name, uid, pid, execname, fd, error, flag_names, path } = open
  const who = row([clock(timestamp), printable(zone_name), String(uid), String(pid), printable(execname)])
  const result = (error ?? String(fd)).padEnd(WIDTHS[5] ?? 0)
  const what = `${flag_names.join('|').padEnd(WIDTHS[6] ?? 0)}  ${printable(path)}`
  return `${who}  ${error === undefined ? result : red(result)}  ${what}`
}

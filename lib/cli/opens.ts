import type { Command } from 'commander'
import { printable } from '../printable.js'
import type { OpenEvent, OpensWatcher } from '../watch/index.js'
import { watchOpens } from '../watch/index.js'
import { addChoice, type ChoiceFlags, choiceOptions, describeChoice } from './choice.js'
import { clock } from './format.js'
import { type Colors, Output } from './output.js'
import { addWatching, watch } from './watching.js'

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
  const command = program
    .command('opens')
    .description('tell which files are opened, by whom, and what fails to be')
  addWatching(addChoice(command, 'all'), HELP).action(async (flags: ChoiceFlags) => {
    const course = {
      start: () => watchOpens(choiceOptions(flags)),
      report,
      ready: () => ({ what: describeChoice('opens', flags) }),
    }
    await watch(course, new Output({ json: flags.json === true }))
  })
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

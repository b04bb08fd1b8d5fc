import type { Command } from 'commander'
import { DTraceError } from '../errors.js'
import { printable } from '../printable.js'
import type {
  MissEvent,
  SnapshotEvent,
  SnapshotOptions,
  UnlinkEvent,
  UnlinksOptions,
  UnlinksWatcher,
} from '../watch/index.js'
import { watchUnlinks } from '../watch/index.js'
import { collect, given } from './arguments.js'
import { addChoice, type ChoiceFlags, choiceOptions, describeChoice } from './choice.js'
import { clock } from './format.js'
import { type Colors, counted, Output } from './output.js'
import { addWatching, type Ready, watch } from './watching.js'

interface UnlinksFlags extends ChoiceFlags {
  exclude?: string[]
  uncertain?: boolean
  snapshot?: string[]
  snapshotDirectory?: string
  maxSize?: string
  maxTotal?: string
  search?: string[]
  pin?: boolean
  maxPins?: number
}

const HELP = `
A removal is an unlink, an rmdir, or a rename over something that was there. A glob without a slash is about the name in any
directory, one with a slash begins at /. A leading ! excludes.

Copies can be kept of files that somebody still holds when the removal is heard of: a process that has the file open, another
name of it, or, with --pin, this program. What could not be kept is reported, with the reason.

Examples:
  dtrace-watch unlinks --path '/srv/**'
  dtrace-watch unlinks --name '!rm' --all --json
  dtrace-watch unlinks --snapshot '/etc/**' --pin --snapshot-directory /var/lib/removed
`

export function addUnlinks(program: Command): void {
  const command = program
    .command('unlinks')
    .description('tell who removes files and directories, and keep copies')
  addChoice(command, 'ok')
    .option('--exclude <glob>', 'not paths that match; may be repeated', collect)
    .option('--no-uncertain', 'not renames of which the kernel does not tell whether they replaced something')
    .option('--snapshot <glob>', 'keep a copy of files that match; may be repeated', collect)
    .option('--snapshot-directory <directory>', 'where copies go; made if it is not there')
    .option('--max-size <size>', 'the largest file to keep (default: 64m)')
    .option('--max-total <size>', 'the most to keep in all (default: 1g)')
    .option('--search <directory>', 'where to look for other names of a file; may be repeated', collect)
    .option('--pin', 'hold matching files open before they are removed')
    .option('--max-pins <number>', 'the most files to hold (default: 1024)', Number)
  addWatching(command, HELP).action(async (flags: UnlinksFlags) => {
    const options = unlinksOptions(flags)
    const course = {
      start: () => watchUnlinks(options),
      report,
      ready: () => ready(flags),
    }
    const output = new Output({ json: flags.json === true })
    const { snapshots } = await watch(course, output)
    if (snapshots === undefined) return
    const { kept, bytes, missed } = snapshots
    output.emit('summary', { ...snapshots }, ({ dim }) =>
      dim(`${counted(kept, 'snapshot')} kept, ${counted(bytes, 'byte')}; ${missed} missed.`),
    )
  })
}

function unlinksOptions(flags: UnlinksFlags): UnlinksOptions {
  const { exclude, uncertain } = flags
  const snapshot = snapshotOptions(flags)
  return { ...choiceOptions(flags), ...given({ exclude, uncertain, snapshot }) }
}

function snapshotOptions(flags: UnlinksFlags): SnapshotOptions | undefined {
  const { snapshot: include, snapshotDirectory: directory } = flags
  const { maxSize, maxTotal, search, pin, maxPins } = flags
  const rest = given({ maxSize, maxTotal, search, pin, maxPins })
  if (include !== undefined && directory !== undefined) return { include, directory, ...rest }
  if ((include ?? directory) === undefined && Object.keys(rest).length === 0) return undefined
  const missing = include === undefined ? '--snapshot GLOB' : '--snapshot-directory DIRECTORY'
  throw new DTraceError('ERR_DTRACE_ARGUMENT', `keeping copies needs ${missing} too: see --help`)
}

function report(watcher: UnlinksWatcher, output: Output): void {
  watcher.on('unlink', (unlink) => {
    output.emit('unlink', { ...unlink }, (colors) => unlinkLine(unlink, colors))
  })
  watcher.on('snapshot', (snapshot) => {
    output.emit('snapshot', { ...snapshot }, (colors) => snapshotLine(snapshot, colors))
  })
  watcher.on('miss', (miss) => output.emit('miss', { ...miss }, (colors) => missLine(miss, colors)))
  watcher.on('blind', (blind) => output.warn('blind', blind.message, { ...blind }))
}

function unlinkLine(unlink: UnlinkEvent, { cyan, dim, red, yellow }: Colors): string {
  const { timestamp, op, path, replaced_by, certain, error, execname, pid, uid, zone_name } = unlink
  const by = replaced_by === undefined ? '' : dim(` replaced by ${printable(replaced_by)}`)
  const maybe = certain || error !== undefined ? '' : dim(' (if it was there)')
  const failed = error === undefined ? '' : `  ${red(error)}`
  const who = `${yellow(printable(execname))} ${dim(`${pid} uid ${uid} in ${printable(zone_name)}`)}`
  return `${clock(timestamp)}  ${cyan(op.padEnd(8))}  ${printable(path)}${by}${maybe}${failed}  ${dim('by')} ${who}`
}

function snapshotLine({ path, copy, bytes, how }: SnapshotEvent, { dim, green }: Colors): string {
  const what = dim(`${counted(bytes, 'byte')}, ${HOW[how]}`)
  return `${clock()}  ${green('kept')}      ${printable(path)} → ${printable(copy)}  ${what}`
}

const HOW: Readonly<{ [how in SnapshotEvent['how']]: string }> = {
  descriptor: 'still open',
  link: 'had another name',
  pinned: 'pinned',
}

function missLine({ message }: MissEvent, { red }: Colors): string {
  return `${clock()}  ${red('missed')}    ${printable(message)}`
}

function ready(flags: UnlinksFlags): Ready {
  const { snapshot, snapshotDirectory } = flags
  const what = describeChoice('removals', flags)
  if (snapshot === undefined || snapshotDirectory === undefined) return { what }
  return { what, action: `copies go to ${printable(snapshotDirectory)}` }
}

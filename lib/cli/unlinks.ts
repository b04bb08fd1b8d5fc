import type { Command } from 'commander'
import { DTraceError } from '../errors.js'
import { printable } from '../printable.js'
import type { MissEvent, SnapshotEvent, UnlinkEvent, UnlinksOptions, UnlinkWatcher } from '../watch/index.js'
import { watchUnlinks } from '../watch/index.js'
import { collect, collectOption, parsePid } from './arguments.js'
import { clock } from './format.js'
import { type Colors, counted, Output } from './output.js'
import { watch } from './watching.js'

interface UnlinksFlags {
  pid?: number[]
  name?: string[]
  path?: string[]
  exclude?: string[]
  user?: string[]
  zone?: string[]
  failed?: boolean
  uncertain?: boolean
  snapshot?: string[]
  snapshotDirectory?: string
  maxSize?: string
  maxTotal?: string
  search?: string[]
  pin?: boolean
  maxPins?: number
  option?: Record<string, string | boolean>
  json?: boolean
}

const HELP = `
A removal is an unlink, an rmdir, or a rename over something that was there. A glob without a slash is about the name in any
directory, one with a slash begins at /. A leading ! excludes.

Copies can be kept of files that somebody still holds when the removal is heard of: a process that has the file open, another
name of it, or, with --pin, this program. What could not be kept is reported, with the reason.

Examples:
  dtrace-watch unlinks --path '/srv/**'
  dtrace-watch unlinks --name '!rm' --failed --json
  dtrace-watch unlinks --snapshot '/etc/**' --pin --snapshot-directory /var/lib/removed
`

export function addUnlinks(program: Command): void {
  program
    .command('unlinks')
    .description('tell who removes files and directories, and keep copies')
    .option('--pid <pid>', 'only by this process; may be repeated', collectPid)
    .option('--name <program>', 'only by this program, or glob; may be repeated', collect)
    .option('--path <glob>', 'only what matches; may be repeated', collect)
    .option('--exclude <glob>', 'not what matches; may be repeated', collect)
    .option('--user <user>', 'only by this user, name or number; may be repeated', collect)
    .option('--zone <zone>', 'only in this zone: a name, a glob, or an id; may be repeated', collect)
    .option('--failed', 'calls that failed too')
    .option('--no-uncertain', 'not renames of which the kernel does not tell whether they replaced something')
    .option('--snapshot <glob>', 'keep a copy of files that match; may be repeated', collect)
    .option('--snapshot-directory <directory>', 'where copies go; made if it is not there')
    .option('--max-size <size>', 'the largest file to keep (default: 64m)')
    .option('--max-total <size>', 'the most to keep in all (default: 1g)')
    .option('--search <directory>', 'where to look for other names of a file; may be repeated', collect)
    .option('--pin', 'hold matching files open before they are removed')
    .option('--max-pins <number>', 'the most files to hold (default: 1024)', Number)
    .option(
      '-x, --option <name=value>',
      'a DTrace option, such as bufsize=16m; may be repeated',
      collectOption,
    )
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (flags: UnlinksFlags) => {
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

function collectPid(value: string, before: number[] | undefined): number[] {
  return [...(before ?? []), parsePid(value)]
}

export function unlinksOptions(flags: UnlinksFlags): UnlinksOptions {
  const snapshot = given({
    include: flags.snapshot,
    directory: flags.snapshotDirectory,
    maxSize: flags.maxSize,
    maxTotal: flags.maxTotal,
    search: flags.search,
    pin: flags.pin,
    maxPins: flags.maxPins,
  })
  const [first] = Object.keys(snapshot)
  const any = first !== undefined
  if (any && (flags.snapshot === undefined || flags.snapshotDirectory === undefined)) {
    const missing = flags.snapshot === undefined ? '--snapshot GLOB' : '--snapshot-directory DIRECTORY'
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `keeping copies needs ${missing} too: see --help`)
  }
  return given({
    pids: flags.pid,
    processes: flags.name,
    include: flags.path,
    exclude: flags.exclude,
    users: flags.user,
    zones: flags.zone,
    failed: flags.failed,
    uncertain: flags.uncertain,
    options: flags.option,
    snapshot: any ? snapshot : undefined,
  }) as UnlinksOptions
}

function given(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function report(watcher: UnlinkWatcher, output: Output): void {
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

function ready(flags: UnlinksFlags): { fields: Record<string, unknown>; what: string; action?: string } {
  const { pid, name, path, user, zone, failed, snapshot, snapshotDirectory } = flags
  const chosen = [
    ...(pid === undefined ? [] : [`pid ${pid.join(', ')}`]),
    ...[name, path, user, zone].flatMap((texts) => (texts === undefined ? [] : [texts.join(', ')])),
  ]
  const of = chosen.length === 0 ? '' : ` of ${printable(chosen.join('; '))}`
  const what = `removals${failed === true ? ', failed ones too,' : ''}${of}`
  if (snapshot === undefined || snapshotDirectory === undefined) return { fields: {}, what }
  return { fields: {}, what, action: `copies go to ${printable(snapshotDirectory)}` }
}

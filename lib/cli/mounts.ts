import type { Command } from 'commander'
import { printable } from '../printable.js'
import {
  type MountEvent,
  type MountsOptions,
  type MountsWatcher,
  mountOptionWords,
  watchMounts,
} from '../watch/index.js'
import { collect, given } from './arguments.js'
import { addChoice, type ChoiceFlags, choiceOptions, describeChoice } from './choice.js'
import { clock } from './format.js'
import { type Colors, Output } from './output.js'
import { addWatching, watch } from './watching.js'

interface MountsFlags extends ChoiceFlags {
  type?: string[]
  calls?: boolean
}

const HELP = `
Paths are as the process' own mount namespace has them. A glob without a slash is about the name in any folder, one with
a leading slash begins at /. A leading ! excludes, in all options that take names or globs.

Examples:
  dtrace-watch mounts --failed
  dtrace-watch mounts --path '/mnt/**' --type ext4 --type xfs
  dtrace-watch mounts --zone web --calls --json
`

export function addMounts(program: Command): void {
  const command = program
    .command('mounts')
    .description('tell what is mounted, unmounted, moved and changed, by whom, and what fails to be')
  addChoice(command, 'all')
    .option('--type <fstype>', 'only file systems of this type, or glob; may be repeated', collect)
    .option('--calls', 'each step of the newer calls too: fsopen, fsconfig, fsmount, open_tree, …')
  addWatching(command, HELP).action(async (flags: MountsFlags) => {
    const course = {
      start: () => watchMounts(mountsOptions(flags)),
      report,
      ready: () => ({ what: describeChoice('mounts', flags, flags.type) }),
    }
    await watch(course, new Output({ json: flags.json === true }))
  })
}

function mountsOptions(flags: MountsFlags): MountsOptions {
  return { ...choiceOptions(flags), ...given({ types: flags.type, calls: flags.calls }) }
}

function report(watcher: MountsWatcher, output: Output): void {
  watcher.on('mount', (event) => {
    output.emit('mount', { ...event }, (colors) => mountLine(event, colors))
  })
}

/** `12:00:01.123  mount  /dev/sdb1 on /mnt type ext4 (ro,nosuid)  by mount 1234 uid 0 in aap` */
function mountLine(event: MountEvent, { cyan, dim, red, yellow }: Colors): string {
  const { op, error, execname, pid, uid, zone_name, timestamp } = event
  const failed = error === undefined ? '' : `${red(`failed: ${error}`)}  `
  const whose = dim(`${pid} uid ${uid} in ${printable(zone_name)}`)
  const who = `${dim('by')} ${yellow(printable(execname))} ${whose}`
  const name = error === undefined ? cyan(op.padEnd(11)) : red(op.padEnd(11))
  return `${clock(timestamp)}  ${name}  ${failed}${what(event)}  ${who}`
}

function what(event: MountEvent): string {
  const { op, call, source, target, fstype, parameter, propagation } = event
  const words = [...details(event)]
  const more = words.length === 0 ? '' : ` (${printable(words.join(','))})`
  const from = source === undefined ? undefined : printable(source)
  const at = target === undefined ? undefined : printable(target)
  const type = fstype === undefined ? '' : ` type ${printable(fstype)}`
  switch (op) {
    case 'move':
      return `${from ?? '?'} to ${at ?? '?'}${type}${more}`
    case 'pivot_root':
      return `${from ?? '?'} is /, the old root is at ${at ?? '?'}`
    case 'propagation':
      return from === undefined
        ? `${at ?? '?'} ${propagation ?? '?'}${more}`
        : `${at ?? '?'} as ${from}${more}`
    case 'mount':
    case 'bind':
    case 'remount': {
      const step = event.error !== undefined && call.startsWith('fs') ? ` at ${call}` : ''
      const failing = parameter === undefined ? '' : ` ${printable(parameter)}`
      const place = [from, at].filter((path) => path !== undefined).join(' on ')
      return `${place}${type}${more}${step}${failing}`.trimStart()
    }
    default: {
      const rest = parameter === undefined ? '' : ` ${printable(parameter)}`
      const command = op === 'fsconfig' && parameter === undefined ? ` ${event.flag_names.join()}` : ''
      return `${at ?? from ?? ''}${type}${more}${rest}${command}`.trimStart()
    }
  }
}

/** As mount(8) writes options: those of the mount, then those of the file system; what is taken away after a minus sign. */
function* details(event: MountEvent): Generator<string> {
  const { op, flag_names, attr_set_names, attr_clr_names, options, propagation, recursive } = event
  yield* mountOptionWords(flag_names)
  yield* mountOptionWords(attr_set_names ?? [])
  for (const word of mountOptionWords(attr_clr_names ?? [])) yield `-${word}`
  if (propagation !== undefined && op !== 'propagation') yield propagation
  if (recursive === true) yield 'rec'
  if (options !== undefined) yield options
}

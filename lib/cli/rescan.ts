import { type Command, Option } from 'commander'
import { describeTarget, type Pace, parseDuration, type Target } from '../act/index.js'
import { DTraceError } from '../errors.js'
import { printable } from '../printable.js'
import { RESCAN_PLANS, type RescanOptions, RescanWatcher } from '../watch/index.js'
import { collect, type DTraceOptions, given, parsePid } from './arguments.js'
import { exitCodes } from './exit-codes.js'
import { counted, Output } from './output.js'
import { report } from './rescan-report.js'
import { addWatching, watch } from './watching.js'

interface RescanFlags {
  pid?: number
  pidfile?: string
  process?: string
  unit?: string
  timeout?: string
  stopTimeout?: string
  signal?: string
  every?: string
  debounce?: string
  maxWait?: string
  include?: string[]
  exclude?: string[]
  by?: string[]
  user?: string[]
  option?: DTraceOptions
  ignoreTarget?: boolean
  plan?: NonNullable<RescanOptions['plan']>
  json?: boolean
}

const PLAN_NAMES = { vfs: "the kernel's VFS layer", syscall: 'system calls' } as const

const HELP = `
Without a target changes are only reported. The target is a process, looked for anew each time, or a command.
A command is run without a shell and gets the changes on its standard input, one JSON object a line; changes during
its run lead to one more run after it.
  --exec COMMAND ARG…    what follows is the command's, up to a lone ';' or the end of the line
  -- COMMAND ARG…        the same

A glob without a slash is about the name in any folder, one with a leading slash begins at DIR. A leading ! excludes.

Examples:
  dtrace-watch rescan /srv/media --pidfile /run/gerbera.pid --include '*.{mp3,flac}'
  dtrace-watch rescan /srv/media --debounce 2s -- mpc update --wait
  dtrace-watch rescan /etc/hosts.d --process dnsmasq --json
`

export function addRescan(program: Command, rest: readonly string[] | undefined): void {
  const command = program
    .command('rescan')
    .description('tell a server to rescan when files below directories change: a signal, or a command')
    .argument('<dir...>', 'directories to watch, with all that is in them')
    .option('--pid <pid>', 'signal this process', parsePid)
    .option('--pidfile <file>', 'signal the process whose pid is in this file')
    .option('--process <name>', 'signal the processes of this name')
    .option('--unit <name>', 'signal the main process of this systemd unit')
    .option('--exec <command...>', 'run a command: see below')
    .option('--timeout <time>', 'end a command that takes longer; 0: never (default: 1h)')
    .option('--stop-timeout <time>', 'end a command that still runs so long after Ctrl-C (default: 10s)')
    .option('--no-ignore-target', 'changes that the target itself makes count too')
    .option('--signal <signal>', 'the signal to send (default: SIGHUP)')
    .option('--every <time>', 'look this often whether something has changed (default: 60s)')
    .option('--debounce <time>', 'act when nothing has changed for this long instead')
    .option('--max-wait <time>', 'with --debounce: wait no longer than this (default: 60s)')
    .option('--include <glob>', 'only files that match; may be repeated', collect)
    .option('--exclude <glob>', 'not what matches; may be repeated', collect)
    .option(
      '--by <program>',
      'only changes made by this program, by none with a leading !; may be repeated',
      collect,
    )
    .option(
      '--user <user>',
      'only changes made by this user, by none with a leading !; may be repeated',
      collect,
    )
    .addOption(
      new Option(
        '--plan <plan>',
        "the probes: of the kernel's VFS layer or of system calls (default: auto, VFS where the kernel has fbt)",
      ).choices(RESCAN_PLANS),
    )
  addWatching(command, HELP).action(async (paths: string[], flags: RescanFlags) => {
    await rescan(rescanOptions(paths, flags, rest), flags.json === true)
  })
}

/** @throws DTraceError `ERR_DTRACE_ARGUMENT` */
function rescanOptions(
  paths: string[],
  flags: RescanFlags,
  command: readonly string[] | undefined,
): RescanOptions {
  const to = target(flags, command)
  return {
    paths,
    ...(to === undefined ? {} : { target: to, ...pace(flags) }),
    ...given({
      include: flags.include,
      exclude: flags.exclude,
      processes: flags.by,
      users: flags.user,
      signal: flags.signal,
      ignoreTarget: flags.ignoreTarget,
      plan: flags.plan,
      stopTimeout: flags.stopTimeout === '0' ? 0 : flags.stopTimeout,
      options: flags.option,
    }),
  }
}

function target(flags: RescanFlags, command: readonly string[] | undefined): Target | undefined {
  const { pid, pidfile, process, unit, timeout, stopTimeout, signal, every, debounce, maxWait } = flags
  const named = Object.entries(given({ pid, pidfile, process, unit, exec: command }))
  const options = '--pid, --pidfile, --process, --unit, --exec or -- COMMAND'
  const [only] = named
  if (only === undefined) {
    const [orphan] = Object.keys(given({ signal, every, debounce, maxWait, timeout, stopTimeout }))
    if (orphan === undefined) return undefined
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `--${orphan.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)} needs a target: give one of ${options}`,
    )
  }
  if (named.length > 1) {
    const names = named.map(([name]) => `--${name}`).join(' and ')
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `${names} exclude each other: give just one of ${options}`)
  }
  if (command !== undefined && command.length === 0) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', 'the command is missing after --exec or --')
  }
  if (command !== undefined && flags.signal !== undefined) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', '--signal is for a process, and the target is a command')
  }
  const late = stopTimeout === undefined ? '--timeout' : '--stop-timeout'
  if ((timeout ?? stopTimeout) !== undefined && command === undefined) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `${late} is for a command, and the target is a process`)
  }
  const limit = timeout === undefined ? {} : { timeout: timeout === '0' ? 0 : timeout }
  return { ...Object.fromEntries([only]), ...limit } as Target
}

function pace({ every, debounce, maxWait }: RescanFlags): Pace {
  if (every !== undefined && debounce !== undefined) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', '--every and --debounce exclude each other')
  }
  // Now, not after the second that it takes to open DTrace.
  if (every !== undefined) parseDuration(every, '--every')
  if (debounce !== undefined) parseDuration(debounce, '--debounce')
  if (maxWait !== undefined) parseDuration(maxWait, '--max-wait')
  if (debounce !== undefined) return maxWait === undefined ? { debounce } : { debounce, maxWait }
  if (maxWait !== undefined) throw new DTraceError('ERR_DTRACE_ARGUMENT', '--max-wait goes with --debounce')
  return { every: every ?? '60s' }
}

async function rescan(options: RescanOptions, json: boolean): Promise<void> {
  const output = new Output({ json })
  const { paths, target } = options
  const names = [paths].flat()
  const watcher = await watch(
    {
      start: () =>
        RescanWatcher.start({ ...options, onOutput: (stream, chunk) => output.passOn(stream, chunk) }),
      report,
      ready: ({ plan, planReason }) => ({
        fields: { paths: names, plan, plan_reason: planReason },
        what: `${names.map(printable).join(' ')} by ${PLAN_NAMES[plan]}`,
        action: target === undefined ? 'changes are only reported' : `tells ${describeTarget(target)}`,
      }),
      stopping: ({ pending }) =>
        output.emit('stopping', { pending }, ({ dim }) =>
          dim(`Stopping, with ${counted(pending, 'change')} to deliver …`),
        ),
    },
    output,
  )
  if (watcher.pending > 0) process.exitCode = exitCodes.failure
}

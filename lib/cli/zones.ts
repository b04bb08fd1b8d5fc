import type { Command } from 'commander'
import { printable } from '../printable.js'
import type { Runtime, ZoneEvent, ZoneEventKind } from '../watch/index.js'
import { ZoneMonitor, type ZoneMonitorOptions } from '../watch/index.js'
import { collect, type DTraceOptions, given } from './arguments.js'
import { clock } from './format.js'
import { type Colors, Output } from './output.js'
import { addWatching, watch } from './watching.js'

interface ZonesFlags {
  name?: string[]
  runtime?: string[]
  event?: string[]
  option?: DTraceOptions
  json?: boolean
}

const HELP = `
A zone is a Linux container, whoever made it (a PID namespace with its first process), an illumos zone or a FreeBSD jail.
Zones that are up already are listed first.

Examples:
  dtrace-watch zones
  dtrace-watch zones --name 'web*' --name '!web-test' --event boot --event shutdown
  dtrace-watch zones --runtime docker --runtime podman --json
`

export function addZones(program: Command): void {
  const command = program
    .command('zones')
    .description('tell when containers, zones or jails boot and shut down, the moment they do')
    .option(
      '--name <glob>',
      'only zones of this name, or glob, or id; none with a leading !; may be repeated',
      collect,
    )
    .option(
      '--runtime <name>',
      'only zones of this runtime: docker, podman, runc, …; may be repeated',
      collect,
    )
    .option('--event <kind>', 'only these: present, boot, shutdown, failed; may be repeated', collect)
  addWatching(command, HELP).action(async (flags: ZonesFlags) => {
    const course = {
      start: () => ZoneMonitor.start(zonesOptions(flags)),
      report: (monitor: ZoneMonitor, output: Output) => {
        monitor.on('zone', (event) => {
          output.emit('zone', { ...event }, (colors) => zoneLine(event, colors))
        })
      },
      ready: () => ({ what: 'zones' }),
    }
    await watch(course, new Output({ json: flags.json === true }))
  })
}

/** What they mean is checked by the monitor. */
function zonesOptions({ name, runtime, event, option }: ZonesFlags): ZoneMonitorOptions {
  return given({
    names: name,
    runtimes: runtime as Runtime[] | undefined,
    events: event as ZoneEventKind[] | undefined,
    options: option,
  })
}

const WHAT: Record<ZoneEventKind, string> = {
  present: 'is up',
  boot: 'booted',
  shutdown: 'shutdown',
  failed: 'failed to boot',
}

/** `Zone aap booted`, as it always was; then when, whose, which, and how. */
function zoneLine(event: ZoneEvent, { bold, dim, cyan, red }: Colors): string {
  const { zone_name, runtime, zone_id, timestamp } = event
  const what = `Zone ${bold(printable(zone_name))} ${WHAT[event.event]}`
  const how = detail(event)
  const details =
    how === '' ? '' : `  ${event.event === 'failed' || event.signal !== undefined ? red(how) : how}`
  return `${what}  ${clock(timestamp)}  ${cyan(runtime)} ${dim(String(zone_id))}${details}`
}

function detail(zone: ZoneEvent): string {
  const { event, command, exit_status, signal, oom, uptime, creator, inferred } = zone
  const ending =
    signal !== undefined
      ? `by ${signal}${oom ? ', out of memory' : ''}`
      : exit_status !== undefined
        ? `exit status ${exit_status}`
        : inferred
          ? 'found afterwards, its record was dropped'
          : ''
  const after = uptime === undefined ? '' : `after ${span(uptime)}`
  switch (event) {
    case 'boot':
      return printable(command ?? '')
    case 'present':
      return [uptime === undefined ? '' : `for ${span(uptime)}`, printable(command ?? '')]
        .filter(Boolean)
        .join('  ')
    case 'shutdown':
      return [ending, after].filter(Boolean).join(' ')
    case 'failed':
      return [ending, creator === undefined ? '' : `of ${printable(creator)}`].filter(Boolean).join(' ')
  }
}

/** `0.051 s`, `3.2 s`, `12 min`, `5 h`, `3 days`. */
function span(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 1) return `${seconds.toFixed(3)} s`
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}

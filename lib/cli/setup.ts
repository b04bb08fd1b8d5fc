import type { Command } from 'commander'
import { DTraceError } from '../errors.js'
import { setupHelper, setupLibrary } from '../setup/index.js'
import { Output } from './output.js'

interface SetupFlags {
  prefix?: string
  helper?: string
  group?: string
  json?: boolean
}

export function addSetup(program: Command): void {
  program
    .command('setup')
    .description('get a private libdtrace where the system has none (Debian, Ubuntu); changes nothing else')
    .option('--prefix <folder>', 'put it there instead of into the data folder')
    .option(
      '--helper <folder>',
      'make, in that folder, a helper that traces for services without privileges (docs/hosts.md); as root',
    )
    .option(
      '--group <name>',
      'with --helper: members of this group may start it; without: only sudo or systemd',
    )
    .option('--json', 'one JSON object a line')
    .action(async (options: SetupFlags) => {
      const output = new Output({ json: options.json === true })
      const log = (message: string): void => output.emit('step', { message }, () => message)
      if (options.helper !== undefined) await makeHelper(options.helper, options, output, log)
      else await getLibrary(options, output, log)
    })
}

type Log = (message: string) => void

async function getLibrary({ prefix, group }: SetupFlags, output: Output, log: Log): Promise<void> {
  if (group !== undefined)
    throw new DTraceError('ERR_DTRACE_ARGUMENT', '--group says who may start a helper: it goes with --helper')
  const result = await setupLibrary({ ...(prefix === undefined ? {} : { prefix }), log })
  output.emit('setup', { ...result }, ({ green }) => `${green('ready')}: see also dtrace-watch doctor`)
}

async function makeHelper(
  folder: string,
  { prefix, group }: SetupFlags,
  output: Output,
  log: Log,
): Promise<void> {
  if (prefix !== undefined)
    throw new DTraceError('ERR_DTRACE_ARGUMENT', '--prefix and --helper are two things: use one at a time')
  const result = await setupHelper({ folder, ...(group === undefined ? {} : { group }), log })
  output.emit('helper', { ...result }, ({ green }) => {
    const how =
      group === undefined
        ? 'root alone may start it: give it to a service by sudo or systemd (docs/hosts.md)'
        : `members of ${group} use it with Consumer.open({ helper: { command: ['${result.host}'] } })`
    return `${green('ready')}: ${result.host}\n  ${how}\n  make it anew after an update of the kernel or of this package`
  })
}

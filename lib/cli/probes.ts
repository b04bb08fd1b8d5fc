import type { Command } from 'commander'
import { Consumer } from '../consumer.js'
import { DTraceError } from '../errors.js'
import type { Stability } from '../host/commands.js'
import { leave } from '../leaving.js'
import { printable } from '../printable.js'
import type { ProbeDescription } from '../probes.js'
import type { Probe } from '../record/decoder.js'
import { addDTraceOption, type DTraceOptions, given } from './arguments.js'
import { Output } from './output.js'

interface ProbesFlags {
  option?: DTraceOptions
  verbose?: boolean
  json?: boolean
}

const HELP = `
A filter is provider:module:function:name, with globs; with fewer parts, the last ones: openat:entry is a function and a name.
Without one, all probes are listed; with several, those that any of them fits, filter by filter.
Ends with status 2 where a filter fits nothing.

Examples:
  dtrace-watch probes 'syscall::open*:entry'
  dtrace-watch probes -v --json proc:::
`

export function addProbes(program: Command): void {
  const command = program
    .command('probes')
    .description('list the probes that this machine has, as dtrace -l does')
    .argument('[filter...]', 'which ones')
  addDTraceOption(command)
    .option('-v, --verbose', 'with the types of their arguments, and stabilities')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action(listProbes)
}

async function listProbes(filters: string[], flags: ProbesFlags): Promise<void> {
  const output = new Output({ json: flags.json === true })
  const consumer = await Consumer.open(given({ options: flags.option }))
  try {
    let headed = false
    for (const filter of filters.length === 0 ? [''] : filters) {
      const probes =
        flags.verbose === true
          ? consumer.probes(filter, { arguments: true })
          : consumer.probes(filter, { arguments: false })
      let found = false
      for await (const probe of probes) {
        if (!headed) output.say(({ bold }) => bold(row(['ID', 'PROVIDER', 'MODULE', 'FUNCTION', 'NAME'])))
        headed = true
        found = true
        output.emit('probe', { ...probe }, () => describe(probe))
      }
      if (!found) {
        throw new DTraceError(
          'ERR_DTRACE_ARGUMENT',
          `no probe fits ${JSON.stringify(filter)}; \`dtrace-watch probes\` lists all`,
        )
      }
    }
  } finally {
    leave()
    await consumer.close()
  }
}

/** The columns of `dtrace -l`. */
function row([id = '', provider = '', module = '', func = '', name = '']: readonly string[]): string {
  return [id.padStart(5), provider.padStart(10), module.padStart(17), func.padStart(33), name].join(' ')
}

function describe(probe: Probe | ProbeDescription): string {
  const { id, provider, module, function: func, name } = probe
  const line = row([String(id), ...[provider, module, func, name].map(printable)])
  if (!('arguments' in probe)) return line
  const types = probe.arguments.map((type, i) => `\t\targs[${i}]: ${type}`)
  return [
    line,
    '',
    '\tProbe Description Attributes',
    ...stability(probe.stability),
    '',
    '\tArgument Attributes',
    ...stability(probe.argumentStability),
    '',
    '\tArgument Types',
    ...(types.length === 0 ? ['\t\tNone'] : types),
    '',
  ].join('\n')
}

function stability(of: Stability | undefined): string[] {
  return [
    `\t\tIdentifier Names: ${of?.name ?? 'Unknown'}`,
    `\t\tData Semantics:   ${of?.data ?? 'Unknown'}`,
    `\t\tDependency Class: ${of?.class ?? 'Unknown'}`,
  ]
}

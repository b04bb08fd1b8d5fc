#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { splitArguments } from './arguments.js'
import { outliveBrokenPipes } from './broken-pipe.js'
import { addDoctor } from './doctor.js'
import { EXIT_CODE_HELP, exitCodeOf, exitCodes } from './exit-codes.js'
import { addMeasure } from './measure.js'
import { addMounts } from './mounts.js'
import { addOpens } from './opens.js'
import { Output } from './output.js'
import { addProbes } from './probes.js'
import { addRescan } from './rescan.js'
import { addRun } from './run.js'
import { addSetup } from './setup.js'
import { addUnlinks } from './unlinks.js'
import { addZones } from './zones.js'

/**
 * Runs `dtrace-watch`.
 *
 * @param args the command line, without node and the script
 */
async function main(args: readonly string[]): Promise<void> {
  try {
    const subcommand = args.find((arg) => !arg.startsWith('-'))
    const { own, rest } = splitArguments(args, subcommand === 'rescan')
    const program = build(rest)
    if (own.length === 0) {
      program.outputHelp({ error: true })
      process.exitCode = exitCodes.usage
      return
    }
    await program.parseAsync(own, { from: 'user' })
  } catch (error) {
    // Commander has said what there was to say; help and --version end so too.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
      return
    }
    new Output({ json: args.includes('--json') }).error(error)
    process.exitCode = exitCodeOf(error)
  }
}

function build(rest: readonly string[] | undefined): Command {
  const program = new Command('dtrace-watch')
    .description('Watchers on DTrace: act the moment something happens, without polling.')
    .version(version(), '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      outputError: (message, write) => write(message.replace(/^error: /, 'dtrace-watch: ')),
    })
    .showHelpAfterError('(dtrace-watch --help, or dtrace-watch help COMMAND, says how)')
    .addHelpText('afterAll', EXIT_CODE_HELP)
  addRescan(program, rest)
  addZones(program)
  addOpens(program)
  addUnlinks(program)
  addMounts(program)
  addRun(program, rest)
  addProbes(program)
  addMeasure(program, rest)
  addDoctor(program)
  addSetup(program)
  return program
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

outliveBrokenPipes()
await main(process.argv.slice(2))

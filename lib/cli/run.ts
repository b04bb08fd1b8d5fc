import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { formatAggregations, isPrinted } from '../aggregation/format.js'
import { Consumer } from '../consumer.js'
import { DTraceError } from '../errors.js'
import { leave } from '../leaving.js'
import type { TracedProcess } from '../processes.js'
import type { DTraceRecord } from '../record/decoder.js'
import { addDTraceOption, collect, collectPid, type DTraceOptions, words } from './arguments.js'
import { addCompiling, type CompilingFlags, compileOptions } from './compiling.js'
import { exitCodes } from './exit-codes.js'
import { formatRecord, HEADERS, type Layout } from './format.js'
import { Interrupt } from './interrupt.js'
import { Output } from './output.js'

interface RunFlags extends CompilingFlags {
  program?: string
  option?: DTraceOptions
  quiet?: boolean
  json?: boolean
  command?: string[]
  pid?: number[]
}

const HELP = `
What follows SCRIPT is the script's: $1, $2, … ($$1 as strings). The output is dtrace(1)'s, or with --json one object for
each record, in which the fields are named by the printf formats: printf("execname=%s pid=%d\\n", execname, pid).
Aggregations are printed at the end, each key of one an object.
Ends with the status that the script gives to exit().

With -c a command is run, from its first instruction on, and $target is its process: pid$target:a.out:main:entry. It is cut
into words as a shell does it, and nothing else of a shell. With -p it is a process that runs already. Either may be
repeated; $target is the first, commands before processes. It stops when all of them have ended, with status 0 unless the
script has given another to exit(); how each ended is said, unless it is to be quiet. With --json
what a command prints goes to standard error. A command that still runs then is ended; a process is not.

Examples:
  dtrace-watch run --json opens.d /srv/media
  dtrace-watch run -n 'syscall::openat:entry /execname == $$1/ { printf("%s\\n", copyinstr(arg1)); }' cat
`

export function addRun(program: Command, rest: readonly string[] | undefined): void {
  const command = program
    .command('run')
    .description('run a D script and print its records')
    .argument('[script]', 'a file with a D program; with -n it is the first argument')
    .argument('[args...]', "the script's arguments")
  addCompiling(addDTraceOption(command))
    .option('-n, --program <text>', 'the D program itself, in place of a script')
    .option('-q, --quiet', 'print nothing but what the script prints')
    .option('-c, --command <command>', 'run a command, and stop when it ends; may be repeated', collect)
    .option('-p, --pid <pid>', 'trace a process, and stop when it ends; may be repeated', collectPid)
    .option('--json', 'one JSON object a line')
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(async (first: string | undefined, others: string[], flags: RunFlags) => {
      const words = [...(first === undefined ? [] : [first]), ...others, ...(rest ?? [])]
      if (flags.program !== undefined) return await run(flags.program, words, flags)
      const [file, ...args] = words
      if (file === undefined)
        return command.error("error: missing required argument 'script', or -n and a program")
      await run({ file }, args, flags)
    })
}

async function run(source: string | { file: string }, args: string[], flags: RunFlags): Promise<void> {
  const output = new Output({ json: flags.json === true })
  using interrupt = new Interrupt()
  if (typeof source !== 'string') checkScript(source.file)
  const consumer = await Consumer.open({
    options: { ...(flags.quiet ? { quiet: true } : {}), ...flags.option },
    // What libdtrace prints goes out as it is, whatever bytes it has.
    ...(output.json ? {} : { text: true, flow: true, strings: 'latin1' }),
  })
  try {
    const processes = await hold(consumer, flags)
    const program = await consumer.compile(source, { args, ...compileOptions(flags) })
    const info = await consumer.enable(program)
    const layout = await layoutOf(consumer)
    const ended = listen(consumer, output, layout)
    if (!output.json) output.write(HEADERS[layout])
    await consumer.go()
    output.emit(
      'ready',
      { ...(typeof source === 'string' ? {} : { script: source.file }), ...info },
      () => undefined,
    )
    await Promise.race([ended, interrupt.stopped(), ...endOf(processes)])
    await Promise.race([consumer.stop(), interrupt.forced()])
    if (!interrupt.force.aborted) await printAggregations(consumer, output)
  } finally {
    leave()
    await consumer.close()
  }
  if (interrupt.force.aborted) process.exitCode = exitCodes.forced
}

/** What `-c` and `-p` say, in this order. */
async function hold(
  consumer: Consumer,
  { command = [], pid = [], json }: RunFlags,
): Promise<TracedProcess[]> {
  const processes: TracedProcess[] = []
  for (const line of command) {
    const [file = '', ...args] = words(line)
    processes.push(await consumer.create(file, args, { stdout: json === true ? 'stderr' : 'inherit' }))
  }
  for (const one of pid) processes.push(await consumer.grab(one, { hold: true }))
  return processes
}

/** Resolves when all have ended; nothing without any. */
function endOf(processes: readonly TracedProcess[]): Promise<unknown>[] {
  return processes.length === 0 ? [] : [Promise.all(processes.map(({ exit }) => exit))]
}

/** Said before the half second that opening takes, and to those without DTrace too. */
function checkScript(script: string): void {
  try {
    readFileSync(script)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : `can't be read: ${code}`
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `the script ${script} ${why}`, { cause })
  }
}

/** At the end, as dtrace(1) does: those that the script has not printed itself. */
async function printAggregations(consumer: Consumer, output: Output): Promise<void> {
  const rows = (await consumer.aggregations()).filter((row) => !isPrinted(row))
  if (output.json) {
    for (const row of rows) output.emit('aggregation', { ...row }, () => undefined)
  } else if (rows.length > 0) {
    output.write(`\n${formatAggregations(rows)}`)
  }
}

/** As the command line or the script's pragmas have it. */
async function layoutOf(consumer: Consumer): Promise<Layout> {
  if (await consumer.getOption('flowindent')) return 'flow'
  return (await consumer.getOption('quiet')) ? 'quiet' : 'columns'
}

/** Prints what comes. Resolves when the program has called exit(), rejects when the session died. */
function listen(consumer: Consumer, output: Output, layout: Layout): Promise<void> {
  consumer.on('batch', (records) => {
    if (output.json) {
      for (const record of records) output.emit('record', jsonRecord(record), () => undefined)
      return
    }
    let text = ''
    for (const record of records) text += formatRecord(record, layout)
    if (text !== '') output.write(Buffer.from(text, 'latin1'))
  })
  consumer.on('process', ({ pid, status, signal }) => {
    const how = signal !== undefined ? ` of ${signal}` : status !== undefined ? ` with status ${status}` : ''
    if (!output.json && layout === 'quiet') return
    output.warn('process', `process ${pid} has ended${how}`, { pid, status, signal })
  })
  consumer.on('drop', (drop) => output.warn('drop', drop.message, { ...drop }))
  consumer.on('fault', (fault) => output.warn('fault', fault.message, { ...fault }))
  return new Promise((resolve, reject) => {
    consumer.on('exit', ({ status }) => {
      output.emit('exit', { status }, () => undefined)
      process.exitCode = status & 0xff
      resolve()
    })
    consumer.on('error', reject)
  })
}

function jsonRecord({ probe, cpu, values, fields }: DTraceRecord): Record<string, unknown> {
  const name = `${probe.provider}:${probe.module}:${probe.function}:${probe.name}`
  const own: Record<string, unknown> = { probe: name, cpu }
  // A field called `type` or so must not be mistaken for the event's own: such ones are in `fields` alone.
  const clash = Object.keys(fields).some((field) =>
    ['type', 'probe', 'cpu', 'values', 'fields'].includes(field),
  )
  const named = Object.keys(fields).length
  return {
    ...fields,
    ...own,
    ...(clash ? { fields } : {}),
    ...(named === values.length ? {} : { values }),
  }
}

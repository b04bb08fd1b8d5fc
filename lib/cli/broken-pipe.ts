import { writeSync } from 'node:fs'
import { exitCodes } from './exit-codes.js'

/**
 * The reader of our output has gone (`| head`): nothing more to say, and no fault. A subcommand goes on to its end, or stops
 * at once where it would have gone on for ever: see Interrupt. A full disk ends it.
 */
export function outliveBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return
      // What was to be told can't be told any more: the probes are taken away, and whoever started this finds out.
      writeSync(process.stderr.fd, `dtrace-watch: the output can't be written: ${error.message}\n`)
      process.exit(exitCodes.failure)
    })
  }
}

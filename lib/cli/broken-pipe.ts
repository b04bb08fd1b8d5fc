/**
 * The reader of our output has gone (`| head`): nothing more to say, and no fault. A subcommand goes on to its end, or stops
 * at once where it would have gone on for ever: see Interrupt.
 */
export function outliveBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

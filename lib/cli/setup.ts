import type { Command } from 'commander'
import { setupLibrary } from '../setup/index.js'
import { Output } from './output.js'

export function addSetup(program: Command): void {
  program
    .command('setup')
    .description('get a private libdtrace where the system has none (Debian, Ubuntu); changes nothing else')
    .option('--prefix <folder>', 'put it there instead of into the data folder')
    .option('--json', 'one JSON object a line')
    .action(async (options: { prefix?: string; json?: boolean }) => {
      const output = new Output({ json: options.json === true })
      const result = await setupLibrary({
        ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
        log: (message: string) => output.emit('step', { message }, () => message),
      })
      output.emit('setup', { ...result }, ({ green }) => `${green('ready')}: see also dtrace-watch doctor`)
    })
}

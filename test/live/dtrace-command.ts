/** dtrace(1), to compare with. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { prepareDLibraries } from '../../lib/platform/dlibs.js'
import { checkoutFolder, locateLibrary } from '../../lib/platform/locate.js'
import { readManifest } from '../../lib/platform/manifest.js'
import { run } from './consumers.js'

/** The dtrace(1) of the libdtrace that is used; undefined where there is none. */
export function dtraceCommand(): string | undefined {
  if (locateLibrary().source === 'system')
    return ['/usr/sbin/dtrace', '/usr/bin/dtrace'].find((path) => existsSync(path))
  const command = readManifest(checkoutFolder)?.command
  return command === undefined ? undefined : join(checkoutFolder, command)
}

/**
 * The options with which it compiles at all on this kernel: as a session's, its D libraries must do without what the kernel lacks.
 * `dispose` when it has started tracing.
 */
export async function libraryOptions(): Promise<{ options: string[]; dispose: () => void }> {
  const { syslibdir, dispose } = await prepareDLibraries(locateLibrary())
  return { options: syslibdir === undefined ? [] : ['-x', `syslibdir=${syslibdir}`], dispose }
}

/** What dtrace(1) prints for a program, without what it tells on standard error. */
export async function dtrace(...args: readonly string[]): Promise<string> {
  const command = dtraceCommand()
  if (command === undefined) throw new Error('there is no dtrace(1) beside the libdtrace that is used')
  return (await run(command, [...args])).stdout
}

/** Finds the program in which a session of its own runs: it is built, and shipped, beside the addon. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { DTraceError } from '../errors.js'
import { packageRoot } from '../platform/locate.js'

export const HOST_VARIABLE = 'DTRACE_CONSUMER_HOST'

/** @throws `ERR_DTRACE_ADDON_NOT_FOUND` */
export function locateHost(env: NodeJS.ProcessEnv = process.env): string {
  const wish = env[HOST_VARIABLE]
  const file = wish === undefined || wish === '' ? besideTheAddon() : wish
  if (file !== undefined && existsSync(file)) return file
  throw new DTraceError(
    'ERR_DTRACE_ADDON_NOT_FOUND',
    `the program for sessions in a child process is missing${file === undefined ? '' : ` (${file})`} on ${process.platform}-${process.arch}: in a checkout run ` +
      '`scripts/setup`; as a dependency run `npm rebuild dtrace-consumer` (it needs a C++ compiler and dtrace.h)',
  )
}

function besideTheAddon(): string | undefined {
  try {
    const { resolve } = createRequire(import.meta.url)('node-gyp-build') as {
      resolve: (folder: string) => string
    }
    const addon = resolve(packageRoot)
    // A ready-made one is for one C library, which is part of its name.
    const library = /\.(?:glibc|musl)(?=\.node$)/.exec(basename(addon))?.[0] ?? ''
    return join(dirname(addon), `dtrace-consumer-host${library}`)
  } catch {
    return undefined
  }
}

/**
 * What a path string meant to the process that used it: symbolic links followed, `.` and `..` taken away.
 */
import { Buffer } from 'node:buffer'
import { lstatSync, readlinkSync } from 'node:fs'
import { type BytePath, join, toFs } from './byte-path.js'

/** As in the kernel (MAXSYMLINKS). */
const MOST_LINKS = 40

/**
 * Resolves an absolute path below a root directory (chroot(2), a container), without ever leaving it: as realpath(3),
 * but from the first component that isn't there any more the rest is taken as it is written.
 *
 * @param root the root directory as this process sees it, `''` for its own
 * @param mayLook whether a path may be looked at; from the first that may not the rest is taken as it is written, too
 * @returns an absolute path as seen from within the root
 */
export function resolvePath(
  root: BytePath,
  path: BytePath,
  mayLook: (path: BytePath) => boolean = () => true,
): BytePath {
  const pending = path.split('/').reverse()
  const done: BytePath[] = []
  let links = 0
  let missing = false
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      done.pop()
      continue
    }
    if (!missing) {
      const at = `/${[...done, name].join('/')}`
      const target = mayLook(at) ? linkTarget(root + at) : undefined
      if (target === undefined) missing = true
      else if (target !== '' && ++links <= MOST_LINKS) {
        if (target.startsWith('/')) done.length = 0
        pending.push(...target.split('/').reverse())
        continue
      }
    }
    done.push(name)
  }
  return `/${done.join('/')}`
}

/** An absolute path without `.` and `..`, taken as it is written. */
export function lexical(path: BytePath): BytePath {
  const done: BytePath[] = []
  for (const name of path.split('/')) {
    if (name === '..') done.pop()
    else if (name !== '' && name !== '.') done.push(name)
  }
  return `/${done.join('/')}`
}

/** `''` when it is no link, undefined when it isn't there. */
function linkTarget(path: BytePath): BytePath | undefined {
  try {
    const stats = lstatSync(toFs(path), { throwIfNoEntry: false })
    if (stats === undefined) return undefined
    return stats.isSymbolicLink() ? readLink(path) : ''
  } catch {
    // Not allowed, or the name is too long for a path: then no links can be followed here.
    return undefined
  }
}

/** readlink(2), byte for byte. @throws as readlinkSync */
export function readLink(path: BytePath): BytePath {
  return Buffer.from(readlinkSync(toFs(path), 'buffer')).toString('latin1')
}

/** `path` as a path from the directory `base`. */
export function absolute(base: BytePath, path: BytePath): BytePath {
  return path.startsWith('/') ? path : join(base, path)
}

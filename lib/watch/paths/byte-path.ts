/**
 * Paths as the kernel has them: bytes without a meaning but `/` and NUL. Inside the watcher a path is a string with one character
 * per byte (latin1), which loses nothing and can be cut and compared; it becomes text only where the user sees it.
 */
import { Buffer } from 'node:buffer'

/** A path with one character per byte. */
export type BytePath = string

// biome-ignore lint/suspicious/noControlCharactersInRegex: every 7-bit character is itself in UTF-8
const ASCII = /^[\x00-\x7f]*$/

/** Of a path that the user wrote. */
export function fromText(text: string): BytePath {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** For the functions of node:fs. */
export function toFs(path: BytePath): string | Buffer {
  return ASCII.test(path) ? path : Buffer.from(path, 'latin1')
}

/** What the user sees: `bytes` is there where `text` can't say it, because it is no UTF-8. */
export interface PathText {
  text: string
  bytes?: Uint8Array
}

/** A path for the user; what is no UTF-8 becomes U+FFFD, and `bytes` has the truth. */
export function toText(path: BytePath): PathText {
  if (ASCII.test(path)) return { text: path }
  const bytes = Buffer.from(path, 'latin1')
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd') || Buffer.from(text, 'utf8').equals(bytes)) return { text }
  return { text, bytes: new Uint8Array(bytes) }
}

/** `below` of the directory `path`. */
export function join(path: BytePath, below: BytePath): BytePath {
  if (below === '') return path
  return path.endsWith('/') ? path + below : `${path}/${below}`
}

/**
 * The rest of `path` below the directory `ancestor`, `''` for itself; undefined where it is not below it. Both are absolute,
 * without a slash at the end.
 */
export function below(path: BytePath, ancestor: BytePath): BytePath | undefined {
  if (ancestor === '/') return path.slice(1)
  if (!path.startsWith(ancestor)) return undefined
  if (path.length === ancestor.length) return ''
  return path[ancestor.length] === '/' ? path.slice(ancestor.length + 1) : undefined
}

/** The directory part and the name of a path; slashes at its end belong to neither. */
export function split(path: BytePath): { parent: BytePath; name: BytePath } {
  const end = path.replace(/\/+$/, '')
  const slash = end.lastIndexOf('/')
  if (slash === -1) return { parent: '', name: end }
  return { parent: slash === 0 ? '/' : end.slice(0, slash), name: end.slice(slash + 1) }
}

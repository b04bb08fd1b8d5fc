import { readFileSync } from 'node:fs'

/** AT_PAGESZ of getauxval(3). */
const AT_PAGESZ = 6n

let size: number | undefined

/** Bytes of a page of memory, from /proc/self/auxv (proc_pid_auxv(5)); 4096 where that can't be read. */
export function pageSize(): number {
  size ??= readPageSize()
  return size
}

function readPageSize(): number {
  try {
    const { buffer, byteOffset, byteLength } = Buffer.from(readFileSync('/proc/self/auxv'))
    const words = new BigUint64Array(buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 16)))
    for (let i = 0; i < words.length; i += 2) if (words[i] === AT_PAGESZ) return Number(words[i + 1])
  } catch {
    // Not this system's /proc.
  }
  return 4096
}

/**
 * The D programs of the benchmarks with their fields, as consumers/readers.mjs takes them; and those that are made for one
 * measurement.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Fields of the files in programs/. */
export const fieldsOf = {
  opens: { execname: 'string', pid: 4, path: 'string' },
  wide: {
    ...{ timestamp: 8, cpu: 4, pid: 4, tid: 4, ppid: 4, uid: 4, gid: 4, flags: 4, mode: 4 },
    ...{ execname: 'string', path: 'string', parent: 'string' },
  },
}

/**
 * A program that traces the load with so many integers and so many paths in each record.
 *
 * @param {{ folder: string }} context
 * @param {{ integers?: number, strings?: number }} shape
 * @returns {Promise<{ file: string, fields: Record<string, 'string' | number> }>}
 */
export async function makeProgram({ folder }, { integers = 0, strings = 0 }) {
  const numbers = Array.from({ length: integers }, (_, i) => ({
    name: `n${i}`,
    conversion: '%u',
    value: `(uint32_t)(arg2 + ${i})`,
  }))
  const paths = Array.from({ length: strings }, (_, i) => ({
    name: `s${i}`,
    conversion: '%s',
    value: 'this->path',
  }))
  const all = [...numbers, ...paths]
  const format = all.map(({ name, conversion }) => `${name}=${conversion}`).join(' ')
  const text = [
    'syscall::openat:entry',
    '/execname == "load" && (int)arg0 == -7777/',
    '{',
    ...(strings > 0 ? ['\tthis->path = copyinstr(arg1);'] : []),
    `\tprintf("${format}\\n", ${all.map(({ value }) => value).join(', ')});`,
    '}',
    '',
  ].join('\n')
  const file = join(folder, `integers-${integers}-strings-${strings}.d`)
  await writeFile(file, text)
  return {
    file,
    fields: Object.fromEntries([
      ...numbers.map(({ name }) => [name, 4]),
      ...paths.map(({ name }) => [name, 'string']),
    ]),
  }
}

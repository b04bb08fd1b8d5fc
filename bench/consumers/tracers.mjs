/**
 * Tracers that print text, each with the options that make it cheapest for one who reads all of it: how it is started, what a
 * line says, and how it tells what it lost. All of them are left to fill their output buffers: a write a line costs more.
 */

/**
 * @typedef {{ execname: string, pid: number, path: string }} Opened
 * @typedef {object} Tracer
 * @property {string[]} command
 * @property {Record<string, string>} [env]
 * @property {(line: string) => Opened | undefined} parse of its output
 * @property {(line: string) => number} lost how many records a line of its output or of its errors says were lost
 */

const dtraceLine = /^execname=(.*) pid=(\d+) path=(.*)$/

/** @type {Record<string, (run: { path: string, file?: string, options: Record<string, string> }) => Tracer>} */
export const tracers = {
  dtrace: ({ path, file, options }) => ({
    command: [
      path,
      '-q',
      ...Object.entries(options).flatMap(([name, value]) => ['-x', `${name}=${value}`]),
      '-s',
      file,
    ],
    parse(line) {
      const match = dtraceLine.exec(line)
      return match === null ? undefined : { execname: match[1], pid: Number(match[2]), path: match[3] }
    },
    lost: (line) => Number(/(\d+) drops?/.exec(line)?.[1] ?? 0),
  }),

  // A tuple is one level of JSON; JSON by printf() would be escaped once more, and wrong for a path with a quote in it.
  bpftrace: ({ path }) => ({
    command: [
      ...[path, '-B', 'full', '-f', 'json', '-e'],
      'tracepoint:syscalls:sys_enter_openat /(int32)args->dfd == -7777 && comm == "load"/ ' +
        '{ print((comm, pid, str(args->filename))); }',
    ],
    // As much buffer as dtrace's 4m for each CPU; names longer than 63 bytes would be cut.
    env: { BPFTRACE_PERF_RB_PAGES: '1024', BPFTRACE_STRLEN: '128' },
    parse(line) {
      if (line === '') return undefined
      const { type, data } = JSON.parse(line)
      return type === 'value' ? { execname: data[0], pid: data[1], path: data[2] } : undefined
    },
    lost(line) {
      if (!line.includes('lost')) return 0
      const said = /"events":\s*(\d+)/.exec(line) ?? /lost (\d+) events/i.exec(line)
      return Number(said?.[1] ?? 0)
    },
  }),

  // "PID COMM FD ERR PATH" in columns.
  opensnoop: ({ path }) => ({
    command: [path, '--name', 'load'],
    parse(line) {
      const match = /^(\d+) +(\S+) +-?\d+ +\d+ (.*)$/.exec(line)
      return match === null ? undefined : { execname: match[2], pid: Number(match[1]), path: match[3] }
    },
    lost: (line) => Number(/lost (\d+) events/i.exec(line)?.[1] ?? 0),
  }),
}

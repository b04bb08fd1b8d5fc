/** Runs other programs: bounded in time, output kept for the error message, nothing read from standard input. */
import { spawn } from 'node:child_process'
import { DTraceError } from '../errors.js'

export interface RunOptions {
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Milliseconds until the program is ended; 10 minutes by default. */
  timeout?: number
  /** Called with each line as it comes, from both outputs. */
  onLine?: (line: string) => void
}

/** How much of a failed program's output an error message shows. */
const SHOWN_LINES = 15

/**
 * Runs a program and gives its standard output.
 *
 * @throws `ERR_DTRACE_SETUP` with the end of its output when it fails, isn't there or takes too long
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const timeout = options.timeout ?? 600_000
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      // Messages in one language: some are matched.
      env: { ...(options.env ?? process.env), LC_ALL: 'C' },
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    const lines: string[] = []
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      let rest = ''
      const take = (line: string) => {
        lines.push(line)
        options.onLine?.(line)
      }
      stream.on('data', (chunk: string) => {
        if (stream === child.stdout) stdout += chunk
        const parts = (rest + chunk).split('\n')
        rest = parts.pop() ?? ''
        for (const line of parts) take(line)
      })
      stream.on('end', () => {
        if (rest !== '') take(rest)
      })
    }
    child.on('error', (cause) => {
      reject(
        new DTraceError('ERR_DTRACE_SETUP', `${command} could not be started: ${cause.message}`, { cause }),
      )
    })
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(stdout)
      const how =
        signal === 'SIGKILL' && child.killed
          ? `took longer than ${timeout / 1000} s`
          : `failed (${signal ?? `exit code ${code}`})`
      const tail = lines.slice(-SHOWN_LINES).map((line) => `  ${line}`)
      reject(
        new DTraceError('ERR_DTRACE_SETUP', [`${command} ${args.join(' ')} ${how}:`, ...tail].join('\n')),
      )
    })
  })
}

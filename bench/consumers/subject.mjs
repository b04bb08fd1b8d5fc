/**
 * A process under measurement that is looked at from outside, too: its memory, its wake-ups, and how long it lives on. It speaks the
 * protocol of harness/consumer-process.mjs, or some of it, and each step may take its own time.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const STEP_TIMEOUT_MS = 60_000
/** Found in the environment of the process and of all that it starts. */
const MARK = 'DTRACE_BENCH_SUBJECT'
let subjects = 0

export class Subject {
  #child
  #lines
  #name
  #mark = `${MARK}=${process.pid}-${++subjects}`
  #errors = ''
  #exited
  #started = performance.now()

  /** @param {string} name for error messages @param {string[]} command */
  constructor(name, [command, ...args]) {
    this.#name = name
    const [variable, value] = this.#mark.split('=')
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, [variable]: value },
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#errors = `${this.#errors}${text}`.slice(-10_000)
    })
    this.#child.stdin.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      this.#child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  get pid() {
    return this.#child.pid
  }

  /** Milliseconds since the process was asked for. */
  get age() {
    return performance.now() - this.#started
  }

  send(line) {
    this.#child.stdin.write(`${line}\n`)
  }

  /** The next message, which must be this one. @returns {Promise<object>} */
  async expect(event, timeout = STEP_TIMEOUT_MS) {
    const { value, done } = await this.#within(timeout, `no '${event}'`, this.#lines.next())
    if (done) throw this.#failure(`ended before '${event}' with ${await this.#exited}`)
    const message = parse(value)
    if (message?.event !== event) throw this.#failure(`said ${value} where '${event}' was due`)
    return message
  }

  /** Waits for its end, which must be a good one. */
  async exited(timeout = STEP_TIMEOUT_MS) {
    const end = await this.#within(timeout, 'still there', this.#exited)
    if (end !== 'exit code 0') throw this.#failure(`ended with ${end}`)
  }

  /** Ends it, whatever it is doing; its input closes first, so that it can take its probes away. */
  async dispose() {
    this.#child.stdin.end()
    const timer = setTimeout(() => {
      // What it has started would live on.
      for (const pid of [this.pid, ...this.family()]) kill(pid)
    }, STEP_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  /** The process and all that it has started, also those that live on without it. */
  family() {
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false
      return read(`/proc/${pid}/environ`).split('\0').includes(this.#mark)
    })
  }

  async #within(timeout, what, promise) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(this.#failure(`${what} within ${timeout} ms`)), timeout)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #failure(what) {
    return new Error(`${this.#name}: ${what}${this.#errors ? `\n${this.#errors.trimEnd()}` : ''}`)
  }
}

/** Runs `use` with a process that is gone afterwards, in success and in failure. */
export async function withSubject(name, command, use) {
  const subject = new Subject(name, command)
  try {
    return await use(subject)
  } finally {
    await subject.dispose()
  }
}

/** The most memory that a process has had resident at once, in bytes (VmHWM). Undefined when it has gone. */
export function peakMemory(pid) {
  const match = /^VmHWM:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`))
  return match === null ? undefined : Number(match[1]) * 1024
}

/** User and system time of a process, with its threads that have ended, in milliseconds; in steps of 10. 0 when it has gone. */
export function cpuOf(pid) {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return stat === '' ? 0 : (Number(fields[11]) + Number(fields[12])) * 10
}

/**
 * Of each thread: how often it has gone to sleep, to be woken, and its CPU time in nanoseconds.
 *
 * @returns {Map<string, { name: string, switches: number, cpu: number }>}
 */
export function threadsOf(pid) {
  const tasks = `/proc/${pid}/task`
  return new Map(
    readdirSync(tasks).map((task) => {
      const status = read(`${tasks}/${task}/status`)
      const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? ''
      const switches = Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)?.[1] ?? 0)
      // schedstat: time on a CPU, time waiting for one, timeslices.
      const cpu = Number(read(`${tasks}/${task}/schedstat`).split(' ')[0])
      return [task, { name, switches, cpu }]
    }),
  )
}

function kill(pid) {
  try {
    process.kill(Number(pid), 'SIGKILL')
  } catch {
    // It has gone.
  }
}

/** What is in /proc may go at any time. */
function read(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

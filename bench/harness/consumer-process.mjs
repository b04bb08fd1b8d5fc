/**
 * One consumer under measurement: always a process of its own, so that its CPU time is the kernel's account of that
 * process (all threads) and nobody else's, and so that each run starts alike.
 *
 * The protocol is one JSON object a line from the consumer, and a word a line to it; the bare consumer in C and those
 * in `consumers/` speak it alike:
 *
 *     ready    → the consumer is tracing; time and CPU that it took
 *     begin    ← → begun: CPU and counts from here
 *     finish N ← → result: N records have been delivered or dropped, or none has come for a while
 *     stopped  → after the stop; then the process closes its session and exits
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A step that takes longer than this has hung: starting takes 1 s, a quiet end 3. */
const STEP_TIMEOUT_MS = 60_000

export class ConsumerProcess {
  #child
  #lines
  #name
  #errors = ''
  #exited
  #started = process.hrtime.bigint()

  /** @param {string} name for error messages @param {string} command @param {string[]} args */
  constructor(name, command, args) {
    this.#name = name
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#errors += text
    })
    // A consumer that has died is reported by the line that doesn't come.
    this.#child.stdin.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      this.#child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** Waits for tracing to begin; `spawnMilliseconds` is the time since the process was asked for. */
  async ready() {
    const message = await this.#expect('ready')
    return { ...message, spawnMilliseconds: Number(process.hrtime.bigint() - this.#started) / 1e6 }
  }

  async begin() {
    this.#child.stdin.write('begin\n')
    await this.#expect('begun')
  }

  /** @param {number} records how many the load made */
  async finish(records) {
    this.#child.stdin.write(`finish ${records}\n`)
    const result = await this.#expect('result')
    const stopped = await this.#expect('stopped')
    const end = await this.#exited
    if (end !== 'exit code 0') throw this.#failure(`ended with ${end}`)
    return { ...result, stopped }
  }

  /** Ends it, whatever it is doing; its input closes, so that it can take its probes away. */
  async dispose() {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STEP_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  async #expect(event) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(this.#failure(`no '${event}' within ${STEP_TIMEOUT_MS} ms`)),
        STEP_TIMEOUT_MS,
      )
    })
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late])
      if (done) throw this.#failure(`ended before '${event}' with ${await this.#exited}`)
      const message = parse(value)
      if (message?.event !== event) throw this.#failure(`said ${value} where '${event}' was due`)
      return message
    } finally {
      clearTimeout(timer)
    }
  }

  #failure(what) {
    return new Error(`${this.#name}: ${what}${this.#errors ? `\n${this.#errors.trimEnd()}` : ''}`)
  }
}

/** Anything but JSON (a warning on the wrong stream, half a line) is as wrong as the wrong event. */
function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Runs `use` with a consumer that is gone afterwards, in success and in failure. */
export async function withConsumer(name, [command, ...args], use) {
  const consumer = new ConsumerProcess(name, command, args)
  try {
    return await use(consumer)
  } finally {
    await consumer.dispose()
  }
}

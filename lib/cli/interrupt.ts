const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** npm passes on the Ctrl-C that its child had from the terminal already: two signals that close are one. */
const SAME = 300

/**
 * Ctrl-C and its relatives. The first asks to stop: what is pending is delivered, and the probes are taken away. The second
 * makes short work of the delivery; the probes are taken away all the same.
 */
export class Interrupt implements Disposable {
  readonly #stop = new AbortController()
  readonly #force = new AbortController()
  #last = Number.NEGATIVE_INFINITY
  readonly #onSignal = (): void => {
    const now = performance.now()
    const same = now - this.#last < SAME
    this.#last = now
    if (!this.#stop.signal.aborted) this.#stop.abort()
    else if (!same) this.#force.abort()
  }
  readonly #onBrokenPipe = (error: NodeJS.ErrnoException): void => {
    // Nobody reads on: nothing more to say. What is no broken pipe is not for here.
    if (error.code === 'EPIPE') this.#stop.abort()
  }

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
    process.stdout.on('error', this.#onBrokenPipe)
    process.stderr.on('error', this.#onBrokenPipe)
  }

  get stop(): AbortSignal {
    return this.#stop.signal
  }

  get force(): AbortSignal {
    return this.#force.signal
  }

  /** Resolves when it is asked to stop. */
  stopped(): Promise<void> {
    return aborted(this.#stop.signal)
  }

  /** Resolves when it is asked a second time. */
  forced(): Promise<void> {
    return aborted(this.#force.signal)
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
    process.stdout.off('error', this.#onBrokenPipe)
    process.stderr.off('error', this.#onBrokenPipe)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

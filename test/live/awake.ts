/**
 * `tick` and `profile` probes don't fire on a processor that idles, on some virtual machines at least, under dtrace(1) likewise: see
 * docs/libdtrace.md. A file whose tests wait for them keeps the processors busy, with what gives way to everything else.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll } from 'vitest'

export function keepAwake(): void {
  let busy: ReturnType<typeof spawn>[] = []
  beforeAll(() => {
    busy = Array.from({ length: availableParallelism() }, () =>
      // Ends with this process, however that ends.
      spawn('nice', ['-n', '19', 'sh', '-c', `while kill -0 ${process.pid}; do :; done`], {
        stdio: 'ignore',
      }),
    )
  })
  afterAll(() => {
    for (const one of busy) one.kill('SIGKILL')
  })
}

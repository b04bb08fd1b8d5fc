/** What is run in the guest. */

/** By name, the files that make it up (the beginnings of their paths). */
export const SUITES = {
  /** What only a stock kernel can do: fbt, the whole of io.d, USDT. */
  vm: ['test/vm/fbt', 'test/vm/io', 'test/vm/usdt'],
  /** The D library overlay: what it must repair differs with each kernel. */
  libraries: ['test/live/dlibs.test.ts'],
  /** Both need a session of the rescan watcher, which takes the kernel minutes to verify there. */
  rescan: ['test/live/rescan-changes.test.ts', 'test/vm/rescan-vfs.test.ts'],
  zones: ['test/live/zones'],
}

/** How much slower emulation makes a test; its time-outs grow by this. */
const SLOWNESS = 10

/** The job of running these test files: their report goes to the results. */
export function testJob(files) {
  return {
    script: [
      'exec node node_modules/vitest/vitest.mjs run --project vm --project vm-nfs --project live --reporter=verbose --reporter=json',
      '--outputFile.json=/results/vitest.json --no-file-parallelism',
      ...files.map((file) => `'${file}'`),
    ].join(' '),
    environment: {
      DTRACE_LABORATORY: '1',
      DTRACE_TEST_SLOWNESS: String(SLOWNESS),
      // Tests that can't run there have failed.
      DTRACE_CONSUMER_REQUIRE_LIVE: '1',
      NO_COLOR: '1',
      // Which probes the rescan watcher uses: see test/live/rescan-driver.ts.
      ...(process.env.DTRACE_TEST_PLAN ? { DTRACE_TEST_PLAN: process.env.DTRACE_TEST_PLAN } : {}),
    },
  }
}

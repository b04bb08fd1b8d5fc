/** What is run in the guest. */

/** By name, the files that make it up (the beginnings of their paths). */
export const SUITES = {
  /** What only a stock kernel can do: fbt, the whole of io.d, USDT. */
  vm: ['test/vm/'],
  /** The D library overlay: what it must repair differs with each kernel. */
  libraries: ['test/live/dlibs.test.ts'],
  rescan: ['test/live/rescan-changes.test.ts'],
  zones: ['test/live/zones'],
}

/** How much slower emulation makes a test; its time-outs grow by this. */
const SLOWNESS = 10

/** The job of running these test files: their report goes to the results. */
export function testJob(files) {
  return {
    script: [
      'exec node node_modules/vitest/vitest.mjs run --project vm --project live --reporter=verbose --reporter=json',
      '--outputFile.json=/results/vitest.json --no-file-parallelism',
      ...files.map((file) => `'${file}'`),
    ].join(' '),
    environment: {
      DTRACE_LABORATORY: '1',
      DTRACE_TEST_SLOWNESS: String(SLOWNESS),
      // Tests that can't run there have failed.
      DTRACE_CONSUMER_REQUIRE_LIVE: '1',
      NO_COLOR: '1',
    },
  }
}

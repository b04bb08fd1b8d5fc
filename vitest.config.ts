import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Tools that set-up fetched because this machine lacks them come last; some daemons are in folders that PATH may lack. */
const path = [process.env.PATH, '/usr/sbin', '/sbin', join(import.meta.dirname, '.tools', 'bin')].join(':')

/** An emulated machine is slower; see test/live/patience.ts. */
const slowness = Number(process.env.DTRACE_TEST_SLOWNESS ?? 1)

/** Probes are the whole machine's, and libdtrace is one per process: one file at a time, each in a process of its own. */
const oneByOne = {
  globalSetup: ['test/live/setup.ts'],
  setupFiles: process.env.DTRACE_TEST_NODE ? ['test/native/sanitized.mjs'] : [],
  pool: 'forks' as const,
  fileParallelism: false,
  testTimeout: 60_000 * slowness,
  hookTimeout: 60_000 * slowness,
  env: { PATH: path },
}

/** What only a stock kernel can do: `npm run test:vm` boots one and sets this there. */
const laboratory = process.env.DTRACE_LABORATORY
  ? [
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          exclude: ['test/vm/rescan-vfs.test.ts'],
          sequence: { groupOrder: 4 },
          ...oneByOne,
        },
      },
      // Last: it loads the modules of NFS, and with them libdtrace 2.0.7 can't enable io:::start on Linux 7.2.
      {
        test: {
          name: 'vm-nfs',
          include: ['test/vm/rescan-vfs.test.ts'],
          sequence: { groupOrder: 5 },
          ...oneByOne,
        },
      },
    ]
  : []

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], env: { PATH: path } },
      },
      {
        test: {
          name: 'live',
          include: ['test/live/**/*.test.ts'],
          sequence: { groupOrder: 1 },
          ...oneByOne,
        },
      },
      // The same tests of consumers once more, with sessions in child processes.
      {
        test: {
          name: 'hosts',
          include: [
            'test/live/{consumer,consumer-refusals,actions*,aggregation*,cases-{states,records,aggregations},options*,probes*,processes*,programs*}.test.ts',
          ],
          sequence: { groupOrder: 2 },
          ...oneByOne,
          env: { ...oneByOne.env, DTRACE_TEST_HOST: 'process' },
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
          env: { PATH: path },
        },
      },
      ...laboratory,
    ],
  },
})

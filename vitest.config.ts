import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Tools that set-up fetched because this machine lacks them come last; some daemons are in folders that PATH may lack. */
const path = [process.env.PATH, '/usr/sbin', '/sbin', join(import.meta.dirname, '.tools', 'bin')].join(':')

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
          globalSetup: ['test/live/setup.ts'],
          // One at a time, and each file in a process of its own: probes are the whole machine's, and libdtrace is one
          // per process.
          pool: 'forks',
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
          env: { PATH: path },
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
          env: { PATH: path },
        },
      },
    ],
  },
})

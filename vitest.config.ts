import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'fuzz/**/*.test.ts', 'client/**/*.test.ts'],
    globalSetup: 'test/support/compile-cache.ts',
    setupFiles: 'test/support/equal-bytes.ts',
    sequence: { sequencer: LongestFirst },
    // They only end what hangs: how fast a busy machine is, no test says.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    // Tests of servers wait for pauses and leases a third of their time, and the longest of them are begun together.
    maxWorkers: Math.max(availableParallelism() + 2, Math.ceil(1.5 * availableParallelism())),
    // As src/main.ts does for the program.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    reporters: ['default'],
  },
})

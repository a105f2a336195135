import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'fuzz/**/*.test.ts'],
    // They only end what hangs: how fast a busy machine is, no test says.
    globalSetup: 'test/support/compile-cache.ts',
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    // Most tests wait for a server or a database half of their time.
    maxWorkers: '100%',
    // As src/main.ts does for the program.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    reporters: ['default'],
  },
})

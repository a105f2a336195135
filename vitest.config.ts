import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // As src/main.ts does for the program.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    reporters: ['default'],
  },
})

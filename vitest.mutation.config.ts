import { defineConfig, mergeConfig } from 'vitest/config'
import common from './vitest.config.ts'
import { partOf } from './test/mutation/parts.ts'

/** For mutation tests of one part: the tests that run in this process, where a mutant is active, and are quick. */
const { tests, notTests } = partOf(process.env['SOTTO_MUTATION'])
export default mergeConfig(
  { ...common, test: { ...common.test, include: [] } },
  defineConfig({
    test: {
      include: [...tests],
      exclude: [...notTests],
      setupFiles: ['test/mutation/leave-out.ts'],
      maxWorkers: 1,
      // What waits for what a mutant never does fails soon enough: many do.
      testTimeout: 30_000,
      hookTimeout: 30_000,
      expect: { poll: { timeout: 10_000 } },
    },
  }),
)

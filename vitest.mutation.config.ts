import { defineConfig, mergeConfig } from 'vitest/config'
import common from './vitest.config.ts'
import { partOf } from './test/mutation/parts.ts'

/** For mutation tests of one part: the tests that run in this process, where a mutant is active, and are quick. */
const { tests, notTests } = partOf(process.env['SOTTO_MUTATION'])
export default mergeConfig(
  { ...common, test: { ...common.test, include: [] } },
  defineConfig({ test: { include: [...tests], exclude: [...notTests], maxWorkers: 1 } }),
)

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LONGEST } from './longest-first.ts'
import { PROJECT } from './server.ts'

test('the files that are begun first are there: one that was moved would be begun last', () => {
  expect(LONGEST.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([])
})

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROJECT } from './support/server.ts'

const NAMED = /`((?:src|test|fuzz)\/[\w/.-]+)`(?:: “([^”]+)”)?/g

test.each(['SECURITY.md', 'docs/reliability.md'])('%s names tests that are there', async (document) => {
  const text = await readFile(join(PROJECT, document), 'utf8')
  const named = [...text.matchAll(NAMED)]
  expect(named).not.toEqual([])
  for (const [, path = '', title] of named) {
    const file = join(PROJECT, path)
    expect(await stat(file).catch(() => undefined), path).toBeDefined()
    // An ellipsis stands for what differs between the cases of one test.
    if (title !== undefined) expect(await readFile(file, 'utf8')).toContain(title.split(' …')[0])
  }
})

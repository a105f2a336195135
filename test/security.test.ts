import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROJECT } from './support/server.ts'

const NAMED = /`((?:src|test|fuzz)\/[\w/.-]+)`(?:: “([^”]+)”)?/g

async function isThere({
  path,
  title,
}: {
  readonly path: string
  readonly title: string | undefined
}): Promise<boolean> {
  const file = join(PROJECT, path)
  if (title === undefined) return (await stat(file).catch(() => undefined)) !== undefined
  const source = await readFile(file, 'utf8').catch(() => '')
  // An ellipsis stands for what differs between the cases of one test.
  return source.includes(title.split(' …')[0] ?? title)
}

test.each(['SECURITY.md', 'docs/reliability.md'])('%s names tests that are there', async (document) => {
  const text = await readFile(join(PROJECT, document), 'utf8')
  const named = [...text.matchAll(NAMED)].map(([, path = '', title]) => ({ path, title }))
  expect(named).not.toEqual([])
  const missing = await Promise.all(named.map(async (one) => ((await isThere(one)) ? [] : [one])))
  expect(missing.flat()).toEqual([])
})

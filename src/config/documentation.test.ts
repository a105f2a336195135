import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { settingsTables } from './documentation.ts'

const PAGE = fileURLToPath(new URL('../../docs/configuration.md', import.meta.url))
const TABLES = /(?<=<!-- settings: [^\n]* -->\n\n).*(?=\n\n<!-- end of settings -->)/s

/** `npx vitest run src/config/documentation.test.ts -u` writes the page anew. */
test('docs/configuration.md has the settings as they are described', async () => {
  const page = await readFile(PAGE, 'utf8')
  expect(page).toMatch(TABLES)
  await expect(page.replace(TABLES, () => settingsTables())).toMatchFileSnapshot(PAGE)
})

test('a setting leads to sections that there are', async () => {
  const page = await readFile(PAGE, 'utf8')
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'))
  const anchors = [...settingsTables().matchAll(/\(#([^)]*)\)/g)].map(([, anchor]) => anchor)
  expect(anchors.length).toBeGreaterThan(10)
  expect(headings).toEqual(expect.arrayContaining(anchors))
})

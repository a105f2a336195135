import { expect, test } from 'vitest'
import { WARNING_CODES } from '../src/contract/transcript.ts'
import { API_PAGE, markdownTable, withTable } from './support/documented-table.ts'

test('the warnings of a transcript are documented', async () => {
  const rows = Object.entries(WARNING_CODES).map(([code, meaning]) => [`\`${code}\``, meaning])
  const page = withTable(API_PAGE, 'seconds of the recording.', markdownTable([['code', ''], ...rows]))
  await expect(page).toMatchFileSnapshot(API_PAGE)
})

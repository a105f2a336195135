import { describe, expect, test } from 'vitest'
import { runDocumentedCommands } from '../../support/documented-commands.ts'
import { SHORT_TEXT } from './served.ts'
import type { Served } from './served.ts'

/** The commands of the pages for those who come from other services. */
export function describeDocumentation(of: () => Served): void {
  const outputs = async (page: string): Promise<readonly string[]> => {
    const variables = { SOTTO: of().url, KEY: of().key }
    return (await runDocumentedCommands({ page, variables })).map(({ output }) => output)
  }

  describe('the documentation', () => {
    test('of OpenAI’s API', async () => {
      const [plain, formats, streamed, model] = await outputs('docs/openai.md')
      expect(JSON.parse(plain ?? '')).toMatchObject({ text: expect.stringContaining('The hospital is near the park.') })
      expect(formats).toMatch(/^1\n00:00:0.*The hospital is near the park\..*coffee every morning/s)
      expect(streamed).toMatch(/transcript\.text\.delta.*transcript\.text\.done.*\[DONE\]/s)
      expect(JSON.parse(model ?? '')).toMatchObject({ id: 'whisper-1', aliasOf: 'sotto/whisper-demo' })
    })

    test('of moving', async () => {
      const [, openai, asr, password, retired, speaches] = await outputs('docs/migrating.md')
      expect(JSON.parse(openai ?? '')).toMatchObject({ text: SHORT_TEXT, words: expect.any(Array) })
      expect(asr).toMatch(/^1\n00:00:00.*The meeting.*"language_code":"de"/s)
      expect(password).toBe(`${SHORT_TEXT}\n`)
      expect(retired).toMatch(/"status":"accepted"/)
      expect(speaches).toMatch(/"aliasOf":"openai\/whisper-small".*\[DONE\]/s)
    })
  })
}

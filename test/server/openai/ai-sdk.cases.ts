import { readFile } from 'node:fs/promises'
import { createOpenAI } from '@ai-sdk/openai'
import { describe, expect, test } from 'vitest'
import { SHORT, SHORT_TEXT } from './served.ts'
import type { Served } from './served.ts'

/** Vercel's client, which validates what it gets, and asks for verbose JSON. */
export function describeAiSdk(of: () => Served): void {
  describe('Vercel’s AI SDK', () => {
    const model = (id: string) => createOpenAI({ baseURL: `${of().url}/v1`, apiKey: of().key }).transcription(id)

    test.each(['whisper-1', 'sotto/whisper-demo'])(
      'takes the transcript of %s, its segments and its language',
      async (id) => {
        const got = await model(id).doGenerate({
          ...{ audio: await readFile(SHORT), mediaType: 'audio/wav' },
          providerOptions: { openai: { timestampGranularities: ['segment'], language: 'en' } },
        })
        expect(got).toMatchObject({ text: SHORT_TEXT, language: 'en', durationInSeconds: 3.04 })
        expect(got.segments).toEqual([{ text: ` ${SHORT_TEXT}`, startSecond: 0, endSecond: expect.any(Number) }])
      },
    )

    test('tells of an error in the server’s words', async () => {
      const failing = model('whisper-7').doGenerate({ audio: await readFile(SHORT), mediaType: 'audio/wav' })
      await expect(failing).rejects.toMatchObject({ statusCode: 404, message: expect.stringContaining('whisper-7') })
    })
  })
}

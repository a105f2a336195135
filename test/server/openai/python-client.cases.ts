import { execFile } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { hasPython, pythonWithOpenAi } from '../../support/openai-python.ts'
import { MINUTE, SHORT, SHORT_TEXT, SPANISH } from './served.ts'
import type { Served } from './served.ts'

const run = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'python_client.py')

/** OpenAI's own client for Python. */
export function describePythonClient(of: () => Served): void {
  describe.skipIf(!hasPython())('the official client for Python (skipped without python3 and its venv)', () => {
    test('gets formats, words, streams, models and errors', async () => {
      const python = await pythonWithOpenAi()
      const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] }
      const { stdout } = await run(python, [SCRIPT, `${of().url}/v1/`, of().key, SHORT, SPANISH, MINUTE], { env })
      const got = JSON.parse(stdout) as Record<string, unknown> & { deltas: string[] }
      expect(got).toMatchObject({
        ...{ json: SHORT_TEXT, has_id: true, text: `${SHORT_TEXT}\n`, extra: SHORT_TEXT },
        srt: expect.stringMatching(/^1\n00:00:00,\d{3} --> /),
        vtt: expect.stringMatching(/^WEBVTT\n\n00:00:00\.\d{3} --> /),
        ...{ language: 'spanish', words: ['Bebo', expect.any(String), 'cada'], segments_alone: true },
        translation: expect.stringContaining('euros'),
        models: expect.arrayContaining(['whisper-1', 'sotto/whisper-demo']),
        model: 'sotto/whisper-demo',
        unknown: { class: 'NotFoundError', status: 404, code: 'model_not_found', param: 'model', has_id: true },
        no_media: { class: 'BadRequestError', status: 400, code: 'audio.not_media', param: 'file', has_id: true },
        forbidden: { class: 'AuthenticationError', status: 401, code: 'invalid_api_key', param: null, has_id: true },
      })
      expect(got['segments']).toBeGreaterThan(1)
      expect(got.deltas.length).toBeGreaterThan(1)
      expect(got['done']).toBe(got.deltas.join(''))
    })
  })
}

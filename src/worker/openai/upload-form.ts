import { openAsBlob } from 'node:fs'
import { extname } from 'node:path'
import { FormData } from 'undici'
import type { Honoured } from './honoured.ts'

/** The request's body. The recording is read from its file while it is sent; its name tells nothing but the format. */
export async function uploadForm(audioPath: string, model: string, asked: Honoured): Promise<FormData> {
  const { language, temperature, initial_prompt: prompt, word_timestamps: hasWords = false } = asked
  const form = new FormData()
  form.set('model', model)
  form.set('response_format', 'verbose_json')
  if (temperature !== undefined) form.set('temperature', String(temperature))
  form.append('timestamp_granularities[]', 'segment')
  if (hasWords) form.append('timestamp_granularities[]', 'word')
  if (typeof language === 'string') form.set('language', language)
  if (typeof prompt === 'string') form.set('prompt', prompt)
  form.set('file', await openAsBlob(audioPath), `audio${extname(audioPath)}`)
  return form
}

import { openAsBlob } from 'node:fs'
import { extname } from 'node:path'
import { FormData } from 'undici'
import { whisperParameters } from '../../models/whisper/parameters.ts'
import type { WhisperInput } from '../../models/whisper/parameters.ts'
import { RemoteError } from './errors.ts'

/** Parameters that OpenAI's API has too. */
const HONOURED: ReadonlySet<string> = new Set<keyof WhisperInput>([
  'task',
  'language',
  'temperature',
  'initial_prompt',
  'word_timestamps',
])

/**
 * A parameter that would be ignored is refused: a transcript that looks as if it had been followed would be worse. What is as by
 * default is the server's own affair.
 * @throws RemoteError `input.unsupported`, naming the parameters
 */
export function requireHonoured(input: WhisperInput): void {
  const refused = whisperParameters.changed(input).filter((name) => !HONOURED.has(name))
  if (Array.isArray(input.temperature)) refused.unshift('temperature as a list')
  if (refused.length === 0) return
  throw new RemoteError(
    'input.unsupported',
    `The transcription server behind this service can’t honour ${refused.map((name) => `input.${name}`).join(', ')}. Leave out ` +
      'what it can’t honour, or use a server that transcribes by itself.',
  )
}

/** The request's body. The recording is read from its file while it is sent; its name tells nothing but the format. */
export async function uploadForm(audioPath: string, model: string, input: WhisperInput): Promise<FormData> {
  const form = new FormData()
  form.set('model', model)
  form.set('response_format', 'verbose_json')
  form.set('temperature', String(input.temperature))
  form.append('timestamp_granularities[]', 'segment')
  if (input.word_timestamps) form.append('timestamp_granularities[]', 'word')
  if (input.language !== null) form.set('language', input.language)
  if (input.initial_prompt !== null) form.set('prompt', input.initial_prompt)
  form.set('file', await openAsBlob(audioPath), `audio${extname(audioPath)}`)
  return form
}

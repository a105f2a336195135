import { Check, Errors } from 'typebox/value'
import { TranscriptSchema } from '../../contract/transcript.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { EngineProcessError } from '../errors.ts'

/**
 * What a transcriber gave, if it can be read again when it has been stored: JSON has no NaN and no infinity.
 * @throws EngineProcessError `engine.bad_result`
 */
export function requireTranscript(result: unknown): Transcript {
  if (Check(TranscriptSchema, result)) return result
  const [error] = Errors(TranscriptSchema, result)
  const where = error === undefined ? 'it' : `${error.instancePath || 'it'} ${error.message}`
  throw new EngineProcessError(
    'engine.bad_result',
    `The engine’s transcript is not one that could be stored: ${where}. Another try would give the same; other parameters may help.`,
  )
}

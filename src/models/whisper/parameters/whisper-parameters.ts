import type { ModelDescription } from '../../catalogue.ts'
import { ParameterSet } from '../../parameters/parameter-set.ts'
import { requireConsistent, requireLanguage } from './input-rules.ts'
import { WHISPER_PARAMETERS } from './parameter-descriptions.ts'
import type { WhisperInput } from './parameter-descriptions.ts'

export type { WhisperInput } from './parameter-descriptions.ts'

/** The model parameters of a request. */
export const whisperParameters = new ParameterSet(WHISPER_PARAMETERS, 'Parameters of a Whisper model.')

/**
 * Validates a request's `input` and fills in the defaults; the language becomes its code.
 * @throws InputError naming the field, what it got and what it takes
 */
export function parseWhisperInput(value: unknown, model: ModelDescription): WhisperInput {
  const input = whisperParameters.parse(value)
  requireConsistent(input)
  return { ...input, language: requireLanguage(input, model) }
}

/**
 * An input that was parsed and stored before, perhaps by a version that knew fewer parameters: they get their defaults.
 * @throws InputError
 */
export function readWhisperInput(value: unknown): WhisperInput {
  return whisperParameters.read(value)
}

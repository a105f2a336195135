import type { WhisperInput } from '../models/whisper-input.ts'
import type { TranscribeOptions } from '../whisper/transcribe.ts'

/** The engine's options for a request's parameters. */
export function transcribeOptions(input: WhisperInput): TranscribeOptions {
  return {
    task: input.task,
    language: input.language,
    noSpeechThreshold: input.no_speech_threshold,
    logprobThreshold: input.logprob_threshold,
    conditionOnPreviousText: input.condition_on_previous_text,
    initialPrompt: input.initial_prompt,
    suppressTokens: tokenIds(input.suppress_tokens),
  }
}

function tokenIds(list: string | null): readonly number[] {
  if (list === null || list.trim() === '') return []
  return list.split(',').map(Number)
}

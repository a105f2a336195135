import { listOf } from '../../parameters/parameter.ts'
import { temperaturesOf } from './input-rules.ts'
import { AS_GIVEN, OF_WORDS } from './options.ts'
import type { Camelised, TranscribeOptions } from './options.ts'
import type { WhisperInput } from './whisper-parameters.ts'

/** The engine's options for a request's parameters. */
export function transcribeOptions(input: WhisperInput): TranscribeOptions {
  return {
    ...camelised(input, AS_GIVEN),
    audioTrack: input.audio_track === 'auto' ? null : input.audio_track,
    temperatures: temperaturesOf(input),
    suppressTokens: listOf(input.suppress_tokens),
    sampleLength: input.sample_len,
    clipTimestamps: listOf(input.clip_timestamps),
    words: input.word_timestamps ? camelised(input, OF_WORDS) : null,
  }
}

function camelised<Name extends keyof WhisperInput>(
  input: WhisperInput,
  names: readonly Name[],
): Camelised<Pick<WhisperInput, Name>> {
  const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(names.map((name) => [camelCase(name), input[name]])) as Camelised<Pick<WhisperInput, Name>>
}

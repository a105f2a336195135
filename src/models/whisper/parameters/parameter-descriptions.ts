import Type from 'typebox'
import { numbersText, orNull, parameter } from '../../parameters/parameter.ts'
import type { InputOf } from '../../parameters/parameter.ts'

const Temperature = Type.Number({ minimum: 0, maximum: 1 })
const Seconds = Type.Number({ minimum: 0, maximum: 1e7 })
const TokenId = Type.Integer({ minimum: -1, maximum: 9_999_999 })

/** The parameters of Whisper models; names, defaults and meaning are those of the reference's `transcribe()`. */
export const WHISPER_PARAMETERS = {
  task: parameter(Type.Enum(['transcribe', 'translate']), {
    default: 'transcribe',
    meaning: '`transcribe`, or `translate` into English.',
  }),
  language: parameter(orNull(Type.String()), {
    default: null,
    meaning:
      'The spoken language: its code (`en`), a tag or locale by its language (`en-US`, `zh_CN`), or its English name; null, `auto` or ' +
      'nothing: detected over the first 30 s.',
  }),
  audio_track: parameter(Type.Union([Type.Integer({ minimum: 0, maximum: 999 }), Type.Enum(['auto'])]), {
    default: 'auto',
    meaning:
      'Which of a file’s audio tracks, from 0; `auto`: the default one (else the first), unless it is silent and another one (of the ' +
      'first 32) is not, or it can’t be decoded.',
  }),
  temperature: parameter(Type.Union([Temperature, Type.Array(Temperature, { minItems: 1, maxItems: 20 })]), {
    default: 0,
    meaning:
      'The first temperature that a window is decoded at; or a list of all that are tried, in turn, to which no increment is added.',
  }),
  temperature_increment_on_fallback: parameter(orNull(Type.Number({ minimum: 0.01, maximum: 1 })), {
    default: 0.2,
    meaning: 'A window that failed is decoded again at so much more, up to 1; null: never.',
  }),
  compression_ratio_threshold: parameter(orNull(Type.Number({ minimum: 0, maximum: 1000 })), {
    default: 2.4,
    meaning: 'A window whose text compresses better than this has failed (repetition); null: off.',
  }),
  logprob_threshold: parameter(orNull(Type.Number({ minimum: -1000, maximum: 0 })), {
    default: -1,
    meaning:
      'A window whose mean token log-probability is below this has failed, and one above it is no silence; null: off, and the ' +
      'probability of silence alone decides.',
  }),
  no_speech_threshold: parameter(orNull(Type.Number({ minimum: 0, maximum: 1 })), {
    default: 0.6,
    meaning:
      'A window whose probability of silence is above this is skipped, unless its log-probability is above `logprob_threshold`; null: off.',
  }),
  condition_on_previous_text: parameter(Type.Boolean(), {
    default: true,
    meaning: 'Whether the text so far prompts the next window.',
  }),
  initial_prompt: parameter(orNull(Type.String({ maxLength: 10_000 })), {
    default: null,
    meaning: 'Text that prompts the first window, such as names and terms to expect.',
  }),
  carry_initial_prompt: parameter(Type.Boolean(), {
    default: false,
    meaning: 'Whether `initial_prompt` comes first in the prompt of every window.',
  }),
  prefix: parameter(orNull(Type.String({ maxLength: 1000 })), {
    default: null,
    meaning: 'Text that the transcript of each window goes on from, without being part of it.',
  }),
  suppress_tokens: parameter(
    Type.Union([
      numbersText('(-1|\\d{1,7})', 'token ids separated by commas, such as "-1"'),
      Type.Array(TokenId, { maxItems: 10_000 }),
      Type.Null(),
    ]),
    {
      default: '-1',
      meaning:
        'Token ids that are never sampled; -1 stands for the non-speech symbols; empty or null: none, not even the special tokens.',
    },
  ),
  suppress_blank: parameter(Type.Boolean(), {
    default: true,
    meaning: 'Whether a window may not begin with a blank or end at once.',
  }),
  without_timestamps: parameter(Type.Boolean(), {
    default: false,
    meaning: 'Whether text alone is sampled: one segment a window.',
  }),
  max_initial_timestamp: parameter(orNull(Type.Number({ minimum: 0, maximum: 30 })), {
    default: 1,
    meaning: 'Seconds into its window at which the first segment begins at the latest; null or 0: any.',
    unit: 'seconds',
  }),
  sample_len: parameter(orNull(Type.Integer({ minimum: 1, maximum: 448 })), {
    default: null,
    meaning: 'Tokens that are sampled for a window at most; null: half the context of the model.',
    unit: 'tokens',
  }),
  beam_size: parameter(orNull(Type.Integer({ minimum: 1, maximum: 20 })), {
    default: null,
    meaning: 'Beams at temperature 0; null: greedy.',
  }),
  patience: parameter(orNull(Type.Number({ exclusiveMinimum: 0, maximum: 10 })), {
    default: null,
    meaning: 'Patience of the beam search; needs `beam_size`; null: 1.',
  }),
  best_of: parameter(orNull(Type.Integer({ minimum: 1, maximum: 20 })), {
    default: null,
    meaning: 'Samples at temperatures above 0, of which the best is taken; null: 1.',
  }),
  length_penalty: parameter(orNull(Type.Number({ minimum: 0, maximum: 1 })), {
    default: null,
    meaning: 'Exponent α of the length penalty that ranks the candidates; null: division by the length.',
  }),
  seed: parameter(Type.Integer({ minimum: 0, maximum: 4_294_967_295 }), {
    default: 0,
    meaning:
      'Of the samples at temperatures above 0: the same recording with the same parameters and seed gives the same transcript.',
  }),
  clip_timestamps: parameter(
    Type.Union([
      numbersText('\\d{1,7}(\\.\\d{1,9})?', 'seconds separated by commas, such as "10,45.5"'),
      Type.Array(Seconds, { maxItems: 1000 }),
    ]),
    {
      default: '0',
      meaning: 'Parts to transcribe: start,end,start,end,… in seconds; a last end left out is the recording’s.',
      unit: 'seconds',
    },
  ),
  word_timestamps: parameter(Type.Boolean(), {
    default: false,
    meaning: 'Whether each segment has `words`, each with its time and probability.',
  }),
  prepend_punctuations: parameter(Type.String({ maxLength: 200 }), {
    default: '"\'“¿([{-',
    meaning: 'Punctuation that is merged into the word after it; counts with `word_timestamps`.',
  }),
  append_punctuations: parameter(Type.String({ maxLength: 200 }), {
    default: '"\'.。,，!！?？:：”)]}、',
    meaning: 'Punctuation that is merged into the word before it; counts with `word_timestamps`.',
  }),
  hallucination_silence_threshold: parameter(orNull(Seconds), {
    default: null,
    meaning:
      'Silence of more seconds around words that look made up is skipped; needs `word_timestamps`; null: nothing is.',
    unit: 'seconds',
  }),
} as const

export type WhisperInput = InputOf<typeof WHISPER_PARAMETERS>

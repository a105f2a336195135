// Written from the server’s description of its parameters by test/whisper-input.test.ts; `npx vitest run client --update` writes it anew.

/** The parameters of Whisper models: OpenAI’s names, with their meaning. */
export interface WhisperInput {
  /** `transcribe`, or `translate` into English. Takes "transcribe" or "translate"; default: `"transcribe"`. */
  readonly task?: 'transcribe' | 'translate'
  /** The spoken language: its code (`en`), a tag or locale by its language (`en-US`, `zh_CN`), or its English name; null, `auto` or nothing: detected over the first 30 s. Takes a string, or null; default: `null`. */
  readonly language?: string | null
  /** Which of a file’s audio tracks, from 0; `auto`: the default one (else the first), unless it is silent and another one (of the first 32) is not, or it can’t be decoded. Takes an integer from 0 to 999, or "auto"; default: `"auto"`. */
  readonly audio_track?: number | 'auto'
  /** The first temperature that a window is decoded at; or a list of all that are tried, in turn, to which no increment is added. Takes a number from 0 to 1, or a list of numbers from 0 to 1; default: `0`. */
  readonly temperature?: number | readonly number[]
  /** A window that failed is decoded again at so much more, up to 1; null: never. Takes a number from 0.01 to 1, or null; default: `0.2`. */
  readonly temperature_increment_on_fallback?: number | null
  /** A window whose text compresses better than this has failed (repetition); null: off. Takes a number from 0 to 1000, or null; default: `2.4`. */
  readonly compression_ratio_threshold?: number | null
  /** A window whose mean token log-probability is below this has failed, and one above it is no silence; null: off, and the probability of silence alone decides. Takes a number from -1000 to 0, or null; default: `-1`. */
  readonly logprob_threshold?: number | null
  /** A window whose probability of silence is above this is skipped, unless its log-probability is above `logprob_threshold`; null: off. Takes a number from 0 to 1, or null; default: `0.6`. */
  readonly no_speech_threshold?: number | null
  /** Whether the text so far prompts the next window. Takes true or false; default: `true`. */
  readonly condition_on_previous_text?: boolean
  /** Text that prompts the first window, such as names and terms to expect. Takes a string of at most 10000 characters, or null; default: `null`. */
  readonly initial_prompt?: string | null
  /** Whether `initial_prompt` comes first in the prompt of every window. Takes true or false; default: `false`. */
  readonly carry_initial_prompt?: boolean
  /** Text that the transcript of each window goes on from, without being part of it. Takes a string of at most 1000 characters, or null; default: `null`. */
  readonly prefix?: string | null
  /** Token ids that are never sampled; -1 stands for the non-speech symbols; empty or null: none, not even the special tokens. Takes a string of token ids separated by commas, such as "-1", or a list of integers from -1 to 9999999, or null; default: `"-1"`. */
  readonly suppress_tokens?: string | readonly number[] | null
  /** Whether a window may not begin with a blank or end at once. Takes true or false; default: `true`. */
  readonly suppress_blank?: boolean
  /** Whether text alone is sampled: one segment a window. Takes true or false; default: `false`. */
  readonly without_timestamps?: boolean
  /** Seconds into its window at which the first segment begins at the latest; null or 0: any. Takes a number from 0 to 30, or null; default: `1`. */
  readonly max_initial_timestamp?: number | null
  /** Tokens that are sampled for a window at most; null: half the context of the model. Takes an integer from 1 to 448, or null; default: `null`. */
  readonly sample_len?: number | null
  /** Beams at temperature 0; null: greedy. Takes an integer from 1 to 20, or null; default: `null`. */
  readonly beam_size?: number | null
  /** Patience of the beam search; needs `beam_size`; null: 1. Takes a number above 0 and up to 10, or null; default: `null`. */
  readonly patience?: number | null
  /** Samples at temperatures above 0, of which the best is taken; null: 1. Takes an integer from 1 to 20, or null; default: `null`. */
  readonly best_of?: number | null
  /** Exponent α of the length penalty that ranks the candidates; null: division by the length. Takes a number from 0 to 1, or null; default: `null`. */
  readonly length_penalty?: number | null
  /** Of the samples at temperatures above 0: the same recording with the same parameters and seed gives the same transcript. Takes an integer from 0 to 4294967295; default: `0`. */
  readonly seed?: number
  /** Parts to transcribe: start,end,start,end,… in seconds; a last end left out is the recording’s. Takes a string of seconds separated by commas, such as "10,45.5", or a list of numbers from 0 to 10000000; default: `"0"`. */
  readonly clip_timestamps?: string | readonly number[]
  /** Whether each segment has `words`, each with its time and probability. Takes true or false; default: `false`. */
  readonly word_timestamps?: boolean
  /** Punctuation that is merged into the word after it; counts with `word_timestamps`. Takes a string of at most 200 characters; default: `"\"'“¿([{-"`. */
  readonly prepend_punctuations?: string
  /** Punctuation that is merged into the word before it; counts with `word_timestamps`. Takes a string of at most 200 characters; default: `"\"'.。,，!！?？:：”)]}、"`. */
  readonly append_punctuations?: string
  /** Silence of more seconds around words that look made up is skipped; needs `word_timestamps`; null: nothing is. Takes a number from 0 to 10000000, or null; default: `null`. */
  readonly hallucination_silence_threshold?: number | null
}

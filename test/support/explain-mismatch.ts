import { initialTokensOf } from '../../src/models/whisper/decoding/initial-tokens.ts'
import { NextTokens } from '../../src/models/whisper/decoding/next-tokens.ts'
import type { AudioFeatures } from '../../src/speech/audio/features.ts'
import type { WhisperModel } from '../../src/models/whisper/model.ts'
import type { TranscribeOptions } from '../../src/models/whisper/parameters/options.ts'
import { PromptHistory } from '../../src/models/whisper/transcription/prompt-history.ts'
import type { WhisperTranscript } from '../../src/models/whisper/transcription/whisper-transcript.ts'
import type { PlainWhisper } from './plain-whisper.ts'

type Recorded = Pick<WhisperTranscript, 'segments' | 'language'>

/**
 * Where a transcript parts from the recorded one: the first differing token, and what comes next there, in the opinion of the engine
 * and of the plain forward pass. Undefined when they are the same. For transcripts at temperature 0.
 */
export async function explainMismatch(
  context: {
    readonly model: WhisperModel
    readonly plain: () => Promise<PlainWhisper>
    readonly features: AudioFeatures
    readonly options: TranscribeOptions
  },
  got: Recorded,
  expected: Recorded,
): Promise<string | undefined> {
  const { model, features, options } = context
  const { tokenizer, dimensions } = model
  const tokensOf = ({ segments }: Recorded): readonly { readonly seek: number; readonly token: number }[] =>
    segments.flatMap(({ seek, tokens }) => tokens.map((token) => ({ seek, token })))
  const [ours, theirs] = [tokensOf(got), tokensOf(expected)]
  const at = Array.from({ length: Math.max(ours.length, theirs.length) }).findIndex(
    (_, index) => ours[index]?.token !== theirs[index]?.token,
  )
  if (at === -1) return undefined
  const inWords = (token: number | undefined): string =>
    token === undefined ? 'nothing' : `${token} ${JSON.stringify(tokenizer.decodeWithTimestamps([token]))}`
  const summary = `token ${at} is ${inWords(ours[at]?.token)} instead of ${inWords(theirs[at]?.token)}`

  const seek = (theirs[at] ?? ours[at])?.seek ?? 0
  const encode = (text: string | null): readonly number[] => (text === null ? [] : tokenizer.encode(` ${text.trim()}`))
  const history = new PromptHistory(encode(options.initialPrompt), {
    carriesInitial: options.carryInitialPrompt,
    capacity: Math.floor(dimensions.nTextCtx / 2) - 1,
  })
  for (const segment of expected.segments.filter((before) => before.seek < seek)) history.append(segment.tokens)
  if (!options.conditionOnPreviousText) history.reset()
  const decoding = { ...options, language: expected.language, prompt: history.prompt, prefix: encode(options.prefix) }
  const sampled = theirs.slice(0, at).filter((before) => before.seek === seek)
  const tokens = [...initialTokensOf(tokenizer, dimensions.nTextCtx, decoding), ...sampled.map(({ token }) => token)]

  const mel = await features.window(seek, Math.min(3000, features.contentFrames - seek))
  using slot = model.slot()
  await slot.encode(mel)
  const { logits: engine } = await slot.read(tokens, [tokens.length - 1], { wantsLogits: true })
  const plain = await context.plain()
  const plainLogits = Float32Array.from(plain.logits(plain.encode(mel), tokens).subarray(-dimensions.nVocab))
  const top = (logits: Float32Array): string =>
    new NextTokens(logits, tokenizer)
      .top(5)
      .tokens.map((token) => `${inWords(token)} at ${logits[token]!.toFixed(4)}`)
      .join(', ')
  return `${summary}, in the window at frame ${seek}
top 5 of the engine: ${top(engine)}
top 5 of 64-bit arithmetic: ${top(plainLogits)}`
}

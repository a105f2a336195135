import { expect, test } from 'vitest'
import type { WHISPER_PARAMETERS } from './parameter-descriptions.ts'
import { readWhisperInput } from './whisper-parameters.ts'
import { transcribeOptions } from './transcribe-options.ts'

/** Another value than the default for each parameter, and what it needs to count. */
const OTHERS: Readonly<Record<keyof typeof WHISPER_PARAMETERS, readonly [value: unknown, others?: object]>> = {
  task: ['translate'],
  language: ['de'],
  audio_track: [1],
  temperature: [0.5],
  temperature_increment_on_fallback: [null],
  compression_ratio_threshold: [null],
  logprob_threshold: [-2],
  no_speech_threshold: [0.5],
  condition_on_previous_text: [false],
  initial_prompt: ['Sotto'],
  carry_initial_prompt: [true],
  prefix: ['So'],
  suppress_tokens: [[7]],
  suppress_blank: [false],
  without_timestamps: [true],
  max_initial_timestamp: [null],
  sample_len: [9],
  beam_size: [5],
  patience: [2],
  best_of: [5],
  length_penalty: [0.6],
  seed: [1],
  clip_timestamps: ['1,2'],
  word_timestamps: [true],
  prepend_punctuations: ['(', { word_timestamps: true }],
  append_punctuations: [')', { word_timestamps: true }],
  hallucination_silence_threshold: [2, { word_timestamps: true }],
}

test.each(Object.entries(OTHERS))('%s reaches the engine', (name, [value, others = {}]) => {
  const before = transcribeOptions(readWhisperInput(others))
  const after = transcribeOptions(readWhisperInput({ ...others, [name]: value }))
  expect(after).not.toEqual(before)
  expect(Object.keys(after).toSorted()).toEqual(Object.keys(before).toSorted())
})

test('parameters keep their values under the engine’s names', () => {
  const input = readWhisperInput({
    beam_size: 5,
    temperature: 0.8,
    suppress_tokens: '1, -1',
    clip_timestamps: '',
    audio_track: 'auto',
    word_timestamps: true,
    prepend_punctuations: '(',
  })
  expect(transcribeOptions(input)).toMatchObject({
    beamSize: 5,
    noSpeechThreshold: 0.6,
    conditionOnPreviousText: true,
    temperatures: [0.8, 1],
    suppressTokens: [1, -1],
    clipTimestamps: [],
    audioTrack: null,
    words: { prependPunctuations: '(', hallucinationSilenceThreshold: null },
  })
  expect(transcribeOptions(readWhisperInput({})).words).toBeNull()
})

import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { goldenJson } from '../../../../test/support/golden.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import { Tokenizer } from './tokenizer.ts'
import type { Task } from './tokenizer.ts'
import { splitToWords } from './words.ts'

interface Golden {
  readonly vectors: readonly { text: string; ids: number[]; decoded: string }[]
  readonly split_to_word_tokens: readonly { text: string; words: string[]; tokens: number[][] }[]
  readonly decode_invalid: readonly { ids: number[]; decoded: string }[]
  readonly decode_with_timestamps: readonly { ids: number[]; text: string }[]
  readonly sot_sequence: Readonly<Record<string, number[]>>
  readonly non_speech_tokens: number[]
  readonly special: Readonly<Record<string, number>>
  readonly timestamp_begin: number
}

const golden = goldenJson<Golden>('tokenizer.json')
const tokenizer = await Tokenizer.load(join(PROJECT, 'models/whisper-demo'), { isMultilingual: true })

test.each(golden.vectors)('encodes and decodes $text', ({ text, ids, decoded }) => {
  expect(tokenizer.encode(text)).toEqual(ids)
  expect(tokenizer.decode(ids)).toBe(decoded)
})

test.each(golden.decode_invalid)('decodes $ids, which is no whole text', ({ ids, decoded }) => {
  expect(tokenizer.decode(ids)).toBe(decoded)
})

test.each(golden.decode_with_timestamps)('writes the timestamps of $ids', ({ ids, text }) => {
  expect(tokenizer.decodeWithTimestamps(ids)).toBe(text)
})

test.each(golden.split_to_word_tokens)('splits $text into words', ({ text, words, tokens }) => {
  const split = splitToWords(tokenizer, [...tokenizer.encode(text), tokenizer.eot], 'en')
  expect(split.map((word) => word.text)).toEqual(words)
  expect(split.map((word) => word.tokens)).toEqual(tokens)
})

test.each(Object.entries(golden.sot_sequence))('asks for %s', (which, ids) => {
  const [language = '', task] = which.split('/')
  expect(tokenizer.sotSequence(language, task as Task)).toEqual(ids)
})

test('reads vocab.json, merges.txt and added_tokens.json where there is no tokenizer.json', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sotto-tokenizer-'))
  try {
    for (const name of ['vocab.json', 'merges.txt', 'added_tokens.json']) {
      await copyFile(join(PROJECT, 'models/whisper-demo', name), join(folder, name))
    }
    const other = await Tokenizer.load(folder, { isMultilingual: true })
    for (const { text, ids, decoded } of golden.vectors) {
      expect(other.encode(text)).toEqual(ids)
      expect(other.decode(ids)).toBe(decoded)
    }
    expect(other.languages).toEqual(tokenizer.languages)
    expect(other.timestampBegin).toBe(tokenizer.timestampBegin)
    expect(other.nonSpeechTokens).toEqual(tokenizer.nonSpeechTokens)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('takes special tokens that a text spells out as text', () => {
  const ids = tokenizer.encode('<|startoftranscript|>')
  expect(Math.max(...ids)).toBeLessThan(tokenizer.eot)
  expect(tokenizer.decode(ids)).toBe('<|startoftranscript|>')
})

test('knows the special tokens', () => {
  expect(tokenizer.nonSpeechTokens).toEqual(golden.non_speech_tokens)
  expect(tokenizer.timestampBegin).toBe(golden.timestamp_begin)
  expect(tokenizer).toMatchObject({
    eot: golden.special['<|endoftext|>'],
    sot: golden.special['<|startoftranscript|>'],
    sotPrev: golden.special['<|startofprev|>'],
    sotLm: golden.special['<|startoflm|>'],
    noSpeech: golden.special['<|nospeech|>'],
    noTimestamps: golden.special['<|notimestamps|>'],
  })
  expect(tokenizer.languages.size).toBe(99)
})

import { describe, expect, test } from 'vitest'
import { MAX_NAME_LENGTH, foldedText, isCleanText, nameOfFile } from './job-labels.ts'

test.each(['interview.m4a', 'Gespräch 🎙 (2).mp3', 'مقابلة.wav', '"><img src=x>', ''])('%j may be a name', (text) => {
  expect(isCleanText(text)).toBe(true)
})

test.each(['a\nb', 'a\u0000b', '\u007f', '\u0085', '\u2028', '\u2029', '\ud83c', 'a\udf99'])('%j may not', (text) => {
  expect(isCleanText(text)).toBe(false)
})

describe('the name of a file', () => {
  test('is what is left of it without what names may not have', () => {
    expect(nameOfFile(' talk\r\n.mp3\u0000 ')).toBe('talk.mp3')
    expect(nameOfFile('\n')).toBeNull()
    expect(nameOfFile('')).toBeNull()
  })

  test('is cut to its length without cutting a character', () => {
    expect(nameOfFile('🎙'.repeat(300))).toBe('🎙'.repeat(MAX_NAME_LENGTH))
  })
})

describe('folded text', () => {
  test.each([
    ['Straße.MP3', 'STRASSE'],
    ['Élise à Genève', 'elise a geneve'],
    ['ＡＢＣ', 'abc'],
    ['Ο ΔΡΌΜΟΣ', 'δρομος'],
  ])('of %j holds that of %j', (name, asked) => {
    expect(foldedText(name)).toContain(foldedText(asked))
  })

  test('fits an index, whatever it was made of', () => {
    expect([...foldedText('\ufdfa'.repeat(MAX_NAME_LENGTH))].length).toBe(MAX_NAME_LENGTH)
    expect(isCleanText(foldedText('🎙'.repeat(MAX_NAME_LENGTH)))).toBe(true)
  })
})

import { expect, test } from 'vitest'
import { guessedLength } from './guessed-length.ts'

test.each([
  ['mp3', 160_000, 10],
  ['wav', 160_000, 10],
  ['webm', 60_000, 10],
  ['ogg', 60_000, 10],
  ['oga', 60_000, 10],
  ['opus', 60_000, 10],
])('%s of %i bytes is of about %i seconds', (extension, bytes, seconds) => {
  expect(guessedLength({ bytes, extension })).toBe(seconds)
})

test('nothing is shorter than a second', () => {
  expect(guessedLength({ bytes: 0, extension: 'mp3' })).toBe(1)
})

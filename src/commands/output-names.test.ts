import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { outputNames } from './output-names.ts'

test.each([
  [
    ['talk.wav', 'lecture.mp3'],
    ['talk.txt', 'lecture.txt'],
  ],
  [
    ['talk.wav', 'talk.mp3', 'other.wav'],
    ['talk.wav.txt', 'talk.mp3.txt', 'other.txt'],
  ],
  [
    ['talk.wav', 'talk.mp3', 'talk.wav'],
    ['talk.wav.txt', 'talk.mp3.txt', 'talk.wav.2.txt'],
  ],
  [
    ['Talk.wav', 'talk.MP3'],
    ['Talk.wav.txt', 'talk.MP3.txt'],
  ],
  [
    ['talk.wav.ogg', 'talk.wav', 'talk.mp3'],
    ['talk.wav.txt', 'talk.wav.2.txt', 'talk.mp3.txt'],
  ],
  [
    ['2024/talk.wav', '2025/talk.wav'],
    ['2024/talk.txt', '2025/talk.txt'],
  ],
  [
    ['stdin', '.hidden', 'no-extension'],
    ['stdin.txt', '.hidden.txt', 'no-extension.txt'],
  ],
])('%j', (names, outputs) => {
  expect(outputNames(names, '.txt')).toEqual(outputs)
})

test('no two are ever the same, on no disk', () => {
  const name = fc.constantFrom('a', 'A', 'a.wav', 'a.mp3', 'a.wav.2', 'a.2.wav', 'b/a.wav', 'é.wav', 'e\u0301.wav')
  fc.assert(
    fc.property(fc.array(name), (names) => {
      const outputs = outputNames(names, '.txt').map((output) => output.normalize('NFC').toLowerCase())
      expect(new Set(outputs).size).toBe(names.length)
    }),
  )
})

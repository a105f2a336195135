import { expect, test } from 'vitest'
import { extensionOf } from './media-types.ts'

test.each([
  ['audio/mpeg', 'mp3'],
  [' Audio/X-WAV ; charset=binary', 'wav'],
  ['video/mp4; codecs="mp4a.40.2"', 'mp4'],
  ['application/octet-stream', undefined],
  ['text/html', undefined],
  ['constructor', undefined],
  ['', undefined],
  [undefined, undefined],
  [['audio/mpeg', 'audio/wav'], undefined],
])('%j is of a file .%s', (contentType, extension) => {
  expect(extensionOf(contentType)).toBe(extension)
})

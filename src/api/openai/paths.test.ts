import { expect, test } from 'vitest'
import { canonicalUrl, errorFormOf } from './paths.ts'

test.each([
  ['/v1/audio/transcriptions', '/v1/audio/transcriptions'],
  ['/v1/audio/transcriptions/', '/v1/audio/transcriptions'],
  ['//v1//audio/transcriptions//', '/v1/audio/transcriptions'],
  ['/openai/v1/audio/translations?a=//', '/v1/audio/translations?a=//'],
  ['/audio/transcriptions', '/v1/audio/transcriptions'],
  ['/openai/v1/models/', '/v1/models'],
  ['/openai/v1/models/openai/whisper-small', '/v1/models/openai/whisper-small'],
  ['/v1/models//openai%2Fwhisper-small/', '/v1/models/openai%2Fwhisper-small'],
  ['//asr?output=srt', '/asr?output=srt'],
  ['/detect-language/', '/detect-language'],
])('%s is %s', (url, canonical) => expect(canonicalUrl(url)).toBe(canonical))

test.each([
  ['/v1/async/requests//x/'],
  ['/v1/input/uploads/x?signature=%2F'],
  ['/models'],
  ['/v1/audio'],
  ['/v1/audio/transcriptions/x'],
  ['/v1/readyz'],
  ['/'],
  ['/openai'],
  ['/docs/'],
])('%s stays as it is', (url) => expect(canonicalUrl(url)).toBe(url))

test('errors have the form of who asks', () => {
  expect(
    ['/v1/audio/speech', '/openai/v1/chat', '/v1/models/x', '/v1/async/requests', '/v1/audiobooks'].map(errorFormOf),
  ).toEqual([...['openai', 'openai', 'both', 'own', 'own']])
})

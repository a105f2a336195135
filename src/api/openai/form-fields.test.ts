import { expect, test } from 'vitest'
import { FormFields } from './form-fields.ts'

test.each([
  [
    [
      ['names[]', 'word'],
      ['names[]', 'segment'],
    ],
  ],
  [
    [
      ['names', 'word'],
      ['names', 'segment'],
    ],
  ],
  [
    [
      ['names[0]', 'word'],
      ['names[1]', 'segment'],
    ],
  ],
  [[['names', 'word, segment']]],
  [[['names[]', 'word,segment']]],
  [[['names', '["word", "segment"]']]],
] as [string, string][][][])('a list is taken as %j', (entries) => {
  expect(new FormFields(entries ?? []).list('names')).toEqual(['word', 'segment'])
})

test('what is printed of a value that is none counts as none', () => {
  const fields = new FormFields([
    ['language', 'null'],
    ['prompt', ''],
    ['stream', 'undefined'],
    ['model', 'None'],
  ])
  expect(fields.names).toEqual([])
  expect(fields.text('language')).toBeUndefined()
})

test('of a field that comes twice the last counts, and objects have their fields flattened', () => {
  const fields = new FormFields([
    ['model', 'one'],
    ['model', 'two'],
    ['chunking_strategy[type]', 'server_vad'],
  ])
  expect(fields.text('model')).toBe('two')
  expect([fields.has('chunking_strategy'), fields.has('chunking')]).toEqual([true, false])
  expect(fields.names).toEqual(['model', 'chunking_strategy'])
})

test('a list that is no list is a text', () => {
  expect(new FormFields([['names', '[word']]).list('names')).toEqual(['[word'])
})

import { expect, test } from 'vitest'
import { unknownVariables } from './unknown-variables.ts'

test.each([
  ['SOTTO_WORKER', 'SOTTO_WORKERS'],
  ['SOTTO_LAESE', 'SOTTO_LEASE'],
  ['SOTTO_MAX_UPLOAD_BYTE', 'SOTTO_MAX_UPLOAD_BYTES'],
  ['SOTTO_PORT', 'PORT'],
  ['SOTTO_DATABASE_URL', 'DATABASE_URL'],
])('%s is most likely %s', (name, meant) => {
  expect(unknownVariables({ [name]: '1' })).toEqual([{ name, meant }])
})

test.each(['SOTTO_COLOUR', 'SOTTO_X', 'SOTTO_'])('%s is like none', (name) => {
  expect(unknownVariables({ [name]: '1' })).toEqual([{ name, meant: undefined }])
})

test('what is known, or another program’s, is not looked at', () => {
  expect(unknownVariables({ SOTTO_WORKERS: '2', WORKERS: '2', HOME: '/' })).toEqual([])
})

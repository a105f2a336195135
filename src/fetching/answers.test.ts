import { expect, test } from 'vitest'
import { redirectionOf } from './answers.ts'

const FROM = new URL('https://example.com/a/b.mp3?token=1')

test.each([
  ['/c.mp3', 'https://example.com/c.mp3'],
  ['c.mp3', 'https://example.com/a/c.mp3'],
  ['//cdn.example.com/c.mp3', 'https://cdn.example.com/c.mp3'],
  ['https://cdn.example.com/c.mp3', 'https://cdn.example.com/c.mp3'],
])('a redirect to %s leads to %s', (location, target) => {
  expect(redirectionOf(FROM, location).href).toBe(target)
})

test('a redirect may lead from http to https', () => {
  expect(redirectionOf(new URL('http://example.com/'), 'https://example.com/').href).toBe('https://example.com/')
})

test.each([
  'http://example.com/a/b.mp3',
  'HTTP://example.com/',
  'ftp://example.com/',
  'https://',
  undefined,
  ['/a', '/b'],
])('a redirect from https to %j is not followed', (location) => {
  expect(() => redirectionOf(FROM, location)).toThrow(expect.objectContaining({ code: 'fetch.refused' }))
})

import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test('further models are a list', () => {
  expect(loadConfig({ SOTTO_MODELS: ' a/b@main , ,c/d ' }).hub.models).toEqual(['a/b@main', 'c/d'])
})

test('paths can be appended to the hub’s URL', () => {
  expect(loadConfig({ HF_ENDPOINT: 'https://hub.example.com/mirror//' }).hub.endpoint).toBe(
    'https://hub.example.com/mirror',
  )
  expect(() => loadConfig({ HF_ENDPOINT: 'hub.example.com' })).toThrow('HF_ENDPOINT takes an http or https URL')
})

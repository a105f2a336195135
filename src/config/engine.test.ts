import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test('the cores are shared out among the engine processes, and each has one', () => {
  const cores = availableParallelism()
  const threads = (environment: Readonly<Record<string, string>>): number => loadConfig(environment).engine.threads
  expect(threads({})).toBe(cores)
  expect(threads({ SOTTO_WORKERS: '256' })).toBe(1)
  expect(threads({ SOTTO_WORKERS: '256', SOTTO_THREADS: '1024' })).toBe(cores)
})

test('models take a part of the memory, unless it is said how much', () => {
  expect(loadConfig({}).engine.modelMemoryBytes).toBeGreaterThan(2 ** 20)
  expect(loadConfig({ SOTTO_MODEL_MEMORY: '3G' }).engine.modelMemoryBytes).toBe(3 * 2 ** 30)
})

test('a worker takes the jobs of some tiers', () => {
  const tiers = (value: string): unknown => loadConfig({ SOTTO_TIERS: value }).engine.tiers
  expect(tiers('')).toBeNull()
  expect(tiers('gpuflex')).toEqual(['gpuflex'])
  expect(tiers('gpuflex, cpuflex')).toEqual(['cpuflex', 'gpuflex'])
  for (const wrong of [',', 'cpuflex,fast']) expect(() => tiers(wrong)).toThrow('SOTTO_TIERS takes some of cpuflex')
})

test.each([
  ['YES', true],
  ['1', true],
  ['on', true],
  ['False', false],
  ['off', false],
])('%s switches a setting to %s', (value, expected) => {
  expect(loadConfig({ SOTTO_GPU_FALLBACK: value }).engine.gpuFallback).toBe(expected)
})

test.each([
  ['SOTTO_GPU_FALLBACK', 'maybe', 'on or off'],
  ['SOTTO_PRECISION', 'q5', 'one of auto, f32, q8, q4, f16'],
  ['SOTTO_SANDBOX', 'yes', 'one of auto, on, off'],
  ['SOTTO_ENGINE_API_KEY', 'a b', 'visible ASCII characters'],
])('%s does not take %s', (variable, value, expected) => {
  expect(() => loadConfig({ [variable]: value })).toThrow(`${variable} takes ${expected}`)
})

test.each([
  ['openai:http://gpu:8000', 'http://gpu:8000/v1'],
  ['openai:http://gpu:8000/v1/', 'http://gpu:8000/v1'],
  ['openai:https://gpu.example.com/whisper/api', 'https://gpu.example.com/whisper/api'],
])('reads the engine %s as the server at %s', (value, baseUrl) => {
  const environment = { SOTTO_ENGINE: value, SOTTO_ENGINE_API_KEY: 'secret', SOTTO_ENGINE_TIMEOUT: '60' }
  const expected = { baseUrl, apiKey: 'secret', model: null, timeoutMs: 60_000 }
  expect(loadConfig(environment).engine.remote).toEqual(expected)
})

test('the engine is this machine by default, whatever else is set for another', () => {
  expect(loadConfig({ SOTTO_ENGINE_API_KEY: 'secret' }).engine.remote).toBeNull()
})

test.each(['gpu', 'openai:', 'openai:gpu:8000', 'openai:ftp://gpu', 'openai:http://gpu?key=1'])(
  '%s is no engine',
  (value) => expect(() => loadConfig({ SOTTO_ENGINE: value })).toThrow('SOTTO_ENGINE takes local, or openai:<URL>'),
)

test('an engine with a password is none, and is not shown', () => {
  const load = (): unknown => loadConfig({ SOTTO_ENGINE: 'openai:http://me:hidden@gpu' })
  expect(load).toThrow('without a user and password')
  expect(load).not.toThrow('hidden')
})

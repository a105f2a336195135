import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test.each([
  ['off', null],
  ['3600', 3_600_000],
  ['90 m', 5_400_000],
  ['12h', 43_200_000],
  ['30D', 2_592_000_000],
])('finished jobs are kept for %s', (value, expected) => {
  expect(loadConfig({ SOTTO_RETENTION: value }).jobs.retentionMs).toBe(expected)
})

test.each(['0', '0d', 'd', '1w', '-1h', '1.5h'])('%s is no time to keep them', (value) => {
  expect(() => loadConfig({ SOTTO_RETENTION: value })).toThrow('SOTTO_RETENTION takes off, or a time of at least')
})

test('the limits of a key are off by default', () => {
  const given = { SOTTO_MAX_QUEUED_JOBS: '5', SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '600' }
  expect(loadConfig({}).jobs.limits).toEqual({ queuedJobs: null, runningJobs: null, audioSecondsPerDay: null })
  expect(loadConfig(given).jobs.limits).toEqual({ queuedJobs: 5, runningJobs: null, audioSecondsPerDay: 600 })
})

test('those of a job are on by default', () => {
  expect(loadConfig({}).jobs).toMatchObject({ maxAudioSeconds: 86_400, maxRunMs: 604_800_000 })
  const off = { SOTTO_MAX_AUDIO_SECONDS: 'off', SOTTO_MAX_JOB_SECONDS: 'off' }
  expect(loadConfig(off).jobs).toMatchObject({ maxAudioSeconds: null, maxRunMs: null })
  expect(loadConfig({ SOTTO_MAX_JOB_SECONDS: '90' }).jobs.maxRunMs).toBe(90_000)
})

test('a database is a PostgreSQL', () => {
  const url = 'postgres://sotto:secret@db/sotto?sslmode=require'
  expect(loadConfig({ DATABASE_URL: url }).jobs.databaseUrl).toBe(url)
  const load = (): unknown => loadConfig({ DATABASE_URL: 'mysql://sotto:secret@db/sotto' })
  expect(load).toThrow(/^DATABASE_URL takes a URL of PostgreSQL.*; got something else \(hidden\)$/)
})

import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test('times are given in seconds', () => {
  const { server } = loadConfig({ SOTTO_SYNC_TIMEOUT: '60', SOTTO_DRAIN: '5', SOTTO_POLL_URL_TTL: '86400' })
  expect(server).toMatchObject({ syncTimeoutMs: 60_000, drainMs: 5000, pollUrlTtlSeconds: 86_400 })
})

test('a limit is off, or a number from 1 on', () => {
  const limit = (given: string): unknown =>
    loadConfig({ SOTTO_MAX_REQUESTS_PER_SECOND: given }).server.maxRequestsPerSecond
  expect([limit(''), limit('off'), limit('12')]).toEqual([null, null, 12])
  for (const wrong of ['0', '-1', '1.5', '1e3', 'none'])
    expect(() => limit(wrong)).toThrow('SOTTO_MAX_REQUESTS_PER_SECOND takes off, or an integer from 1 on')
})

test('proxies are addresses and ranges', () => {
  const known = ['10.0.0.1', '::1', '192.168.0.0/16', 'fd00::/8']
  expect(loadConfig({ SOTTO_TRUSTED_PROXIES: known.join(' , ') }).server.trustedProxies).toEqual(known)
})

test.each(['proxy', '10.0.0.0/33', '10.0.0.1/a', '::1/129', '10.0.0.1,proxy'])('%s is no proxy', (value) => {
  expect(() => loadConfig({ SOTTO_TRUSTED_PROXIES: value })).toThrow(
    'SOTTO_TRUSTED_PROXIES takes addresses or CIDR ranges',
  )
})

test('reads origins as browsers write them', () => {
  const originsOf = (value: string): readonly string[] => loadConfig({ SOTTO_CORS_ORIGINS: value }).server.corsOrigins
  expect(originsOf('')).toEqual([])
  expect(originsOf('*')).toEqual(['*'])
  const given = 'https://App.example:443/, http://localhost:3000, app://obsidian.md, http://[::1]:8080'
  const origins = ['https://app.example', 'http://localhost:3000', 'app://obsidian.md', 'http://[::1]:8080']
  expect(originsOf(given)).toEqual(origins)
})

test.each([
  'app.example',
  'null',
  'https://',
  'https://*.example',
  'https://app.example/page',
  'https://me@app.example',
])('%s is no origin', (value) =>
  expect(() => loadConfig({ SOTTO_CORS_ORIGINS: value })).toThrow('SOTTO_CORS_ORIGINS takes origins'),
)

test('an API key has 16 to 256 characters', () => {
  const key = 'abcDEF-._~+/=012'
  expect(loadConfig({ SOTTO_API_KEY: key }).server.apiKey).toBe(key)
  for (const wrong of ['short secret', key.slice(1), 'a'.repeat(257)])
    expect(() => loadConfig({ SOTTO_API_KEY: wrong })).toThrow('SOTTO_API_KEY takes 16 to 256 characters')
})

test('reads what URLs may name beyond the public internet', () => {
  const allow = (given: string): readonly string[] => loadConfig({ SOTTO_FETCH_ALLOW: given }).server.fetchAllow
  expect(allow('')).toEqual([])
  const entries = ['127.0.0.1', '10.0.0.0/8', 'fd00::/8', 'nas.lan', '*.corp.example', 'minio']
  expect(allow(entries.join(' , '))).toEqual(entries)
  expect(allow('NAS.lan')).toEqual(['nas.lan'])
})

test.each([
  '10.0.0.0/33',
  '10.0.0',
  '256.1.1.1',
  'http://nas.lan',
  'nas.lan:8000',
  '*',
  '*.*',
  'a..b',
  'fe80::1%eth0',
  'nas,-x',
])('%s is nothing that URLs may name', (value) =>
  expect(() => loadConfig({ SOTTO_FETCH_ALLOW: value })).toThrow('SOTTO_FETCH_ALLOW takes addresses, CIDR ranges'),
)

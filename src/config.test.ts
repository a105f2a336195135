import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig, unknownVariables } from './config.ts'
import { SETTINGS } from './settings.ts'

describe('loadConfig', () => {
  test('has a default for everything', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, workers: 1, maxUploadBytes: 5_368_709_120 })
    expect(config.threads).toBeGreaterThanOrEqual(1)
    expect(config.hub.endpoint).toBe('https://huggingface.co')
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('a flag wins over the environment, which wins over the default', () => {
    const environment = { PORT: '9000', SOTTO_WORKERS: '2' }
    expect(loadConfig(environment, { port: '9001' })).toMatchObject({ port: 9001, workers: 2 })
  })

  test('an empty variable counts as absent', () => {
    expect(loadConfig({ PORT: '', SOTTO_API_KEY: '' })).toMatchObject({ port: 8080, apiKey: null })
  })

  test.each([
    ['500M', 500 * 2 ** 20],
    ['5 GB', 5 * 2 ** 30],
    ['12', 12],
    ['1TiB', 2 ** 40],
  ])('reads %s as bytes', (text, expected) => {
    expect(loadConfig({ SOTTO_MAX_UPLOAD_BYTES: text }).maxUploadBytes).toBe(expected)
  })

  test('names every wrong setting with its value and what it takes', () => {
    const wrong = { PORT: '80a', SOTTO_MAX_UPLOAD_BYTES: '5 apples', SOTTO_PUBLIC_URL: 'sotto.example.com' }
    expect(() => loadConfig(wrong, { workers: '0' })).toThrow(
      new ConfigError(
        [
          'PORT takes an integer from 0 to 65535; got "80a"',
          '--workers takes an integer from 1 to 256; got "0"',
          'SOTTO_PUBLIC_URL takes an http or https URL, such as https://sotto.example.com; got "sotto.example.com"',
          'SOTTO_MAX_UPLOAD_BYTES takes a number of bytes, such as 1073741824, 500M or 5G; got "5 apples"',
        ].join('\n'),
      ),
    )
  })

  test.each(['proxy', '10.0.0.0/33', '10.0.0.1/a', '::1/129'])('takes no %s for a proxy', (value) => {
    expect(() => loadConfig({ SOTTO_TRUSTED_PROXIES: value })).toThrow(
      'SOTTO_TRUSTED_PROXIES takes addresses or CIDR ranges',
    )
    const known = ['10.0.0.1', '::1', '192.168.0.0/16', 'fd00::/8']
    expect(loadConfig({ SOTTO_TRUSTED_PROXIES: known.join(' , ') }).trustedProxies).toEqual(known)
  })

  test.each([
    ['openai:http://gpu:8000', 'http://gpu:8000/v1'],
    ['openai:http://gpu:8000/v1/', 'http://gpu:8000/v1'],
    ['openai:https://gpu.example.com/whisper/api', 'https://gpu.example.com/whisper/api'],
  ])('reads the engine %s as the server at %s', (value, baseUrl) => {
    const environment = { SOTTO_ENGINE: value, SOTTO_ENGINE_API_KEY: 'secret', SOTTO_ENGINE_TIMEOUT: '60' }
    const expected = { kind: 'openai', baseUrl, apiKey: 'secret', model: null, timeoutMs: 60_000 }
    expect(loadConfig(environment).engine).toEqual(expected)
  })

  test('the engine is this machine by default, whatever else is set for another', () => {
    expect(loadConfig({ SOTTO_ENGINE_API_KEY: 'secret' }).engine).toEqual({ kind: 'local' })
  })

  test.each(['gpu', 'openai:', 'openai:gpu:8000', 'openai:ftp://gpu', 'openai:http://gpu?key=1'])(
    'takes no %s for an engine',
    (value) => expect(() => loadConfig({ SOTTO_ENGINE: value })).toThrow('SOTTO_ENGINE takes local, or openai:<URL>'),
  )

  test('takes no engine with a password, and does not show it', () => {
    const load = (): unknown => loadConfig({ SOTTO_ENGINE: 'openai:http://me:hidden@gpu' })
    expect(load).toThrow('without a user and password')
    expect(load).not.toThrow('hidden')
  })

  test.each([
    ['s3://recordings', 'recordings', ''],
    ['s3://recordings/', 'recordings', ''],
    ['s3://recordings.example.com/sotto', 'recordings.example.com', 'sotto'],
    ['s3://recordings/a/b_c.d/', 'recordings', 'a/b_c.d'],
  ])('reads %s as a bucket and a prefix', (value, bucket, prefix) => {
    const environment = { SOTTO_PAYLOADS: value, SOTTO_S3_PATH_STYLE: 'on' }
    expect(loadConfig(environment).payloads).toEqual({ kind: 's3', bucket, prefix, pathStyle: true })
    expect(loadConfig({ SOTTO_PAYLOADS: value }).payloads).toMatchObject({ pathStyle: false })
  })

  test('payloads lie in the data folder by default', () => {
    expect(loadConfig({ SOTTO_S3_PATH_STYLE: 'on' }).payloads).toEqual({ kind: 'folder' })
    expect(loadConfig({ SOTTO_PAYLOADS: 'folder' }).payloads).toEqual({ kind: 'folder' })
  })

  test.each([
    's3',
    's3://',
    's3:///prefix',
    's3://UPPER/a',
    's3://ab',
    's3://recordings//a',
    's3://recordings/a b',
    's3://recordings/../a',
    `s3://recordings/${'a'.repeat(513)}`,
    'https://s3.example.com/recordings',
  ])('takes no %s for payloads', (value) => {
    expect(() => loadConfig({ SOTTO_PAYLOADS: value })).toThrow('SOTTO_PAYLOADS takes folder, or s3://<bucket>')
  })

  test('reads origins as browsers write them', () => {
    expect(loadConfig({}).corsOrigins).toEqual([])
    expect(loadConfig({ SOTTO_CORS_ORIGINS: '*' }).corsOrigins).toEqual(['*'])
    const given = 'https://App.example:443/, http://localhost:3000, app://obsidian.md, http://[::1]:8080'
    const origins = ['https://app.example', 'http://localhost:3000', 'app://obsidian.md', 'http://[::1]:8080']
    expect(loadConfig({ SOTTO_CORS_ORIGINS: given }).corsOrigins).toEqual(origins)
  })

  test.each([
    'app.example',
    'null',
    'https://',
    'https://*.example',
    'https://app.example/page',
    'https://me@app.example',
  ])('takes no %s for an origin', (value) =>
    expect(() => loadConfig({ SOTTO_CORS_ORIGINS: value })).toThrow('SOTTO_CORS_ORIGINS takes origins'),
  )

  test('does not show a secret that is wrong', () => {
    expect(() => loadConfig({ SOTTO_API_KEY: 'short secret' })).toThrow(/SOTTO_API_KEY takes 16 to 256.*hidden/)
    expect(() => loadConfig({ SOTTO_API_KEY: 'short secret' })).not.toThrow(/short secret/)
  })
})

test('finds variables that are misspelt', () => {
  expect(unknownVariables({ SOTTO_WORKER: '2', SOTTO_WORKERS: '2', HOME: '/' })).toEqual(['SOTTO_WORKER'])
})

test('the documentation names every setting with its flag', async () => {
  const page = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8')
  for (const { env, flag } of Object.values(SETTINGS)) {
    expect(page).toContain(`| \`${env}\` | ${flag === null ? '' : `\`--${flag}\``}`)
  }
})

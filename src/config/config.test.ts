import { expect, test } from 'vitest'
import { ConfigError } from './config-error.ts'
import { loadConfig } from './config.ts'
import { readSettings } from './read-settings.ts'
import type { Setting } from './setting.ts'
import { DOMAINS, SETTINGS } from './settings.ts'

test('every part has a default for everything', () => {
  const config = loadConfig({})
  expect(config.server).toMatchObject({ host: '127.0.0.1', port: 8080, trustedProxies: [], logLevel: 'info' })
  expect(config.payloads).toMatchObject({ maxUploadBytes: 5 * 2 ** 30, maxUnsubmittedBytes: 50 * 2 ** 30 })
  expect(config.hub).toMatchObject({ models: [], endpoint: 'https://huggingface.co', token: null, offline: false })
  expect([config, ...Object.values(config)].every((part) => Object.isFrozen(part))).toBe(true)
})

test('a default is what its own setting takes', () => {
  const isWrong = ({ type, default: text }: Setting): boolean => text !== null && type.read(text) === undefined
  expect(SETTINGS.filter(isWrong)).toEqual([])
})

test('no variable and no flag is of two settings', () => {
  for (const names of [SETTINGS.map(({ variable }) => variable), SETTINGS.flatMap(({ flag }) => flag ?? [])]) {
    expect(new Set(names).size).toBe(names.length)
  }
})

test('a default folder of the user’s is below the home folder', () => {
  const { engine, hub } = loadConfig({ SOTTO_CACHE_DIR: '~/mine' })
  expect(hub.home).toMatch(/^\/(?!.*~).*\/\.cache\/huggingface$/)
  // Of what is given, the shell has put in the home folder, or nobody wants it.
  expect(engine.cacheDir).toMatch(/\/~\/mine$/)
})

test('a flag wins over the environment, which wins over the default', () => {
  const { server, engine } = loadConfig({ PORT: '9000', SOTTO_WORKERS: '2' }, { port: '9001' })
  expect([server.port, engine.workers, engine.batch]).toEqual([9001, 2, 8])
})

test('an empty variable counts as absent', () => {
  expect(loadConfig({ PORT: '', SOTTO_API_KEY: '' }).server).toMatchObject({ port: 8080, apiKey: null })
})

test('names every wrong setting of every domain at once, with its value and what it takes', () => {
  const wrong = { PORT: '80a', SOTTO_MAX_UPLOAD_BYTES: '5 apples', SOTTO_PUBLIC_URL: 'sotto.example.com' }
  expect(() => loadConfig(wrong, { workers: '0', lease: '1' })).toThrow(
    new ConfigError(
      [
        'PORT takes an integer from 0 to 65535; got "80a"',
        'SOTTO_PUBLIC_URL takes an http or https URL, such as https://sotto.example.com; got "sotto.example.com"',
        '--lease takes an integer from 2 to 3600; got "1"',
        'SOTTO_MAX_UPLOAD_BYTES takes a number of bytes, such as 1073741824, 500M or 5G; got "5 apples"',
        '--workers takes an integer from 1 to 256; got "0"',
      ].join('\n'),
    ),
  )
})

test('shows no secret that is wrong', () => {
  const secrets = SETTINGS.filter(({ isSecret }) => isSecret === true)
  expect(secrets.map(({ variable }) => variable)).toEqual([
    'SOTTO_API_KEY',
    'DATABASE_URL',
    'SOTTO_ENGINE_API_KEY',
    'HF_TOKEN',
    'OTEL_EXPORTER_OTLP_HEADERS',
  ])
  const problems: string[] = []
  const environment = Object.fromEntries(secrets.map(({ variable }) => [variable, 'mysql://hidden word']))
  for (const { settings } of DOMAINS) readSettings(settings, { environment, flags: {} }, problems)
  expect(problems).toHaveLength(4)
  for (const problem of problems) expect(problem).toMatch(/^\S+ takes (?!.*word).*; got something else \(hidden\)$/)
})

test('shows no password of a URL that is wrong', () => {
  const load = (): unknown => loadConfig({ SOTTO_PUBLIC_URL: 'ftp://me:hidden@sotto.example.com' })
  expect(load).toThrow('got "ftp://…@sotto.example.com"')
})

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonBody, Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const ORIGIN = 'https://app.example'
const MODEL = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const CLIP = fixture('en-short.wav')

let stack: AsyncDisposableStack
let server: Server
let client: Client

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  const { path: dataDir } = stack.use(await temporaryFolder())
  const environment = { SOTTO_CORS_ORIGINS: `${ORIGIN}, http://localhost:3000`, SOTTO_MAX_REQUESTS_PER_SECOND: '1000' }
  server = stack.use(await Server.start({ dataDir, environment }))
  client = new Client(server.url, server.newKey ?? '')
})

afterAll(() => stack.disposeAsync())

const preflight = (url: string, method: string, asks: string, origin = ORIGIN): Promise<Response> =>
  fetch(new URL(url, server.url), {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': asks },
  })

const corsHeaders = ({ headers }: Response): string[] =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'))

describe('a page of an origin that is listed', () => {
  test('may upload, also by tus, submit, poll, cancel and remove: its preflights need no key', async () => {
    const upload = await client.uploadUrl('wav')
    for (const [url, method, asks] of [
      ['/v1/input/upload-url?extension=wav', 'POST', 'authorization,content-type'],
      [upload, 'PUT', 'content-type'],
      [upload, 'HEAD', 'tus-resumable'],
      [upload, 'PATCH', 'content-type,tus-resumable,upload-length,upload-offset'],
      [upload, 'POST', 'tus-resumable,x-http-method-override'],
      [MODEL, 'POST', 'authorization,content-type,idempotency-key'],
      ['/v1/async/requests/some-id', 'GET', 'authorization'],
      ['/v1/async/requests/some-id', 'DELETE', 'authorization, traceparent'],
      ['/v1/ent/tiyarofs/1/sotto/whisper-demo', 'POST', 'authorization'],
    ] as const) {
      const { status, headers } = await preflight(url, method, asks)
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN)
      expect(headers.get('access-control-allow-methods')?.split(', ')).toContain(method)
      expect(headers.get('access-control-allow-headers')).toBe(asks)
      expect(headers.get('access-control-max-age')).toMatch(/^\d+$/)
      expect(headers.get('vary')).toBe('Origin')
      expect(headers.get('access-control-allow-credentials')).toBeNull()
    }
  })

  test('reads all answers, errors included, and what tus needs of their headers', async () => {
    const upload = await client.uploadUrl('wav')
    const tus = { origin: ORIGIN, 'tus-resumable': '1.0.0' }
    const put = { method: 'PUT', body: await readFile(CLIP), headers: { origin: ORIGIN } }
    for (const [status, response] of [
      [200, await fetch(upload, { method: 'HEAD', headers: tus })],
      [200, await fetch(upload, put)],
      [202, await client.fetch(MODEL, { method: 'POST', ...withOrigin(jsonBody({ URL: upload, input: {} })) })],
      [400, await client.fetch(MODEL, { method: 'POST', ...withOrigin(jsonBody({ URL: 'x', input: {} })) })],
      [401, await fetch(`${server.url}/v1/models`, { headers: { origin: ORIGIN } })],
      [403, await fetch(upload.replace('signature=', 'signature=x'), put)],
      [404, await client.fetch('/v1/nothing', { headers: { origin: ORIGIN } })],
      [409, await fetch(upload, put)],
    ] as const) {
      expect(response.status).toBe(status)
      expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN)
      expect(response.headers.get('vary')).toBe('Origin')
      const exposed = response.headers.get('access-control-expose-headers')?.split(', ')
      expect(exposed).toEqual(expect.arrayContaining(['Upload-Offset', 'Location', 'Tus-Resumable', 'Retry-After']))
    }
  })

  test('asks by OPTIONS what tus can do, which is no preflight', async () => {
    const { status, headers } = await fetch(await client.uploadUrl('wav'), {
      method: 'OPTIONS',
      headers: { origin: ORIGIN },
    })
    expect(status).toBe(204)
    expect(headers.get('tus-version')).toBe('1.0.0')
    expect(headers.get('access-control-allow-origin')).toBe(ORIGIN)
  })
})

test('a page may read what is refused before any route is found', async () => {
  for (const [path, status] of [
    ['/v1/models/%zz', 400],
    [`/v1/async/requests/${'a'.repeat(1100)}`, 414],
  ] as const) {
    const answer = await client.fetch(path, { headers: { origin: ORIGIN } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, ORIGIN])
    expect(answer.headers.get('vary')).toMatch(/^Origin\b/)
  }
})

test('a page of any other origin gets nothing, and no cache mixes the two up', async () => {
  for (const origin of [
    'https://evil.example',
    `${ORIGIN}.evil.example`,
    'https://app.example:8443',
    'null',
    'http://app.example',
  ]) {
    const answers = [
      await preflight('/v1/models', 'GET', 'authorization', origin),
      await preflight(await client.uploadUrl('wav'), 'PUT', 'content-type', origin),
      await client.fetch('/v1/models', { headers: { origin } }),
    ]
    for (const answer of answers) {
      expect(corsHeaders(answer)).toEqual([])
      expect(answer.headers.get('vary')).toMatch(/^Origin\b/)
    }
  }
})

test('without the setting no page gets in', async () => {
  await using folder = await temporaryFolder()
  await using plain = await Server.start({ dataDir: folder.path })
  const headers = { origin: ORIGIN, 'access-control-request-method': 'GET' }
  for (const method of ['OPTIONS', 'GET']) {
    const answer = await fetch(`${plain.url}/v1/models`, { method, headers })
    expect(corsHeaders(answer)).toEqual([])
    expect(answer.headers.get('vary')).toBeNull()
  }
})

test('with * any page does', async () => {
  await using folder = await temporaryFolder()
  await using open = await Server.start({ dataDir: folder.path, environment: { SOTTO_CORS_ORIGINS: '*' } })
  const { headers } = await fetch(`${open.url}/healthz`, { headers: { origin: 'https://anything.example' } })
  expect(headers.get('access-control-allow-origin')).toBe('*')
  expect(headers.get('vary')).toBeNull()
  expect(headers.get('access-control-allow-credentials')).toBeNull()
})

function withOrigin({ body, headers }: ReturnType<typeof jsonBody>) {
  return { body, headers: { ...headers, origin: ORIGIN } }
}

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { NewApiKey } from '../../src/api/authentication/api-key.ts'
import { SCOPES } from '../../src/contract/scope.ts'
import type { Database } from '../../src/jobs/sql/dialect.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { runDocumentedCommands } from '../support/documented-commands.ts'
import { sotto } from '../support/server.ts'

/**
 * What each route of the server needs: a scope, `any` valid key, the signature of an `upload` URL, or nothing (`open`). A new route is
 * added here by whoever adds it.
 */
const NEEDS: Readonly<Record<string, 'transcribe' | 'read' | 'admin' | 'any' | 'upload' | 'open'>> = {
  'POST /v1/input/upload-url': 'transcribe',
  'PUT /v1/input/uploads/:file': 'upload',
  'OPTIONS /v1/input/uploads/:file': 'open',
  'HEAD /v1/input/uploads/:file': 'upload',
  'PATCH /v1/input/uploads/:file': 'upload',
  'DELETE /v1/input/uploads/:file': 'upload',
  'POST /v1/input/uploads/:file': 'upload',
  'POST /v1/async/ent/:vendor/:version/:publisher/:model': 'transcribe',
  'GET /v1/async/requests/:id': 'read',
  'POST /v1/async/requests/:id/cancel': 'transcribe',
  'POST /v1/async/requests/:id/retry': 'transcribe',
  'DELETE /v1/async/requests/:id': 'transcribe',
  'GET /v1/async/requests': 'read',
  'PATCH /v1/async/requests/:id': 'transcribe',
  'POST /v1/async/requests/actions': 'transcribe',
  'GET /v1/async/requests/:id/history': 'read',
  'GET /v1/async/requests/:id/result': 'read',
  'GET /v1/async/requests/:id/result.:format': 'read',
  'GET /v1/async/requests/:id/events': 'read',
  'GET /v1/async/events': 'read',
  'GET /v1/async/requests/:id/deliveries': 'read',
  'POST /v1/async/requests/:id/deliveries/:deliveryId/replay': 'transcribe',
  // Whoever knows it can sign as this server.
  'GET /v1/webhooks/secret': 'transcribe',
  'POST /v1/webhooks/secret/rotate': 'transcribe',
  'GET /v1/webhooks/default': 'read',
  'PUT /v1/webhooks/default': 'transcribe',
  'DELETE /v1/webhooks/default': 'transcribe',
  'POST /v1/webhooks/test': 'transcribe',
  'POST /v1/ent/:vendor/:version/:publisher/:model': 'transcribe',
  'POST /v1/audio/transcriptions': 'transcribe',
  'POST /v1/audio/translations': 'transcribe',
  'POST /asr': 'transcribe',
  'POST /detect-language': 'transcribe',
  'GET /v1/usage': 'read',
  'GET /v1/models': 'read',
  'GET /v1/models/:publisher/:model': 'read',
  'GET /v1/models/:id': 'read',
  'GET /v1/keys': 'admin',
  'POST /v1/keys': 'admin',
  'GET /v1/keys/:id': 'admin',
  'PATCH /v1/keys/:id': 'admin',
  'DELETE /v1/keys/:id': 'admin',
  'POST /v1/tokens': 'any',
  'GET /v1/me': 'any',
  'GET /healthz': 'open',
  'GET /readyz': 'open',
  'GET /metrics': 'open',
  'GET /openapi.json': 'open',
}
/** The reference page's own files. */
const REFERENCE = /^(?:GET|HEAD) \/docs/
/** Where an EventSource may put a token into the URL. */
const TAKES_QUERY_TOKEN: readonly string[] = ['GET /v1/async/requests/:id/events', 'GET /v1/async/events']

const routes = new Map<string, Pick<RouteOptions, 'config'>>()
const onFastify = (message: unknown): void => {
  const { fastify } = message as { readonly fastify: FastifyInstance }
  fastify.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) routes.set(`${method} ${route.url}`, route)
  })
}

let running: RunningApi
let database: Database
let keys: ApiKeys
let admin: NewApiKey
beforeAll(async () => {
  subscribe('fastify.initialization', onFastify)
  running = await startApi({ environment: { SOTTO_MAX_QUEUED_JOBS: '50' } })
  unsubscribe('fastify.initialization', onFastify)
  // As another process has them: by a connection of its own.
  database = await openSqlite(running.dataDir)
  keys = new ApiKeys(database)
  admin = await keys.create('administrator', { scopes: ['admin'] })
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await running[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

async function ask(secret: string | null, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(running.url + path, {
    method,
    headers: {
      ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  return { status: response.status, headers: response.headers, body: parsed }
}

const asAdmin = (method: string, path: string, body?: unknown): Promise<Answer> => ask(admin.secret, method, path, body)

async function made(rules: Readonly<Record<string, unknown>>): Promise<{ id: string; key: string }> {
  const { status, body } = await asAdmin('POST', '/v1/keys', { name: 'made', ...rules })
  expect(status).toBe(201)
  return body as { id: string; key: string }
}

describe('scopes', () => {
  test('are said for every route that there is', () => {
    const found = [...routes.keys()].filter((route) => !REFERENCE.test(route))
    // Fastify adds one to each GET, with its hooks.
    const heads = found.filter((route) => route.startsWith('HEAD ') && found.includes(route.replace('HEAD', 'GET')))
    expect(heads.length).toBeGreaterThan(5)
    expect(found.filter((route) => !heads.includes(route)).toSorted()).toEqual(Object.keys(NEEDS).toSorted())
    const taking = [...routes].filter(([, { config }]) => config?.takesQueryToken === true).map(([route]) => route)
    expect(taking).toEqual(TAKES_QUERY_TOKEN)
  })

  test('are in the OpenAPI document as what else a route may answer', async () => {
    const { body } = await ask(null, 'GET', '/openapi.json')
    const paths = body['paths'] as Record<string, Record<string, { responses: object; security?: unknown }>>
    const closed = Object.values(paths).flatMap((methods) => Object.values(methods).filter(({ security }) => !security))
    expect(closed.length).toBeGreaterThan(10)
    for (const { responses } of closed) expect(Object.keys(responses)).toEqual(expect.arrayContaining(['403', '429']))
  })

  test('hold on every route: without the scope 403 which names it, and without a key 401', async () => {
    const limited = new Map(
      await Promise.all(SCOPES.map(async (scope) => [scope, await keys.create(scope, { scopes: [scope] })] as const)),
    )
    for (const [route, needs] of Object.entries(NEEDS)) {
      const [method = '', pattern = ''] = route.split(' ')
      const file = '01890000-0000-7000-8000-000000000000-00000000000000000000000000000000.mp3'
      const plain = pattern.replace(':file', file).replaceAll(/:\w+/g, 'x')
      // A stream that is let begin does not end: it is refused for what it asks for.
      const path = plain === '/v1/async/events' ? `${plain}?lastEventId=${'x'.repeat(200)}` : plain
      const statusFor = async (secret: string | null) => {
        const authorization = secret === null ? {} : { authorization: `Bearer ${secret}` }
        const answer = await running.api.inject({ method: method as 'GET', url: path, headers: authorization })
        const body = answer.body.startsWith('{') ? answer.json<Record<string, unknown>>() : {}
        // OpenAI's routes have the reason as their code, and the scope in the header alone.
        const theirs = body['error'] as { readonly code?: unknown } | undefined
        const told = { reason: body['reason'] ?? theirs?.code, scope: body['scope'] ?? (theirs && needs) }
        return { status: answer.statusCode, ...told, headers: answer.headers }
      }
      const without = await statusFor(null)
      expect([route, without.status === 401]).toEqual([route, !['open', 'upload'].includes(needs)])
      for (const [scope, { secret }] of limited) {
        const { status, reason, scope: named, headers } = await statusFor(secret)
        // An administrator may do all; a signature is not a matter of scopes.
        const may = scope === needs || scope === 'admin' || ['any', 'open', 'upload'].includes(needs)
        expect([route, scope, status === 401, reason === 'key.scope_missing']).toEqual([route, scope, false, !may])
        if (may) continue
        expect([status, named]).toEqual([403, needs])
        expect(headers['www-authenticate']).toBe(`Bearer error="insufficient_scope", scope="${needs}"`)
      }
    }
  })
})

describe('keys over the API', () => {
  test('are made, shown once, listed, changed and revoked; each change is in the log, and no key', async () => {
    const { body: key, status } = await asAdmin('POST', '/v1/keys', { name: 'laptop' })
    expect(status).toBe(201)
    const { key: secret, ...rest } = key
    expect(secret).toMatch(/^sotto_[\w-]{43}$/)
    expect(rest).toEqual({
      ...{ id: expect.any(String), name: 'laptop', prefix: String(secret).slice(0, 10), source: 'made' },
      ...{ scopes: ['transcribe', 'read'], models: null, limits: {}, expiresAt: null, lastUsedAt: null },
      createdAt: expect.stringMatching(/Z$/),
    })
    const path = `/v1/keys/${String(rest['id'])}`
    expect((await asAdmin('GET', path)).body).toEqual(rest)
    expect((await ask(String(secret), 'GET', '/v1/models')).status).toBe(200)
    const used = (await asAdmin('GET', path)).body['lastUsedAt']
    expect(Math.abs(Date.parse(String(used)) - Date.now())).toBeLessThan(60_000)

    const changes = { name: 'phone', scopes: ['read'], expiresAt: '2199-01-01T00:00:00.000Z', models: ['whisper-1'] }
    const limits = { queuedJobs: 2, runningJobs: 'off', requestsPerMinute: 1000 }
    const changed = (await asAdmin('PATCH', path, { ...changes, limits })).body
    expect(changed).toEqual({ ...rest, ...changes, limits, lastUsedAt: used })
    expect((await asAdmin('PATCH', path, { limits: { queuedJobs: null, audioSecondsPerDay: 5 } })).body).toEqual({
      ...changed,
      limits: { runningJobs: 'off', requestsPerMinute: 1000, audioSecondsPerDay: 5 },
    })
    expect((await asAdmin('PATCH', path, { expiresAt: null, models: null })).body).toMatchObject({
      expiresAt: null,
      models: null,
    })

    expect((await asAdmin('DELETE', path)).status).toBe(204)
    expect((await ask(String(secret), 'GET', '/v1/models')).status).toBe(401)
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', {}]] as const) {
      expect((await asAdmin(method, path, body)).status).toBe(404)
    }
    const audits = running.log.filter(({ audit, key: id }) => audit !== undefined && id === rest['id'])
    expect(audits.map(({ audit, by }) => [audit, by])).toEqual([
      ['key.made', admin.id],
      ['key.changed', admin.id],
      ['key.changed', admin.id],
      ['key.changed', admin.id],
      ['key.revoked', admin.id],
    ])
    expect(JSON.stringify(running.log)).not.toContain(secret)
  })

  test('are listed page by page, each once', async () => {
    await Promise.all(Array.from({ length: 105 }, (_, index) => keys.create(`many ${index}`)))
    const first = (await asAdmin('GET', '/v1/keys')).body as { keys: { id: string }[]; next: string }
    // What is gone meanwhile takes nothing else with it.
    await keys.revoke(first.keys.at(-1)?.id ?? '')
    const second = (await asAdmin('GET', `/v1/keys?after=${first.next}`)).body as { keys: { id: string }[]; next: null }
    expect([first.keys.length, second.next]).toEqual([100, null])
    const ids = [...first.keys.slice(0, -1), ...second.keys].map(({ id }) => id)
    expect(ids.toSorted()).toEqual((await keys.list()).map(({ id }) => id).toSorted())
    for (const wrong of ['x', ...['[1]', '[1,"\\u0000"]'].map((json) => Buffer.from(json).toString('base64url'))]) {
      expect((await asAdmin('GET', `/v1/keys?after=${wrong}`)).status).toBe(400)
    }
  })

  test.each([
    ['no name', {}],
    ['an empty name', { name: '' }],
    ['a name that is not for people', { name: 'a\u0000b' }],
    ['a scope that there is not', { name: 'x', scopes: ['write'] }],
    ['no scope', { name: 'x', scopes: [] }],
    ['an end that has passed', { name: 'x', expiresAt: '2020-01-01T00:00:00Z' }],
    ['what is no model', { name: 'x', models: ['a b'] }],
    ['a limit of nothing', { name: 'x', limits: { queuedJobs: 0 } }],
    ['a limit that there is not', { name: 'x', limits: { jobs: 1 } }],
    ['another field', { name: 'x', secret: 'my own' }],
  ])('are not made with %s', async (_, body) => {
    expect(await asAdmin('POST', '/v1/keys', body)).toMatchObject({ status: 400, body: { code: 400 } })
  })

  test('leave the last administrator who stays', async () => {
    for (const { id, scopes } of await keys.list())
      if (scopes.includes('admin') && id !== admin.id) await keys.revoke(id)
    const path = `/v1/keys/${admin.id}`
    const isRefused = { status: 409, body: { code: 409, reason: 'key.last_admin' } }
    expect(await asAdmin('DELETE', path)).toMatchObject(isRefused)
    expect(await asAdmin('PATCH', path, { scopes: ['read'] })).toMatchObject(isRefused)
    expect(await asAdmin('PATCH', path, { expiresAt: '2199-01-01T00:00:00Z' })).toMatchObject(isRefused)
    expect(await asAdmin('PATCH', path, { name: 'still' })).toMatchObject({ status: 200, body: { scopes: SCOPES } })
    const { id: passing } = await made({ scopes: ['admin'], expiresAt: '2199-01-01T00:00:00Z' })
    expect(await asAdmin('DELETE', path)).toMatchObject(isRefused)
    expect((await asAdmin('DELETE', `/v1/keys/${passing}`)).status).toBe(204)
    const { id } = await made({ scopes: ['admin'] })
    expect((await asAdmin('DELETE', `/v1/keys/${id}`)).status).toBe(204)
  })

  test('show the environment’s, which is changed there', async () => {
    await keys.setEnvironmentKey('a-secret-of-the-environment')
    const path = '/v1/keys/environment'
    expect((await asAdmin('GET', path)).body).toMatchObject({
      ...{ source: 'environment', prefix: '', scopes: ['transcribe', 'read'] },
    })
    for (const [method, body] of [['DELETE'], ['PATCH', { name: 'mine' }]] as const) {
      expect(await asAdmin(method, path, body)).toMatchObject({ status: 409, body: { reason: 'key.of_environment' } })
    }
    await keys.setEnvironmentKey('a-secret-of-the-environment', ['admin'])
    expect((await ask('a-secret-of-the-environment', 'GET', '/v1/keys')).status).toBe(200)
    await keys.revoke('environment')
  })
})

test('the command line makes and changes keys beside a server, which minds it with the next request', async () => {
  const { dataDir } = running
  const limits = ['--limit', 'queued-jobs=3', '--limit', 'running-jobs=off']
  const rules = ['--scope', 'read', '--model', 'sotto/whisper-demo', '--expires', '30d', ...limits]
  const created = await sotto(['keys', 'create', ...rules, 'cron', '--data-dir', dataDir], { cwd: dataDir })
  const secret = created.stdout.trim()
  const { body } = await ask(secret, 'GET', '/v1/me')
  expect(body).toMatchObject({
    key: { name: 'cron', scopes: ['read'], models: ['sotto/whisper-demo'], expiresAt: expect.any(String) },
    limits: { queuedJobs: 3, runningJobs: null },
  })
  const { id } = body['key'] as { id: string }
  const changes = ['--scope', 'read,transcribe', '--expires', 'never', '--limit', 'queued-jobs=server', '--name', 'job']
  const updated = await sotto(['keys', 'update', ...changes, id, '--data-dir', dataDir], { cwd: dataDir })
  expect(updated).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/transcribe,read .* running-jobs=off .*job$/m),
  })
  expect((await ask(secret, 'GET', '/v1/me')).body).toMatchObject({
    key: { name: 'job', scopes: ['transcribe', 'read'], models: ['sotto/whisper-demo'], expiresAt: null },
    limits: { queuedJobs: 50 },
  })
  const listed = await sotto(['keys', 'list', '--json', '--data-dir', dataDir], { cwd: dataDir })
  const keysListed = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string })
  expect(keysListed.find((key) => key.id === id)).toMatchObject({ name: 'job', limits: { runningJobs: null } })
  expect(listed.stdout).not.toContain(secret)
})

test('the documented commands do what the page says', async () => {
  const { url: SOTTO, dataDir: SOTTO_DATA_DIR } = running
  const variables = { ADMIN: admin.secret, SOTTO, SOTTO_DATA_DIR }
  const [commandLine, overHttp, tokens] = await runDocumentedCommands({ page: 'docs/keys.md', variables })
  expect(commandLine?.output).toMatch(/  read  never used  expires 2.*dashboard$/m)
  expect(commandLine?.output).toMatch(
    /models openai\/whisper-small  queued-jobs=100  requests-per-minute=600  archive$/m,
  )
  expect(overHttp?.output).toMatch(/"limits":\{"runningJobs":"off","requestsPerMinute":600\}/)
  expect(JSON.parse(tokens?.output ?? '')).toEqual({ requests: [], next: null, previous: null })
})

const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'

async function uploaded(secret: string): Promise<string> {
  const { status, body } = await ask(secret, 'POST', '/v1/input/upload-url?extension=wav', {})
  expect(status).toBe(201)
  const url = (body['uploadUrl'] as { PUT: string }).PUT
  expect((await fetch(url, { method: 'PUT', body: new Uint8Array(64_000) })).status).toBe(200)
  return url
}

async function submit(secret: string, owner = secret): Promise<Answer> {
  return await ask(secret, 'POST', SUBMIT, { URL: await uploaded(owner), input: {} })
}

interface Accepted {
  readonly id: string
  readonly audioSeconds: number
  readonly urls: { readonly GET: string }
}

async function accepted(secret: string): Promise<Accepted> {
  const { status, body } = await submit(secret)
  expect(status).toBe(202)
  return body['response'] as Accepted
}

describe('a key', () => {
  test('whose time is over is refused, and so is what was made with it', async () => {
    const { id, secret } = await keys.create('short')
    const { urls } = await accepted(secret)
    const { body } = await ask(secret, 'POST', '/v1/tokens', {})
    expect((await fetch(urls.GET)).status).toBe(200)
    await keys.update(id, { expiresAt: new Date(Date.now() - 1000) })
    expect(await ask(secret, 'GET', '/v1/me')).toMatchObject({
      status: 401,
      body: { message: expect.stringMatching(/has expired \(2/) },
    })
    expect((await fetch(urls.GET)).status).toBe(403)
    expect((await ask(String(body['token']), 'GET', '/v1/me')).status).toBe(401)
  })

  test('may use its models, and sees no others', async () => {
    const { secret } = await keys.create('small', { models: ['openai/whisper-small'] })
    const refused = await submit(secret)
    expect(refused).toMatchObject({
      status: 403,
      body: { reason: 'key.model_forbidden', message: expect.stringContaining('openai/whisper-small') },
    })
    const sync = await ask(secret, 'POST', '/v1/ent/tiyarofs/1/sotto/whisper-demo', { Bytes: 'AAAA' })
    expect(sync).toMatchObject({ status: 403, body: { reason: 'key.model_forbidden' } })
    const { body } = await ask(secret, 'GET', '/v1/models')
    expect((body['data'] as { id: string }[]).map(({ id }) => id)).toEqual(['openai/whisper-small'])
  })

  test('with transcribe alone submits, and polls by what the submit returned', async () => {
    const { secret } = await keys.create('drop', { scopes: ['transcribe'] })
    const { id, urls } = await accepted(secret)
    expect(await ask(secret, 'GET', `/v1/async/requests/${id}`)).toMatchObject({ status: 403, body: { scope: 'read' } })
    expect((await fetch(urls.GET)).status).toBe(200)
  })

  test('has limits of its own in the place of the server’s', async () => {
    const { secret } = await keys.create('one at a time', { limits: { queuedJobs: 1, requestsPerMinute: 1000 } })
    await accepted(secret)
    const refused = await submit(secret)
    expect(refused).toMatchObject({ status: 429, body: { message: expect.stringContaining('has 1 jobs waiting') } })
    const wait = refused.headers.get('retry-after')
    expect(refused.headers.get('ratelimit-policy')).toBe('"requests";q=1000;w=60, "queued-jobs";q=1;qu="queued-jobs"')
    expect(refused.headers.get('ratelimit')).toMatch(
      new RegExp(`^"requests";r=\\d+;t=\\d+, "queued-jobs";r=0;t=${wait}$`),
    )

    const { secret: free } = await keys.create('free', { limits: { audioSecondsPerDay: null, queuedJobs: null } })
    const { audioSeconds } = await accepted(free)
    const seconds = Math.ceil(1.5 * audioSeconds)
    const { secret: daily } = await keys.create('one a day', { limits: { audioSecondsPerDay: seconds } })
    await accepted(daily)
    const tooMuch = await submit(daily)
    expect(tooMuch).toMatchObject({
      ...{ status: 429, body: { message: expect.stringContaining(`${seconds} s of audio a day`) } },
    })
    const policy = `"audio-seconds";q=${seconds};qu="audio-seconds";w=86400`
    expect(tooMuch.headers.get('ratelimit-policy')).toBe(policy)
    expect(tooMuch.headers.get('ratelimit')).toMatch(/^"audio-seconds";r=\d+;t=\d+$/)
  })

  test('is told how many requests are left, and when more are', async () => {
    const paths = ['/v1/models', '/v1/async/requests/x', '/v1/models']
    let answers: readonly Answer[] = []
    // A minute may end between them.
    for (let round = 0; round < 5 && answers.at(-1)?.status !== 429; round++) {
      const { secret } = await keys.create('slow', { limits: { requestsPerMinute: 2 } })
      answers = []
      for (const path of paths) answers = [...answers, await ask(secret, 'GET', path)]
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 429])
    const [first, second, refused] = answers.map(({ headers }) => headers)
    expect(first?.get('ratelimit-policy')).toBe('"requests";q=2;w=60')
    expect(first?.get('ratelimit')).toMatch(/^"requests";r=1;t=\d+$/)
    expect(second?.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
    const wait = Number(refused?.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(60)
    expect(refused?.get('ratelimit')).toBe(`"requests";r=0;t=${wait}`)
    expect(answers[2]?.body).toMatchObject({ message: expect.stringContaining('2 requests') })
    expect((await ask(admin.secret, 'GET', '/v1/models')).headers.get('ratelimit')).toBe(null)
  })

  test('sees who it is, what it may and what it has', async () => {
    const { secret, id } = await keys.create('me', { limits: { queuedJobs: 7, audioSecondsPerDay: 3600 } })
    await accepted(secret)
    const { body } = await ask(secret, 'GET', '/v1/me')
    expect(body).toEqual({
      key: {
        id,
        name: 'me',
        prefix: secret.slice(0, 10),
        scopes: ['transcribe', 'read'],
        models: null,
        expiresAt: null,
      },
      by: 'key',
      limits: {
        ...{ queuedJobs: 7, runningJobs: null, audioSecondsPerDay: 3600 },
        ...{ requestsPerMinute: null, requestsPerSecond: null },
      },
      usage: { queuedJobs: 1, runningJobs: 0, audioSecondsToday: expect.any(Number) },
      version: expect.stringMatching(/^\d/),
      features: { resumableUploads: true, directUploads: false, gpu: true },
      defaultModel: 'openai/whisper-large-v3',
    })
    expect(body['usage']).toMatchObject({ audioSecondsToday: expect.toSatisfy((seconds: number) => seconds > 0) })
    expect((await ask(admin.secret, 'GET', '/v1/me')).body).toMatchObject({
      ...{ limits: { queuedJobs: 50 }, usage: { queuedJobs: 0, audioSecondsToday: null } },
    })
  })

  test('with admin sees the jobs of another key, and of all', async () => {
    const { secret, id } = await keys.create('busy')
    const job = await accepted(secret)
    const list = async (by: string, query: string) => {
      const { status, body } = await ask(by, 'GET', `/v1/async/requests${query}`)
      return { status, ids: (body['requests'] as { id: string }[] | undefined)?.map((one) => one.id) }
    }
    expect(await list(admin.secret, '')).toEqual({ status: 200, ids: [] })
    expect(await list(admin.secret, `?key=${id}`)).toEqual({ status: 200, ids: [job.id] })
    expect((await list(admin.secret, '?key=*')).ids).toContain(job.id)
    expect(await list(secret, `?key=${id}`)).toEqual({ status: 200, ids: [job.id] })
    expect((await list(admin.secret, '?key=%00')).status).toBe(400)
    expect((await asAdmin('GET', '/v1/keys/%00')).status).toBe(404)
    for (const query of ['?key=*', `?key=${admin.id}`]) expect((await list(secret, query)).status).toBe(403)
  })
})

describe('a short-lived token', () => {
  async function token(secret: string, given: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { status, body } = await ask(secret, 'POST', '/v1/tokens', given)
    expect([status, body]).toEqual([201, expect.anything()])
    return String(body['token'])
  }

  test('does what its key does, for a while, but for making another one', async () => {
    const { secret, id } = await keys.create('page')
    const { body } = await ask(secret, 'POST', '/v1/tokens')
    expect(body).toEqual({
      ...{ token: expect.any(String), scopes: ['transcribe', 'read'], models: null, jobId: null, uploadOnly: false },
      expiresAt: expect.stringMatching(/Z$/),
    })
    const left = Date.parse(String(body['expiresAt'])) - Date.now()
    expect(left).toBeGreaterThan(600_000)
    expect(left).toBeLessThanOrEqual(900_000)
    const text = String(body['token'])
    const job = await accepted(text)
    expect((await ask(secret, 'GET', `/v1/async/requests/${job.id}`)).status).toBe(200)
    expect((await ask(text, 'GET', '/v1/me')).body).toMatchObject({
      ...{ by: 'token', key: { id, expiresAt: body['expiresAt'] } },
    })
    expect(await ask(text, 'POST', '/v1/tokens', {})).toMatchObject({
      ...{ status: 403, body: { reason: 'key.token_confined' } },
    })
    await keys.revoke(id)
    expect((await ask(text, 'GET', '/v1/me')).status).toBe(401)
  })

  test('has what it was given and its key has by then', async () => {
    const { secret, id } = await keys.create('page')
    const reading = await token(secret, { scopes: ['read'] })
    expect((await submit(reading, secret)).body).toMatchObject({ scope: 'transcribe' })
    const all = await token(secret)
    await keys.update(id, { scopes: ['read'] })
    expect((await submit(all, admin.secret)).body).toMatchObject({ scope: 'transcribe' })
    expect(await ask(secret, 'POST', '/v1/tokens', { scopes: ['transcribe'] })).toMatchObject({
      ...{ status: 403, body: { reason: 'key.scope_missing', scope: 'transcribe' } },
    })
    expect((await ask(await token(admin.secret), 'GET', '/v1/keys')).body).toMatchObject({ scope: 'admin' })
  })

  test('for one job serves it, and nothing else', async () => {
    const { secret } = await keys.create('page')
    const [one, other] = [await accepted(secret), await accepted(secret)]
    const text = await token(secret, { jobId: one.id })
    expect((await ask(text, 'GET', `/v1/async/requests/${one.id}`)).status).toBe(200)
    const confined = { status: 403, body: { reason: 'key.token_confined' } }
    expect(await ask(text, 'GET', `/v1/async/requests/${other.id}`)).toMatchObject(confined)
    expect(await ask(text, 'GET', '/v1/async/requests')).toMatchObject(confined)
    expect((await ask(text, 'POST', `/v1/async/requests/${one.id}/cancel`)).status).toBe(200)
    expect((await ask(admin.secret, 'POST', '/v1/tokens', { jobId: one.id })).status).toBe(404)
  })

  test('for uploads alone asks for a place to upload to, and submits nothing', async () => {
    const { secret } = await keys.create('page')
    const text = await token(secret, { uploadOnly: true })
    const URL = await uploaded(text)
    const confined = { status: 403, body: { reason: 'key.token_confined' } }
    expect(await ask(text, 'POST', SUBMIT, { URL, input: {} })).toMatchObject(confined)
    expect((await ask(secret, 'POST', SUBMIT, { URL, input: {} })).status).toBe(202)
  })

  test('for some models uses no others', async () => {
    const { secret } = await keys.create('page', { models: ['sotto/whisper-demo', 'openai/whisper-small'] })
    const text = await token(secret, { models: ['openai/whisper-small'] })
    expect((await submit(text, secret)).body).toMatchObject({ reason: 'key.model_forbidden' })
    expect(await ask(secret, 'POST', '/v1/tokens', { models: ['openai/whisper-tiny'] })).toMatchObject({
      ...{ status: 403, body: { reason: 'key.model_forbidden' } },
    })
  })

  test.each([
    ['too long', { ttlSeconds: 86_400 }],
    ['of no time', { ttlSeconds: 0 }],
    ['with admin', { scopes: ['admin'] }],
    ['for a job and for uploads', { jobId: '01890000-0000-7000-8000-000000000000', uploadOnly: true }],
    ['for uploads, to read', { scopes: ['read'], uploadOnly: true }],
    ['with too many names of models', { models: Array.from({ length: 100 }, (_, index) => `m${index}`.repeat(20)) }],
  ])('is not made when it would be %s', async (_, given) => {
    const { secret } = await keys.create('page')
    expect((await ask(secret, 'POST', '/v1/tokens', given)).status).toBe(400)
  })
})

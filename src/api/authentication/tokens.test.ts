import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApi } from '../../../test/support/api.ts'
import type { RunningApi } from '../../../test/support/api.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { ApiKeys } from './api-keys.ts'
import { isToken, signToken, verifyToken } from './tokens.ts'

const SECRET = 'a-secret-that-a-person-chose'
const soon = (): Date => new Date(Date.now() + 60_000)

async function open() {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-tokens-')))
  const apiKeys = new ApiKeys(stack.use(await openSqlite(folder.path)))
  const opened = stack.move()
  return { apiKeys, signingSecret: Buffer.alloc(32, 7), [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const ALL = { scopes: ['transcribe', 'read'], models: null, confinement: null } as const

describe('a token', () => {
  test('says whose it is, and is no other server’s', async () => {
    await using context = await open()
    const { id } = await context.apiKeys.create('page')
    const token = await signToken({ ...ALL, keyId: id, expiresAt: soon() }, context)
    expect(isToken(token)).toBe(true)
    const { outcome, principal } = { principal: null, ...(await verifyToken(token, context)) }
    expect([outcome, principal?.key.id, principal?.by]).toEqual(['valid', id, 'token'])
    const other = { ...context, signingSecret: Buffer.alloc(32, 8) }
    expect(await verifyToken(token, other)).toEqual({ outcome: 'unknown' })
  })

  test('with anything changed is none', async () => {
    await using context = await open()
    const { id } = await context.apiKeys.create('page')
    const token = await signToken({ ...ALL, keyId: id, expiresAt: soon() }, context)
    const position = fc.nat(token.length - 1)
    await fc.assert(
      fc.asyncProperty(position, fc.constantFrom(...'aZ09-_.é'), async (at, character) => {
        fc.pre(token[at] !== character)
        const changed = token.slice(0, at) + character + token.slice(at + 1)
        expect(await verifyToken(changed, context)).toEqual({ outcome: 'unknown' })
      }),
    )
    for (const text of ['', 'sotto_token_', 'sotto_token_e30', `${token}.`, `${token}x`, token.slice(0, -1)]) {
      expect(await verifyToken(text, context)).toEqual({ outcome: 'unknown' })
    }
  })

  test('ends with its time, and with its key', async () => {
    await using context = await open()
    const { apiKeys } = context
    const { id } = await apiKeys.create('page')
    const passed = await signToken({ ...ALL, keyId: id, expiresAt: new Date(Date.now() - 1000) }, context)
    expect(await verifyToken(passed, context)).toEqual({ outcome: 'expired' })
    const token = await signToken({ ...ALL, keyId: id, expiresAt: soon() }, context)
    await apiKeys.update(id, { expiresAt: new Date(Date.now() - 1000) })
    expect(await verifyToken(token, context)).toEqual({ outcome: 'revoked' })
    await apiKeys.update(id, { expiresAt: null })
    expect(await verifyToken(token, context)).toMatchObject({ outcome: 'valid' })
    await apiKeys.revoke(id)
    expect(await verifyToken(token, context)).toEqual({ outcome: 'revoked' })
  })

  test('of the environment’s key ends when that is replaced', async () => {
    await using context = await open()
    await context.apiKeys.setEnvironmentKey(SECRET)
    const token = await signToken({ ...ALL, keyId: 'environment', expiresAt: soon() }, context)
    expect(await verifyToken(token, context)).toMatchObject({ outcome: 'valid' })
    expect(Buffer.from(token.split('_')[2] ?? '', 'base64url').toString()).not.toContain(SECRET)
    await context.apiKeys.setEnvironmentKey(`${SECRET}-2`)
    expect(await verifyToken(token, context)).toEqual({ outcome: 'revoked' })
  })
})

describe('routes that others add', () => {
  let running: RunningApi
  let token: string
  beforeAll(async () => {
    running = await startApi({
      extend: (api) => {
        api.get('/stream', { config: { takesQueryToken: true } }, ({ owner }) => ({ owner }))
        api.get('/other', ({ owner }) => ({ owner }))
        api.post('/v1/audio/other', ({ owner }) => ({ owner }))
      },
      environment: { SOTTO_MAX_REQUESTS_PER_SECOND: '1000' },
    })
    const answer = await running.client.fetch('/v1/tokens', { method: 'POST' })
    token = ((await answer.json()) as { token: string }).token
  })
  afterAll(() => running[Symbol.asyncDispose]())

  const status = async (path: string): Promise<number> => (await fetch(running.url + path)).status

  test('take a token in the query where a client can send no header, and nowhere else', async () => {
    expect(await status(`/stream?token=${token}`)).toBe(200)
    expect(await status(`/other?token=${token}`)).toBe(401)
    expect(await status('/stream')).toBe(401)
    expect(await status(`/stream?token=${token}x`)).toBe(401)
    expect(await status(`/stream?token=${token}&token=${token}`)).toBe(401)
  })

  test('tell OpenAI’s clients in its headers how many requests are left', async () => {
    const [theirs, ours] = await Promise.all([
      running.client.fetch('/v1/audio/other', { method: 'POST' }),
      running.client.fetch('/other'),
    ])
    expect(theirs.headers.get('x-ratelimit-limit-requests')).toBe('1000')
    expect(theirs.headers.get('x-ratelimit-remaining-requests')).toMatch(/^99\d$/)
    expect(theirs.headers.get('x-ratelimit-reset-requests')).toMatch(/^(?:\d+ms|1s)$/)
    expect([theirs, ours].map(({ headers }) => headers.get('ratelimit-policy'))).toEqual([
      '"requests";q=1000;w=1',
      '"requests";q=1000;w=1',
    ])
    expect(ours.headers.has('x-ratelimit-limit-requests')).toBe(false)
  })

  test('never take a key there', async () => {
    const answer = await fetch(`${running.url}/stream?token=${running.key}`)
    expect(answer.status).toBe(401)
    expect(await answer.text()).toContain('never an API key')
  })
})

import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { runDocumentedCommands } from '../support/documented-commands.ts'
import { CERTIFICATE, Receiver, signatureHeaders } from '../support/receiver.ts'
import type { Answer } from '../support/receiver.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import type { Finished } from '../support/server.ts'

const CLIP = fixture('en-short.wav')
const ALLOW = { SOTTO_FETCH_ALLOW: '127.0.0.1' }

interface Submitted extends JobBody {
  readonly webhook?: { readonly url: string; readonly events: readonly string[]; readonly secret?: string }
}

interface Attempt {
  readonly status: number | null
  readonly code: string | null
  readonly detail: string | null
  readonly answer: string | null
}

interface Delivery {
  readonly id: string
  readonly type: string
  readonly status: string
  readonly attempts: readonly Attempt[]
  readonly nextAttemptAt: string | null
}

const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body)

const ANSWERS: Readonly<Record<string, Answer>> = {
  '/recovers': (response, tries) => answering(tries === 1 ? 500 : 204, {}, 'not now')(response, tries),
  '/moved': answering(301, { location: 'https://example.com/elsewhere' }),
  '/gone': answering(410),
  '/huge': answering(200, {}, 'x'.repeat(3_000_000)),
  '/slow': (response) => void setTimeout(() => response.writeHead(202).end(), 1000),
  '/dies': (response, tries) => void (tries > 1 && response.writeHead(204).end()),
}

let stack: AsyncDisposableStack
let server: Server
let client: Client
let receiver: Receiver
let dataDir: string
let upload: string
let keyId: string

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  dataDir = stack.use(await temporaryFolder()).path
  receiver = stack.use(await Receiver.start(ANSWERS))
  server = stack.use(await Server.start({ dataDir, environment: { ...ALLOW, NODE_EXTRA_CA_CERTS: CERTIFICATE } }))
  client = new Client(server.url, server.newKey ?? '')
  upload = await client.upload(CLIP)
  const { stdout } = await run('keys', 'list')
  keyId = stdout.split(' ')[0] ?? ''
})

afterAll(() => stack.disposeAsync())

async function run(...args: readonly string[]): Promise<Finished> {
  return await sotto([...args, '--data-dir', dataDir], { cwd: dataDir, environment: ALLOW })
}

function asked(webhook: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  const { body, headers: type } = jsonBody({ URL: upload, input: {}, ...(webhook === undefined ? {} : { webhook }) })
  return { method: 'POST', body, headers: { ...type, ...headers } }
}

const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'

async function submit(webhook: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Submitted> {
  return (await client.json<{ response: Submitted }>(202, SUBMIT, asked(webhook, headers))).response
}

async function deliveries(jobId: string): Promise<readonly Delivery[]> {
  const path = `/v1/async/requests/${jobId}/deliveries`
  return (await client.json<{ deliveries: readonly Delivery[] }>(200, path)).deliveries
}

/** A job's only delivery, once it is as asked. */
async function delivery(jobId: string, isReached: (delivery: Delivery) => boolean): Promise<Delivery> {
  const { promise, resolve } = Promise.withResolvers<Delivery>()
  const look = async (): Promise<boolean> => {
    const [one] = await deliveries(jobId)
    if (one === undefined || !isReached(one)) return false
    resolve(one)
    return true
  }
  await expect.poll(look).toBe(true)
  return await promise
}

const isOver = ({ status }: Delivery): boolean => status !== 'pending'
const wasTried = ({ attempts }: Delivery): boolean => attempts.length > 0

describe('a submit with a webhook', () => {
  test('has its end told, signed by the secret that its answer tells once, with a link that works by itself', async () => {
    const webhook = { url: receiver.url('/end'), include: ['result'] }
    const again = { 'idempotency-key': 'one' }
    const job = await submit(webhook, again)
    const secret = job.webhook?.secret ?? ''
    expect(job.webhook).toEqual({
      url: webhook.url,
      events: ['job.success', 'job.failed', 'job.cancelled'],
      secret: expect.stringMatching(/^whsec_[\w+/]{43}=$/),
    })
    expect(await submit(webhook, again)).not.toHaveProperty('webhook')
    await expect.poll(() => receiver.at('/end').length).toBe(1)
    const [got] = receiver.at('/end')
    if (got === undefined) throw new Error('nothing came')
    expect(new Webhook(secret).verify(got.body, signatureHeaders(got))).toMatchObject({
      type: 'job.success',
      data: { id: job.id, status: 'success', result: { text: expect.stringContaining(' ') } },
    })
    expect(got.message.data.result).toEqual((await client.poll(job.id)).result)
    const linked = await fetch(got.message.data.urls.GET)
    expect(await linked.json()).toMatchObject({ id: job.id, status: 'success' })
    expect(await client.json(200, '/v1/webhooks/secret')).toEqual({ secret, previousUntil: null })
    expect(await delivery(job.id, isOver)).toMatchObject({
      ...{ id: got.headers['webhook-id'], type: 'job.success', status: 'delivered', url: webhook.url },
      attempts: [{ status: 204, code: null, answer: '' }],
    })
  })

  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
  const wrong = [
    ['no URL', { url: 'somewhere' }, /http/],
    ['a path of the server', { url: 'file:///etc/passwd' }, /http/],
    ['a password in the URL', { url: 'http://user:password@example.com/' }, /user/],
    ['a private address', { url: 'http://10.0.0.1/' }, /no address that this server may reach/],
    ['a metadata address in disguise', { url: 'http://[::ffff:169.254.169.254]/latest' }, /no address/],
    ['an unknown event', { url: 'http://127.0.0.1/', events: ['job.done'] }, /webhook\.events\.0/],
    ['no event', { url: 'http://127.0.0.1/', events: [] }, /webhook\.events/],
    ['a secret that is too short', { url: 'http://127.0.0.1/', secret: 'whsec_c2hvcnQ=' }, /24 to 64/],
    ['a secret without its prefix', { url: 'http://127.0.0.1/', secret: secret.slice(6) }, /whsec_/],
    ['a field that is none', { url: 'http://127.0.0.1/', headers: {} }, /headers/],
    ['no URL at all', {}, /url/],
  ] as const
  test.each(wrong)('is refused with %s', async (_, webhook, message) => {
    const answer = await client.json<{ code: number; message: string }>(400, SUBMIT, asked(webhook))
    expect(answer).toEqual({ code: 400, message: expect.stringMatching(message) })
    expect(answer.message).not.toContain('c2hvcnQ')
  })

  test('that has a secret of its own is told no other', async () => {
    const job = await submit({ url: receiver.url('/own'), secret, events: ['job.accepted'] })
    expect(job.webhook).toEqual({ url: receiver.url('/own'), events: ['job.accepted'] })
    await expect.poll(() => receiver.at('/own').length).toBe(1)
    const [got] = receiver.at('/own')
    if (got === undefined) throw new Error('nothing came')
    expect(new Webhook(secret).verify(got.body, signatureHeaders(got))).toMatchObject({ data: { id: job.id } })
  })

  test('has it again when it is submitted again', async () => {
    const job = await submit({ url: receiver.url('/retried'), events: ['job.cancelled', 'job.accepted'] })
    await client.json(200, `/v1/async/requests/${job.id}/cancel`, { method: 'POST' }).catch(() => undefined)
    const before = await client.finish(job.id)
    if (before.status !== 'cancelled') return
    const path = `/v1/async/requests/${job.id}/retry`
    const { response } = await client.json<{ response: JobBody }>(202, path, { method: 'POST' })
    await expect.poll(() => receiver.at('/retried').map(({ message }) => message.data.id)).toContain(response.id)
  })
})

describe('receivers', () => {
  test('that fail, hang, move, are gone or talk too much: each in its own way, and none at the cost of another', async () => {
    const events = ['job.accepted']
    const told = (path: string): Promise<Submitted> => submit({ url: receiver.url(path), events })
    await using dead = await Receiver.start({ '/': () => undefined })
    await Promise.all(Array.from({ length: 12 }, () => submit({ url: dead.url(), events })))
    await expect.poll(() => dead.received.length).toBe(8)
    const [moved, gone, huge, slow, recovers] = await Promise.all(
      ['/moved', '/gone', '/huge', '/slow', '/recovers'].map(told),
    )
    await using other = await Receiver.start()
    const quick = await submit({ url: other.url(), events })
    expect(await delivery(quick.id, isOver)).toMatchObject({ status: 'delivered' })
    expect(dead.received).toHaveLength(8)
    const metrics = await (await fetch(new URL('/metrics', server.url))).text()
    expect(Number(/^sotto_webhook_deliveries_pending (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(12)

    expect(await delivery(gone?.id ?? '', isOver)).toMatchObject({
      ...{ status: 'failed', nextAttemptAt: null, attempts: [{ status: 410, code: 'gone' }] },
    })
    expect(await delivery(huge?.id ?? '', isOver)).toMatchObject({
      ...{ status: 'delivered', attempts: [{ status: 200, answer: 'x'.repeat(1024) }] },
    })
    expect(await delivery(slow?.id ?? '', isOver)).toMatchObject({ status: 'delivered', attempts: [{ status: 202 }] })
    const { status, attempts } = await delivery(moved?.id ?? '', wasTried)
    expect(status).toBe('pending')
    expect(attempts[0]).toMatchObject({ status: 301, code: 'redirected', detail: 'https://example.com/elsewhere' })
    expect(await delivery(recovers?.id ?? '', isOver)).toMatchObject({
      status: 'delivered',
      attempts: [{ status: 500, code: 'status', answer: 'not now' }, { status: 204 }],
    })
    const times = receiver.at('/recovers').map(({ headers }) => Number(headers['webhook-timestamp']))
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(3)
  })

  test('are told once more when they are asked to be, by the API and by the command line', async () => {
    const { id: jobId } = await submit({ url: receiver.url('/again'), events: ['job.accepted'] })
    const { id } = await delivery(jobId, isOver)
    const replay = `/v1/async/requests/${jobId}/deliveries/${id}/replay`
    expect(await client.json(202, replay, { method: 'POST' })).toMatchObject({ id, status: 'pending' })
    await delivery(jobId, ({ attempts }) => attempts.length === 2)
    expect((await run('webhooks', 'replay', id)).code).toBe(0)
    await delivery(jobId, ({ attempts }) => attempts.length === 3)
    expect(new Set(receiver.at('/again').map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]))
    const shown = await run('webhooks', 'deliveries', jobId)
    expect(shown.stdout).toMatch(new RegExp(`^${id} +job.accepted +delivered`))
    expect(shown.stdout.match(/204 delivered/g)).toHaveLength(3)

    await client.json(404, `/v1/async/requests/${jobId}/deliveries/evt_1/replay`, { method: 'POST' })
    expect((await run('webhooks', 'replay', 'evt_1')).code).toBe(1)
    const { stdout: key } = await run('keys', 'create', 'another')
    const stranger = new Client(server.url, key.trim())
    for (const [path, method] of [
      [replay, 'POST'],
      [replay.replace(/\/evt.*/, ''), 'GET'],
    ] as const) {
      expect((await stranger.fetch(path, { method })).status).toBe(404)
    }
  })
})

describe('a default', () => {
  test('is told of jobs that name no webhook, until it is removed', async () => {
    const path = '/v1/webhooks/default'
    await client.json(404, path)
    const { secret } = await client.json<{ secret: string }>(200, '/v1/webhooks/secret')
    const webhook = { url: receiver.url('/default'), events: ['job.accepted'] }
    const set = await client.json(200, path, { method: 'PUT', ...jsonBody(webhook) })
    expect(set).toMatchObject({ ...webhook, secret, hasSecret: false, include: [], disabledAt: null })
    expect(await client.json(200, path)).not.toHaveProperty('secret')
    const job = await submit(undefined)
    expect(job).not.toHaveProperty('webhook')
    await expect.poll(() => receiver.at('/default').map(({ message }) => message.data.id)).toEqual([job.id])
    const named = await submit({ url: receiver.url('/named'), events: ['job.accepted'] })
    await delivery(named.id, isOver)
    expect((await client.fetch(path, { method: 'DELETE' })).status).toBe(204)
    expect((await client.fetch(path, { method: 'DELETE' })).status).toBe(404)
    expect(await deliveries((await submit(undefined)).id)).toEqual([])
    expect(receiver.at('/default')).toHaveLength(1)
  })

  test.each([{ url: 'http://10.0.0.1/' }, { url: 'http://127.0.0.1/', secret: 'x' }, { url: 'x' }, {}])(
    'is not %j',
    async (webhook) => {
      const init = { method: 'PUT', ...jsonBody(webhook) }
      expect((await client.fetch('/v1/webhooks/default', init)).status).toBe(400)
    },
  )
})

test('a test says what came of it, and an authority that the environment names is trusted', async () => {
  const send = async (body: unknown): Promise<unknown> =>
    await client.json(200, '/v1/webhooks/test', { method: 'POST', ...jsonBody(body) })
  expect(await send({ url: receiver.url('/test') })).toMatchObject({ delivered: true, status: 204, code: null })
  expect(receiver.at('/test')[0]?.message).toMatchObject({ type: 'webhook.test' })
  expect(await send({ url: receiver.url('/moved') })).toMatchObject({
    delivered: false,
    status: 301,
    code: 'redirected',
  })
  await using encrypted = await Receiver.start({}, 'https')
  expect(await send({ url: encrypted.url() })).toMatchObject({ delivered: true })
  await client.json(404, '/v1/webhooks/test', { method: 'POST' })
  await client.json(400, '/v1/webhooks/test', { method: 'POST', ...jsonBody({ url: 'http://192.168.0.1/' }) })
})

test('the commands of the documentation do what it says', async () => {
  const { id } = await submit({ url: receiver.url('/page'), events: ['job.accepted'] })
  await delivery(id, isOver)
  const ran = await runDocumentedCommands({
    page: 'docs/webhooks.md',
    variables: {
      ...{ KEY: server.newKey ?? '', SOTTO: server.url, HOOK: receiver.url('/page'), JOB: id, KEY_ID: keyId },
      ...{ SOTTO_DATA_DIR: dataDir, ...ALLOW },
    },
  })
  const [submitted = '', secrets = '', defaults = '', became = '', byHand = ''] = ran.map(({ output }) => output)
  expect(submitted).toMatch(/"webhook":\{"url":"[^"]*\/page","events":\[[^\]]*\],"secret":"whsec_/)
  expect(secrets.match(/whsec_[\w+/]{43}=/g)).toHaveLength(2)
  expect(defaults.match(/"events":\["job.success","job.failed"\]/g)).toHaveLength(2)
  expect(became).toMatch(/"deliveries":\[\{"id":"evt_.*"delivered":true/)
  const lines = byHand.trim().split('\n')
  expect(lines[0]).toMatch(/^whsec_/)
  expect(lines[1]).toBe(`${receiver.url('/page')}  job.success,job.failed,job.cancelled`)
  expect(byHand).toContain('204 delivered')
  expect(lines.at(-1)).toBe('none')
  await expect.poll(() => receiver.at('/page').map(({ message }) => message.type)).toContain('job.success')
})

test('a secret that is replaced signs on for a day, or for as long as is said', async () => {
  const rotate = async (init: RequestInit): Promise<{ secret: string; previousUntil: string | null }> =>
    await client.json(200, '/v1/webhooks/secret/rotate', { method: 'POST', ...init })
  const { secret, previousUntil } = await rotate({})
  expect(Date.parse(previousUntil ?? '') - Date.now()).toBeGreaterThan(86_000_000)
  const next = await rotate(jsonBody({ overlapSeconds: 0 }))
  expect(next.secret).not.toBe(secret)
  await client.json(400, '/v1/webhooks/secret/rotate', { method: 'POST', ...jsonBody({ overlapSeconds: 1e6 }) })
  await client.json(200, '/v1/webhooks/test', { method: 'POST', ...jsonBody({ url: receiver.url('/rotated') }) })
  const [got] = receiver.at('/rotated')
  if (got === undefined) throw new Error('nothing came')
  const headers = signatureHeaders(got)
  expect(new Webhook(next.secret).verify(got.body, headers)).toEqual(got.message)
  expect(() => new Webhook(secret).verify(got.body, headers)).toThrow('No matching signature')
})

test('nothing in the log tells a secret or the path of a webhook', () => {
  expect(server.output).toContain('a webhook was not delivered')
  expect(server.output).not.toContain('whsec_')
  expect(server.output).not.toMatch(/\/(?:recovers|moved|gone|huge)/)
})

test('what a server was telling when it was killed is told by the next one, with the same id', async () => {
  await using folder = await temporaryFolder()
  const environment = ALLOW
  await using first = await Server.start({ dataDir: folder.path, environment })
  const before = new Client(first.url, first.newKey ?? '')
  const url = await before.upload(CLIP)
  const webhook = { url: receiver.url('/dies') }
  await before.json(202, SUBMIT, { method: 'POST', ...jsonBody({ URL: url, input: {}, webhook }) })
  await expect.poll(() => receiver.at('/dies').length).toBe(1)
  await first.end('SIGKILL')
  await using second = await Server.start({ dataDir: folder.path, environment })
  await expect.poll(() => receiver.at('/dies').length).toBe(2)
  expect(second.url).not.toBe('')
  const [one, two] = receiver.at('/dies')
  expect(two?.headers['webhook-id']).toBe(one?.headers['webhook-id'])
  expect(two?.message).toMatchObject({ type: 'job.success', timestamp: one?.message.timestamp })
})

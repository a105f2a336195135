import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { OpenAiServer } from '../support/openai-server.ts'
import type { Behaviour } from '../support/openai-server.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const CLIP = fixture('en-short.wav')
const MODEL = 'openai/whisper-large-v3'
const REMOTE_KEY = 'the-key-of-the-gpu-server'
const TEXT = 'The hospital is near the park.'
const SEGMENT = { id: 0, seek: 0, start: 0.3, end: 2.9, text: TEXT, tokens: [1], temperature: 0, avg_logprob: -0.1 }
const BODY = { text: TEXT, language: 'english', duration: 3.04, segments: [SEGMENT] }
const OK: Behaviour = { body: BODY }
const BUSY: Behaviour = { status: 503, headers: { 'retry-after': '0' }, body: { error: 'Starting' } }

interface Started extends AsyncDisposable {
  readonly remote: OpenAiServer
  readonly server: Server
  readonly client: Client
}

async function start(behaviours: readonly Behaviour[], workers = 1): Promise<Started> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const remote = stack.use(await OpenAiServer.start(...behaviours))
  const engine = { SOTTO_ENGINE: `openai:${remote.origin}`, SOTTO_ENGINE_API_KEY: REMOTE_KEY }
  const environment = { ...engine, SOTTO_FETCH_ALLOW: '127.0.0.1' }
  const server = stack.use(
    await Server.start({ dataDir: folder.path, environment, arguments: ['--workers', String(workers)] }),
  )
  const client = new Client(server.url, server.newKey ?? '')
  const parts = stack.move()
  return { remote, server, client, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

let shared: Started

beforeAll(async () => {
  shared = await start([OK])
})

afterAll(() => shared[Symbol.asyncDispose]())

/** The shared servers, the other one with these behaviours and nothing recorded yet. */
function behaving(...behaviours: readonly Behaviour[]): Started {
  shared.remote.behaviours = [...behaviours]
  shared.remote.requests.length = 0
  return shared
}

const submit = async (client: Client): Promise<string> =>
  (await client.submit(await client.upload(CLIP), { model: MODEL })).id

describe('with another server as the engine', () => {
  test('a recording that is fetched from elsewhere is sent under a name that tells its format', async () => {
    const { client, remote } = behaving(OK)
    const clip = await readFile(CLIP)
    const files = createServer((_request, response) =>
      response.writeHead(200, { 'content-type': 'audio/x-wav' }).end(clip),
    )
    files.listen(0, '127.0.0.1')
    await once(files, 'listening')
    const address = files.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/download?id=17`
    const job = await client.finish((await client.submit(url, { model: MODEL })).id)
    expect(job).toMatchObject({ status: 'success', result: { text: TEXT } })
    expect(remote.requests).toMatchObject([{ file: { name: 'audio.wav', bytes: clip.length } }])
    files.close()
  })

  test('a job is transcribed there, whole; no weights are fetched and no engine process is started', async () => {
    await using started = await start([OK])
    const { remote, server, client } = started
    const job = await client.transcribe(CLIP, { model: MODEL, serviceTier: 'gpuflex', input: { language: 'en' } })
    expect(job).toMatchObject({
      status: 'success',
      model: MODEL,
      serviceTier: 'gpuflex',
      servedTier: 'gpuflex',
      result: { text: TEXT, language: 'en', duration: 3.04, segments: [{ ...SEGMENT, quality: [] }] },
    })
    const recording = await readFile(CLIP)
    expect(remote.requests).toMatchObject([
      {
        path: '/v1/audio/transcriptions',
        headers: { authorization: `Bearer ${REMOTE_KEY}` },
        fields: { model: [MODEL], language: ['en'], response_format: ['verbose_json'] },
        file: {
          name: 'audio.wav',
          bytes: recording.length,
          sha256: createHash('sha256').update(recording).digest('hex'),
        },
      },
    ])
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    await expect(server.engine()).rejects.toThrow('no engine process runs')
  })

  test('cpuflex jobs are served by it too, and say so; models are said to be run by it', async () => {
    const { client } = behaving(OK)
    expect(await client.transcribe(CLIP, { model: MODEL })).toMatchObject({
      status: 'success',
      serviceTier: 'cpuflex',
      servedTier: 'gpuflex',
    })
    expect(await client.json(200, `/v1/models/${MODEL}`)).toMatchObject({
      framework: 'openai-api',
      weightsPresent: true,
    })
  })

  test('as many jobs as there are workers are with it at the same time', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    await using started = await start([{ body: BODY, after: held }], 3)
    const { remote, client } = started
    const ids = await Promise.all([1, 2, 3, 4].map(() => submit(client)))
    await expect.poll(() => remote.requests.length).toBe(3)
    release()
    const jobs = await Promise.all(ids.map((id) => client.finish(id)))
    expect(jobs.map(({ status }) => status)).toEqual(Array(4).fill('success'))
    expect(remote.requests).toHaveLength(4)
  })

  test('a short recording goes through the synchronous API, and what it refuses too', async () => {
    const { client } = behaving(OK, { status: 400, body: { error: { message: 'Invalid audio' } } })
    const post = async (): Promise<Response> =>
      await client.fetch(`/v1/ent/tiyarofs/1/${MODEL}`, {
        method: 'POST',
        body: await readFile(CLIP),
        headers: { 'content-type': 'audio/wav' },
      })
    expect(await (await post()).json()).toMatchObject({ response: { text: TEXT } })
    const refused = await post()
    expect(refused.status).toBe(422)
    expect(await refused.json()).toMatchObject({ message: 'The transcription server answered 400: Invalid audio' })
  })
})

describe('when the other server', () => {
  test('is busy at first: the job is done in the end, in one attempt', async () => {
    const { remote, client } = behaving(BUSY, BUSY, OK)
    expect((await client.transcribe(CLIP, { model: MODEL })).status).toBe('success')
    expect(remote.requests).toHaveLength(3)
  })

  test('stays busy: the job fails after three attempts, with what it says', async () => {
    const { remote, client } = behaving(BUSY)
    expect(await client.transcribe(CLIP, { model: MODEL })).toMatchObject({
      status: 'failed',
      error: { code: 'engine.unavailable', message: 'The transcription server answered 503: Starting' },
    })
    expect(remote.requests).toHaveLength(18)
  })

  test('does not know the model: the job fails at once, and says why', async () => {
    const message = `The model ${MODEL} does not exist.`
    const { remote, client } = behaving({ status: 404, body: { error: { message } } })
    expect(await client.transcribe(CLIP, { model: MODEL })).toMatchObject({
      status: 'failed',
      error: { code: 'engine.refused', message: `The transcription server answered 404: ${message}` },
    })
    expect(remote.requests).toHaveLength(1)
  })

  test('can’t honour a parameter: the job fails, naming it', async () => {
    const { client } = behaving(OK)
    expect(await client.transcribe(CLIP, { model: MODEL, input: { beam_size: 5 } })).toMatchObject({
      status: 'failed',
      error: { code: 'input.unsupported', message: expect.stringContaining('input.beam_size') },
    })
  })

  test('has a job that is cancelled: it is, and its connection is closed', async () => {
    const { remote, client } = behaving('hang', OK)
    const id = await submit(client)
    await expect.poll(() => remote.requests.length).toBe(1)
    await client.json(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })
    expect((await client.finish(id)).status).toBe('cancelled')
    await expect.poll(() => remote.abandoned).toBe(1)
    expect((await client.transcribe(CLIP, { model: MODEL })).status).toBe('success')
  })

  test('has a job when this one is asked to end: it goes back to the queue, and the end waits for nothing', async () => {
    await using started = await start(['hang'])
    const { remote, server, client } = started
    await submit(client)
    await expect.poll(() => remote.requests.length).toBe(1)
    expect(await server.end('SIGTERM')).toBe(0)
    expect(server.output).toContain('"reason":"stopping"')
  })

  test('is not there: not ready', async () => {
    await using started = await start([OK])
    const { remote, server } = started
    await remote[Symbol.asyncDispose]()
    const ready = await fetch(`${server.url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({ checks: { worker: 'does not answer', database: 'ok' } })
  })
})

test('neither its key nor a transcript is in the log', async () => {
  const echo = { error: { message: `Invalid key ${REMOTE_KEY}` } }
  await using started = await start([
    BUSY,
    OK,
    { status: 500, body: echo },
    { status: 401, body: echo },
    { body: TEXT },
  ])
  const { server, client } = started
  const jobs = [await client.transcribe(CLIP, { model: MODEL })]
  for (let count = 0; count < 2; count++) jobs.push(await client.transcribe(CLIP, { model: MODEL }))
  expect(jobs.map(({ status, error }) => error?.code ?? status)).toEqual([
    'success',
    'engine.forbidden',
    'engine.bad_answer',
  ])
  expect(server.output).toContain('asked again')
  for (const secret of [REMOTE_KEY, TEXT]) {
    expect(server.output).not.toContain(secret)
    expect(JSON.stringify(jobs.map(({ error }) => error))).not.toContain(secret)
  }
})

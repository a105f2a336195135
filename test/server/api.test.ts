import { randomBytes } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'

const MODEL = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const CLIP = fixture('en-short.wav')
const MAX_BYTES = 2_000_000

let stack: AsyncDisposableStack
let server: Server
let client: Client
let other: Client
let dataDir: string

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  dataDir = stack.use(await temporaryFolder()).path
  server = stack.use(
    await Server.start({
      dataDir,
      arguments: ['--models', 'acme/whisper-extra'],
      environment: { SOTTO_MAX_UPLOAD_BYTES: String(MAX_BYTES), SOTTO_TRUSTED_PROXIES: '127.0.0.2' },
    }),
  )
  client = new Client(server.url, server.newKey ?? '')
  const { stdout } = await sotto(['keys', 'create', 'other', '--data-dir', dataDir], { cwd: dataDir })
  other = new Client(server.url, stdout.trim())
})

afterAll(() => stack.disposeAsync())

interface ErrorBody {
  readonly code: number
  readonly message: string
}

const uploads = async (): Promise<readonly string[]> => {
  const folders = ['payloads/objects/uploads', 'payloads/tmp'].map((folder) => join(dataDir, folder))
  return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat()
}

async function errorOf(response: Promise<Response>, status: number): Promise<string> {
  const answer = await response
  // Of models OpenAI's clients ask as well, who read that.
  const { error: _, ...body } = (await answer.json()) as ErrorBody & { readonly error?: unknown }
  expect({ status: answer.status, ...body }).toEqual({ status, code: status, message: expect.any(String) })
  return body.message
}

const submit = (body: unknown, path = MODEL, as = client): Promise<Response> =>
  as.fetch(path, { method: 'POST', ...jsonBody(body) })
const put = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> => fetch(url, { method: 'PUT', body, headers })

describe('the contract’s shapes', () => {
  test('upload URL, PUT, submit and poll', async () => {
    const place = await client.fetch('/v1/input/upload-url?extension=wav', { method: 'POST', ...jsonBody({}) })
    expect(place.status).toBe(201)
    const { uploadUrl } = (await place.json()) as { uploadUrl: { PUT: string } }
    expect(Object.keys(uploadUrl)).toEqual(['PUT'])
    const url = await client.upload(CLIP)
    const submitted = await client.submit(url, { input: { language: 'en' } })
    expect(submitted).toEqual({
      id: expect.any(String),
      model: 'sotto/whisper-demo',
      name: null,
      metadata: {},
      input: expect.objectContaining({ language: 'en' }),
      status: expect.stringMatching(/^(accepted|pending|processing)$/),
      serviceTier: 'cpuflex',
      servedTier: null,
      priority: 'normal',
      audioSeconds: 3.04,
      doneSeconds: 0,
      version: expect.any(String),
      acceptedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      startedAt: null,
      completedAt: null,
      expiresAt: null,
      removeAfterSeconds: null,
      result: null,
      urls: { GET: expect.stringContaining(`${server.url}/v1/async/requests/`) },
    })
    const done = await client.finish(submitted.id)
    expect(done).toMatchObject({ status: 'success', servedTier: 'cpuflex', result: { language: 'en' } })
    expect(Object.keys(done)).not.toContain('error')
    expect(Date.parse(done.completedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(done.acceptedAt))
    const bySignature = await fetch(submitted.urls.GET)
    expect(await bySignature.json()).toEqual(done)
  })

  test.each([
    ['no body at all', { method: 'POST' }],
    ['an empty object without a Content-Type', { method: 'POST', body: Buffer.from('{}') }],
  ])('asking for an upload URL with %s', async (_, init) => {
    expect((await client.fetch('/v1/input/upload-url?extension=mp3', init)).status).toBe(201)
  })

  test('gpuflex is served by the CPU, and the job says both', async () => {
    const job = await client.transcribe(CLIP, { serviceTier: 'gpuflex' })
    expect(job).toMatchObject({ status: 'success', serviceTier: 'gpuflex', servedTier: 'cpuflex' })
  })

  test('one upload for several jobs; removing one keeps it for the other', async () => {
    const url = await client.upload(CLIP)
    const [one, two] = [await client.submit(url), await client.submit(url)]
    await client.finish(one.id)
    expect((await client.fetch(`/v1/async/requests/${one.id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await client.finish(two.id)).status).toBe('success')
  })

  test('jobs are listed, the newest first, without those of other keys', async () => {
    const job = await client.transcribe(CLIP)
    const { requests } = await client.json<{ requests: { id: string }[] }>(200, '/v1/async/requests?status=success')
    expect(requests[0]).toMatchObject({ id: job.id, status: 'success' })
    expect(await other.json(200, '/v1/async/requests')).toEqual({ requests: [], next: null, previous: null })
  })
})

describe('keys', () => {
  test.each([
    ['none', undefined],
    ['a wrong one', 'Bearer sotto_wrong'],
    ['another scheme', 'Basic c290dG86c290dG8='],
  ])('%s: 401', async (_, authorization) => {
    const headers = authorization === undefined ? {} : { authorization }
    for (const path of ['/v1/models', '/v1/async/requests', '/v1/async/requests/x']) {
      const response = await fetch(`${server.url}${path}`, { headers })
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
      await errorOf(Promise.resolve(response), 401)
    }
    const post = { method: 'POST', headers }
    await errorOf(fetch(`${server.url}/v1/input/upload-url?extension=mp3`, post), 401)
    await errorOf(fetch(`${server.url}${MODEL}`, post), 401)
  })

  test('a revoked key is refused at once, by a server that runs', async () => {
    const created = await sotto(['keys', 'create', 'short-lived', '--data-dir', dataDir], { cwd: dataDir })
    const secret = created.stdout.trim()
    const id = /Key (\S+)/.exec(created.stderr)?.[1] ?? ''
    const withIt = new Client(server.url, secret)
    expect((await withIt.fetch('/v1/models')).status).toBe(200)
    const list = await sotto(['keys', 'list', '--data-dir', dataDir], { cwd: dataDir })
    expect(list.stdout).toContain('short-lived')
    expect(list.stdout).not.toContain(secret)
    expect((await sotto(['keys', 'revoke', id, '--data-dir', dataDir], { cwd: dataDir })).code).toBe(0)
    await errorOf(withIt.fetch('/v1/models'), 401)
    expect((await sotto(['keys', 'revoke', id, '--data-dir', dataDir], { cwd: dataDir })).code).toBe(1)
  })

  test('another key’s job is not there', async () => {
    const { id, urls } = await client.submit(await client.upload(CLIP))
    for (const [path, method] of [
      [id, 'GET'],
      [`${id}/cancel`, 'POST'],
      [id, 'DELETE'],
    ] as const) {
      await errorOf(other.fetch(`/v1/async/requests/${path}`, { method }), 404)
    }
    await errorOf(other.fetch(new URL(urls.GET).pathname), 404)
    await client.finish(id)
  })

  test('no secret, signature or transcript is in the log', async () => {
    const url = await client.upload(CLIP)
    const job = await client.finish((await client.submit(url)).id)
    await fetch(url.replace('signature=', 'signature=x'), { method: 'PUT', body: 'x' })
    const text = job.result?.text.trim() ?? '-'
    for (const secret of [/signature=/, /Bearer/, new RegExp(text)]) expect(server.output).not.toMatch(secret)
    expect(server.output).not.toContain(server.newKey ?? '-')
    const keyFile = join(dataDir, 'first-api-key')
    expect(server.output).toContain(keyFile)
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600)
    expect((await readFile(keyFile, 'utf8')).trim()).toBe(server.newKey)
  })
})

describe('upload URLs', () => {
  test.each(['', '?extension=', '?extension=../x', '?extension=mp3%00', `?extension=${'x'.repeat(17)}`])(
    'asked for with %j: 400',
    async (query) => {
      const message = await errorOf(client.fetch(`/v1/input/upload-url${query}`, { method: 'POST' }), 400)
      expect(message).toContain('extension')
    },
  )

  test('tampered with: 403, and nothing is stored', async () => {
    const url = await client.uploadUrl('wav')
    const before = await uploads()
    const anotherFile = url.replace(/uploads\/[\da-f]{8}/, 'uploads/00000000')
    for (const tampered of [
      anotherFile,
      url.replace(/expires=\d/, 'expires=9'),
      url.replace(/owner=./, 'owner=x'),
      url.split('?')[0] ?? '',
    ]) {
      expect(await errorOf(put(tampered, 'x'), 403)).toMatch(/signature/)
    }
    expect(await uploads()).toEqual(before)
  })

  test('expired: 403, and the message says so', async () => {
    await using folder = await temporaryFolder()
    await using brief = await Server.start({ dataDir: folder.path, environment: { SOTTO_UPLOAD_URL_TTL: '1' } })
    const url = await new Client(brief.url, brief.newKey ?? '').uploadUrl('wav')
    const isExpired = async (): Promise<boolean> => (await put(url, 'x')).status === 403
    await expect.poll(isExpired).toBe(true)
    expect(await errorOf(put(url, 'x'), 403)).toMatch(/expired/)
  })

  test('used by a submit: a further PUT is 409, before it only replaces', async () => {
    const url = await client.upload(fixture('silence.wav'))
    expect((await put(url, await import('node:fs').then(({ readFileSync }) => readFileSync(CLIP)))).status).toBe(200)
    const { id } = await client.submit(url)
    expect(await errorOf(put(url, 'x'), 409)).toMatch(/new upload URL/)
    expect((await client.finish(id)).result?.duration).toBeCloseTo(3.04, 2)
  })

  test('any Content-Type, or none', async () => {
    for (const type of ['audio/wav', 'application/json', 'text/plain', 'nonsense', '']) {
      expect((await put(await client.uploadUrl('wav'), 'x', type === '' ? {} : { 'content-type': type })).status).toBe(
        200,
      )
    }
  })

  test('an empty body: 400, and nothing is stored', async () => {
    const before = await uploads()
    expect(await errorOf(put(await client.uploadUrl('wav'), ''), 400)).toMatch(/no content/)
    const chunked = new ReadableStream({ start: (controller) => controller.close() })
    await errorOf(fetch(await client.uploadUrl('wav'), { method: 'PUT', body: chunked, duplex: 'half' }), 400)
    expect(await uploads()).toEqual(before)
  })

  test('larger than allowed: 413, announced or not, and nothing is stored', async () => {
    const before = await uploads()
    const large = randomBytes(MAX_BYTES + 1)
    expect(await errorOf(put(await client.uploadUrl('wav'), large), 413)).toMatch(/SOTTO_MAX_UPLOAD_BYTES/)
    const chunked = new ReadableStream({
      start(controller) {
        for (let at = 0; at < large.length; at += 100_000) controller.enqueue(large.subarray(at, at + 100_000))
        controller.close()
      },
    })
    await errorOf(fetch(await client.uploadUrl('wav'), { method: 'PUT', body: chunked, duplex: 'half' }), 413)
    expect(await uploads()).toEqual(before)
  })

  test('a body that breaks off leaves nothing', async () => {
    const before = await uploads()
    const url = new URL(await client.uploadUrl('wav'))
    const upload = request(url, { method: 'PUT', headers: { 'content-length': '1000000' } })
    upload.on('error', () => undefined)
    upload.write(randomBytes(100_000))
    await expect.poll(async () => (await uploads()).length).toBe(before.length + 1)
    upload.destroy()
    await expect.poll(uploads).toEqual(before)
  })
})

describe('submit refuses', () => {
  let url: string
  beforeAll(async () => {
    url = await client.upload(CLIP)
  })

  test('a model that is not served: 404, naming those that are', async () => {
    const message = await errorOf(submit({ URL: url, input: {} }, '/v1/async/ent/tiyarofs/1/openai/whisper-huge'), 404)
    expect(message).toMatch(/openai\/whisper-huge.*sotto\/whisper-demo.*openai\/whisper-large.*acme\/whisper-extra/)
    await errorOf(submit({ URL: url, input: {} }, '/v1/async/ent/acme/1/sotto/whisper-demo'), 404)
  })

  test('a tier that there is not', async () => {
    expect(await errorOf(submit({ URL: url, input: {} }, `${MODEL}?serviceTier=tpuflex`), 400)).toMatch(/serviceTier/)
  })

  test.each([
    [{ beam_size: 'five' }, /input\.beam_size must be an integer from 1 to 20, or null; got "five"/],
    [{ audio_track: -1 }, /input\.audio_track must be an integer from 0 to 999, or "auto"; got -1/],
    [{ vad: true }, /input\.vad is not a parameter/],
    [{ patience: 2 }, /input\.patience needs input\.beam_size/],
    [{ length_penalty: 1.5 }, /input\.length_penalty must be a number from 0 to 1, or null; got 1\.5/],
    [{ hallucination_silence_threshold: 1 }, /needs input\.word_timestamps/],
    [{ clip_timestamps: '9,4' }, /each end after its start; got the end 4 for 9/],
    ['en', /input must be an object/],
  ])('input %j: 400', async (input, expected) => {
    expect(await errorOf(submit({ URL: url, input }), 400)).toMatch(expected)
  })

  test('bodies that are not as they should be', async () => {
    expect(await errorOf(submit({ input: {} }), 400)).toMatch(/URL/)
    expect(await errorOf(submit({ URL: url }), 400)).toMatch(/input/)
    expect(await errorOf(submit({ URL: 5, input: {} }), 400)).toMatch(/URL/)
    expect(await errorOf(submit({ URL: url, input: {}, callback: 'x' }), 400)).toMatch(/callback/)
    expect(await errorOf(client.fetch(MODEL, { method: 'POST', body: '{"URL": ' }), 400)).toMatch(/JSON/i)
  })

  test('a URL that this server did not sign: 400', async () => {
    for (const foreign of [
      'http://10.0.0.1/a.mp3',
      'not a url',
      'file:///etc/passwd',
      url.replace(/-[\da-f]{32}(?=\.wav)/, ''),
    ]) {
      expect(await errorOf(submit({ URL: foreign, input: {} }), 400)).toMatch(/upload URL of this server/)
    }
  })

  test('a URL that this server made for nobody: 403', async () => {
    const forged = url.replace(/-[\da-f]{8}(?=[\da-f]{24}\.wav)/, '-00000000')
    expect(forged).not.toBe(url)
    expect(await errorOf(submit({ URL: forged, input: {} }), 403)).toMatch(/another API key/)
  })

  test('a URL of another key: 403', async () => {
    expect(await errorOf(submit({ URL: url, input: {} }, MODEL, other), 403)).toMatch(/another API key/)
  })

  test('a URL that nothing was uploaded to: 409', async () => {
    expect(await errorOf(submit({ URL: await client.uploadUrl('wav'), input: {} }), 409)).toMatch(
      /Nothing has been uploaded/,
    )
  })

  test('gpuflex without a GPU where the CPU may not stand in: 503', async () => {
    await using folder = await temporaryFolder()
    await using strict = await Server.start({ dataDir: folder.path, environment: { SOTTO_GPU_FALLBACK: 'off' } })
    const own = new Client(strict.url, strict.newKey ?? '')
    const body = { URL: await own.upload(CLIP), input: {} }
    const response = await submit(body, `${MODEL}?serviceTier=gpuflex`, own)
    expect(response.headers.get('retry-after')).not.toBeNull()
    expect(await errorOf(Promise.resolve(response), 503)).toMatch(/cpuflex/)
    expect((await submit(body, MODEL, own)).status).toBe(202)
  })
})

describe('poll refuses', () => {
  test('ids that there are not: 404', async () => {
    for (const id of ['00000000-0000-4000-8000-000000000000', 'x', '%00', 'x'.repeat(900)]) {
      await errorOf(client.fetch(`/v1/async/requests/${id}`), 404)
    }
  })

  test('a signature that does not fit: 403', async () => {
    const { id, urls } = await client.submit(await client.upload(CLIP))
    await errorOf(fetch(urls.GET.replace(/owner=./, 'owner=x')), 403)
    await client.finish(id)
  })
})

describe('a failed job says what is wrong with the file', () => {
  test.each([
    ['video-without-sound.mp4', 'audio.no_audio_stream', /no audio stream/],
    ['en-short.json', 'audio.not_media', /not audio or video/],
  ])('%s', async (name, code, message) => {
    const job = await client.transcribe(fixture(name))
    expect(job).toMatchObject({
      status: 'failed',
      result: null,
      error: { code, message: expect.stringMatching(message) },
    })
    expect(job.completedAt).not.toBeNull()
  })

  test('weights that can’t be had: at once, and how to put them in place', async () => {
    const job = await client.transcribe(CLIP, { model: 'openai/whisper-tiny' })
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'model.unreachable', message: expect.stringContaining('hf download openai/whisper-tiny') },
    })
  })
})

describe('URLs that are returned', () => {
  const urlFor = async (headers: Record<string, string>, from = server): Promise<string> => {
    const key = from === server ? (server.newKey ?? '') : (from.newKey ?? '')
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const call = request(
      `${from.url}/v1/input/upload-url?extension=mp3`,
      { method: 'POST', headers: { authorization: `Bearer ${key}`, ...headers } },
      (response) => void response.toArray().then((chunks) => resolve(Buffer.concat(chunks).toString()), reject),
    )
    call.on('error', reject).end()
    return await promise
  }

  test('start with the Host that the request came in by', async () => {
    expect(await urlFor({ host: 'sotto.example:8443' })).toContain('"http://sotto.example:8443/v1/input/')
  })

  test('take no X-Forwarded-* from others than trusted proxies', async () => {
    const forwarded = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
    expect(await urlFor({ host: 'sotto.example', ...forwarded })).toContain('"http://sotto.example/v1/')
    await using folder = await temporaryFolder()
    const environment = { SOTTO_TRUSTED_PROXIES: '127.0.0.1' }
    await using behind = await Server.start({ dataDir: folder.path, environment })
    expect(await urlFor(forwarded, behind)).toContain('"https://evil.example/v1/')
  })

  test('take no Host that is none', async () => {
    expect(await urlFor({ host: 'a b"><script>' })).toContain('"code":400')
  })

  test('start with SOTTO_PUBLIC_URL where it is set, and can be submitted', async () => {
    await using folder = await temporaryFolder()
    const environment = { SOTTO_PUBLIC_URL: 'https://sotto.example/api/' }
    await using behind = await Server.start({ dataDir: folder.path, environment })
    const own = new Client(behind.url, behind.newKey ?? '')
    const url = await own.uploadUrl('wav')
    expect(url).toMatch(/^https:\/\/sotto\.example\/api\/v1\/input\/uploads\//)
    expect((await put(url.replace('https://sotto.example/api', behind.url), 'x')).status).toBe(200)
    expect((await own.submit(url)).urls.GET).toMatch(/^https:\/\/sotto\.example\/api\/v1\/async\/requests\//)
  })
})

describe('the synchronous API', () => {
  const SYNC = '/v1/ent/tiyarofs/1/sotto/whisper-demo'
  const post = (body: string | Uint8Array<ArrayBuffer>, type: string): Promise<Response> =>
    client.fetch(SYNC, { method: 'POST', body, headers: { 'content-type': type } })
  const bytes = async (name: string): Promise<Buffer<ArrayBuffer>> =>
    await import('node:fs/promises').then((fs) => fs.readFile(fixture(name)))

  test('answers raw bytes, base64 and an upload URL alike, and leaves nothing of them', async () => {
    const before = await uploads()
    const raw = await post(await bytes('en-short.wav'), 'audio/wav')
    expect(raw.status).toBe(200)
    const body = (await raw.json()) as { response: { text: string } }
    expect(Object.keys(body)).toEqual(['response'])
    expect(body.response.text.trim()).not.toBe('')
    const Bytes = (await bytes('en-short.wav')).toString('base64')
    expect(await (await post(JSON.stringify({ Bytes }), 'application/json')).json()).toEqual(body)
    await expect.poll(uploads).toEqual(before)
    const form = new FormData()
    form.append('input', '{"language":null}')
    form.append('file', new Blob([await bytes('en-short.wav')]), 'short.wav')
    expect(await (await client.fetch(SYNC, { method: 'POST', body: form })).json()).toEqual(body)
    for (const type of ['nonsense', 'json', '']) {
      expect(await (await post(await bytes('en-short.wav'), type)).json()).toEqual(body)
    }
    for (const [type, sent] of [
      ['audio/wav', await bytes('en-short.wav')],
      ['application/json; charset=utf-8', Buffer.from(JSON.stringify({ input: {}, Bytes }))],
    ] as const) {
      const headers = { 'content-type': type, 'content-encoding': 'gzip' }
      const answer = await client.fetch(SYNC, { method: 'POST', body: new Uint8Array(gzipSync(sent)), headers })
      expect(await answer.json()).toEqual(body)
    }
    await expect.poll(uploads).toEqual(before)
    const URL = await client.upload(CLIP)
    expect(await (await post(JSON.stringify({ URL, input: {} }), 'application/json')).json()).toEqual(body)
    await expect.poll(uploads).toEqual(before)
  })

  test('longer than 60 s: 413, and points at the Async API', async () => {
    const second = Buffer.alloc(32_000)
    const header = (await bytes('silence.wav')).subarray(0, 44)
    header.writeUInt32LE(61 * 32_000 + 36, 4)
    header.writeUInt32LE(61 * 32_000, 40)
    const wav = Buffer.concat([header, ...Array<Buffer>(61).fill(second)])
    expect(await errorOf(post(wav, 'audio/wav'), 413)).toMatch(/60 s.*Async API/)
  })

  test.each([
    ['{}', /Bytes or URL|either/],
    ['{"Bytes": "%%%"}', /base64/],
    ['{"Bytes": "AAAA", "URL": "x"}', /either/],
    ['{"URL": "http://10.0.0.1/a.mp3"}', /upload URL of this server/],
    ['{"Bytes": "AAAA", "input": {"vad": true}}', /input\.vad/],
    ['{"Bytes"', /JSON/i],
  ])('%s: 400', async (body, message) => {
    expect(await errorOf(post(body, 'application/json'), 400)).toMatch(message)
  })

  test('a client that goes away cancels its job, and nothing of it stays', async () => {
    const before = await uploads()
    const running = await client.submit(await client.upload(fixture('es-long.mp3')))
    const gone = new AbortController()
    const init = { method: 'POST', body: await bytes('en-one-minute.m4a'), headers: { 'content-type': 'audio/mp4' } }
    const call = client.fetch(SYNC, { ...init, signal: gone.signal })
    await expect.poll(async () => (await uploads()).length).toBe(before.length + 2)
    gone.abort()
    await expect(call).rejects.toThrow('aborted')
    await client.finish(running.id)
    await expect.poll(async () => (await uploads()).length).toBe(before.length + 1)
  })

  test('bytes that are no audio: 422', async () => {
    expect(await errorOf(post('hello', 'audio/wav'), 422)).toMatch(/not audio or video/)
  })
})

describe('models', () => {
  test('are listed as OpenAI’s clients read them', async () => {
    const list = await client.json<{ object: string; data: Record<string, unknown>[] }>(200, '/v1/models')
    expect(list.object).toBe('list')
    for (const model of list.data) {
      expect(model).toMatchObject({
        id: expect.any(String),
        object: 'model',
        created: expect.any(Number),
        owned_by: expect.any(String),
      })
    }
    expect(list.data.map(({ id }) => id)).toEqual([
      'sotto/whisper-demo',
      ...['tiny', 'base', 'small', 'medium', 'large', 'large-v2', 'large-v3', 'large-v3-turbo'].map(
        (size) => `openai/whisper-${size}`,
      ),
      'acme/whisper-extra',
      ...['whisper-1', 'gpt-4o-transcribe', 'gpt-4o-mini-transcribe', 'gpt-4o-mini-transcribe-2025-12-15'],
      'gpt-transcribe',
    ])
  })

  test('one is described with endpoints, parameters, size, languages and whether it is here', async () => {
    const model = await client.json<Record<string, unknown>>(200, '/v1/models/sotto/whisper-demo')
    expect(model).toMatchObject({
      id: 'sotto/whisper-demo',
      sizeBytes: 3_531_184,
      languages: ['en', 'es', 'de'],
      weightsPresent: true,
      endpoints: {
        async: { gpuflex: `${server.url}${MODEL}?serviceTier=gpuflex` },
        sync: { cpuflex: `${server.url}/v1/ent/tiyarofs/1/sotto/whisper-demo?serviceTier=cpuflex` },
      },
    })
    expect(model['parameters']).toContainEqual(
      expect.objectContaining({ name: 'beam_size', type: 'integer', default: null, minimum: 1, maximum: 20 }),
    )
    expect(await client.json(200, '/v1/models/sotto%2Fwhisper-demo')).toEqual(model)
    expect(await client.json(200, '/v1/models/openai/whisper-tiny')).toMatchObject({ weightsPresent: false })
    await errorOf(client.fetch('/v1/models/openai/whisper-huge'), 404)
  })
})

describe('around the API', () => {
  test('health and readiness need no key', async () => {
    expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${server.url}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 'ready', checks: { database: 'ok', payloads: 'ok', worker: 'ok' } },
    ])
  })

  test('the OpenAPI document has every route, and each of its references is there', async () => {
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, Record<string, { responses: object; summary: string }>>
    }
    expect(document.openapi).toBe('3.1.0')
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(routes.toSorted()).toEqual(
      [
        'post /v1/input/upload-url',
        ...['delete', 'head', 'options', 'patch', 'put'].map((method) => `${method} /v1/input/uploads/{file}`),
        'post /v1/async/ent/{vendor}/{version}/{publisher}/{model}',
        ...['get /v1/me', 'post /v1/tokens', 'get /v1/keys', 'post /v1/keys'],
        ...['get', 'patch', 'delete'].map((method) => `${method} /v1/keys/{id}`),
        'get /v1/async/requests/{id}',
        'get /v1/async/requests/{id}/result',
        'get /v1/async/requests/{id}/result.{format}',
        'get /v1/async/requests/{id}/events',
        'get /v1/async/events',
        'post /v1/async/requests/{id}/cancel',
        'post /v1/async/requests/{id}/retry',
        'delete /v1/async/requests/{id}',
        'patch /v1/async/requests/{id}',
        'get /v1/async/requests/{id}/history',
        'post /v1/async/requests/actions',
        'get /v1/async/requests',
        'get /v1/async/requests/{id}/deliveries',
        'post /v1/async/requests/{id}/deliveries/{deliveryId}/replay',
        'get /v1/webhooks/secret',
        'post /v1/webhooks/secret/rotate',
        ...['delete', 'get', 'put'].map((method) => `${method} /v1/webhooks/default`),
        'post /v1/webhooks/test',
        'post /v1/ent/{vendor}/{version}/{publisher}/{model}',
        'post /v1/audio/transcriptions',
        'post /v1/audio/translations',
        'post /asr',
        'post /detect-language',
        'get /v1/usage',
        'get /v1/models',
        'get /v1/models/{publisher}/{model}',
        'get /healthz',
        'get /readyz',
      ].toSorted(),
    )
    const references = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? []
    expect(references).toEqual([])
    const submitRoute = document.paths['/v1/async/ent/{vendor}/{version}/{publisher}/{model}']?.['post']
    expect(Object.keys(submitRoute?.responses ?? {})).toEqual([
      ...['202', '400', '401', '403', '404', '409', '413', '422', '429', '503'],
    ])
    expect(JSON.stringify(submitRoute)).toContain('condition_on_previous_text')
  })

  test('the reference page comes from here alone', async () => {
    const page = await fetch(`${server.url}/docs/`)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect((await page.text()).match(/(?:src|href)="https?:[^"]*"/g)).toBeNull()
  })

  test('routes that there are not: 404 in the form of all errors', async () => {
    expect(await errorOf(client.fetch('/v1/nothing'), 404)).toMatch(/\/docs/)
  })

  test('a second server on the same folder is refused, with what to do', async () => {
    const second = await sotto(['serve', '--port', '0', '--data-dir', dataDir], { cwd: dataDir })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('--data-dir')
  })
})

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { BUCKET, S3 } from '../support/s3.ts'
import { hasRequests } from '../support/python.ts'
import { PROJECT, Server, sotto, temporaryFolder } from '../support/server.ts'

const MODEL = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const CLIP = fixture('en-short.wav')
const MIB = 2 ** 20
const PART_BYTES = 5 * MIB
const MAX_BYTES = 8 * MIB

let stack: AsyncDisposableStack
let s3: S3
let server: Server
let client: Client
let other: Client
let dataDir: string

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  s3 = stack.use(await S3.start())
  dataDir = stack.use(await temporaryFolder()).path
  server = stack.use(await start(s3, dataDir))
  client = new Client(server.url, server.newKey ?? '')
  const { stdout } = await sotto(['keys', 'create', 'other', '--data-dir', dataDir], { cwd: dataDir })
  other = new Client(server.url, stdout.trim())
})

afterAll(() => stack.disposeAsync())
afterEach(async () => {
  s3.intercept = undefined
  await s3.resume()
})

async function start(at: S3, folder: string): Promise<Server> {
  const environment = {
    ...at.environment,
    SOTTO_PAYLOADS: `s3://${BUCKET}/sotto`,
    SOTTO_MAX_UPLOAD_BYTES: String(MAX_BYTES),
    SOTTO_FETCH_ALLOW: 'localhost',
  }
  return await Server.start({ dataDir: folder, environment })
}

interface UploadUrl {
  readonly PUT: string
  readonly parts?: readonly string[]
}

async function uploadUrl(parts: number): Promise<UploadUrl> {
  const path = `/v1/input/upload-url?extension=wav&parts=${parts}`
  return (await client.json<{ uploadUrl: UploadUrl }>(201, path, { method: 'POST' })).uploadUrl
}

async function put(url: string | undefined, body: string | Uint8Array<ArrayBuffer>): Promise<void> {
  const response = await fetch(url ?? '', { method: 'PUT', body })
  await response.text()
  expect(response.status).toBe(200)
}

const submit = (url: string, as = client): Promise<Response> =>
  as.fetch(MODEL, { method: 'POST', ...jsonBody({ URL: url, input: {} }) })

async function errorOf(response: Promise<Response>, status: number): Promise<string> {
  const answer = await response
  const body = (await answer.json()) as { code: number; message: string }
  expect({ status: answer.status, ...body }).toEqual({ status, code: status, message: expect.any(String) })
  return body.message
}

async function remove(...jobs: readonly { readonly id: string }[]): Promise<void> {
  for (const { id } of jobs) {
    expect((await client.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })).status).toBe(204)
  }
}

/** What is in the bucket of these jobs and of the uploads to these URLs. */
function objectsOf(...given: readonly (string | { readonly id: string })[]): readonly string[] {
  const names = given.map((one) => (typeof one === 'string' ? new URL(one).pathname.split('/').at(-1) : one.id) ?? '')
  return s3.contents.filter((object) => names.some((name) => object.includes(name)))
}

/** A recording of so many bytes: the clip, and behind its samples a chunk that players pass over. */
async function padded(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const clip = await readFile(CLIP)
  const padding = Buffer.alloc(bytes - clip.length)
  padding.write('junk')
  padding.writeUInt32LE(padding.length - 8, 4)
  const whole = Buffer.concat([clip, padding])
  whole.writeUInt32LE(whole.length - 8, 4)
  return whole
}

describe('the four steps, with payloads in S3', () => {
  test('go past this server, and removing the job leaves nothing', async () => {
    const url = await client.upload(CLIP)
    expect(url.startsWith(`${s3.url}/${BUCKET}/sotto/uploads/`)).toBe(true)
    expect(url).toMatch(/-[\da-f]{32}\.wav\?X-Amz-/)
    const one = await client.finish((await client.submit(url, { input: { language: 'en' } })).id)
    const two = await client.finish((await client.submit(url)).id)
    expect(one).toMatchObject({ status: 'success', result: { language: 'en' } })
    expect(one.result?.text).not.toBe('')
    expect(objectsOf(url, one, two)).toEqual([
      ...[`sotto/results/${one.id}/1.json`, `sotto/results/${two.id}/1.json`].sort(),
      new URL(url).pathname.slice(`/${BUCKET}/`.length),
    ])
    const left = await readdir(join(dataDir, 'tmp'), { recursive: true, withFileTypes: true })
    expect(left.filter((entry) => entry.isFile() && !entry.name.startsWith('lock.db'))).toEqual([])
    expect(await readdir(dataDir)).not.toContain('payloads')
    await remove(one, two)
    await expect.poll(() => objectsOf(url, one, two)).toEqual([])
  })

  test('with the recording in parts', async () => {
    const recording = await padded(PART_BYTES + 1000)
    const { PUT, parts = [] } = await uploadUrl(3)
    expect(parts).toHaveLength(3)
    expect(await errorOf(submit(PUT), 409)).toMatch(/Nothing has been uploaded/)
    await put(parts[1], recording.subarray(PART_BYTES))
    expect(await errorOf(submit(PUT), 409)).toMatch(/^Part 1 /)
    await put(parts[0], recording.subarray(0, PART_BYTES))
    expect(await errorOf(submit(parts[0] ?? ''), 400)).toMatch(/not an upload URL/)
    const accepted = await Promise.all([client.submit(PUT), client.submit(PUT)])
    const [one, two] = await Promise.all(accepted.map(({ id }) => client.finish(id)))
    expect(one!.result?.duration).toBeCloseTo(3.04, 2)
    expect(two!.result).toEqual(one!.result)
    await remove(...accepted)
    await expect.poll(() => objectsOf(PUT, ...accepted)).toEqual([])
  })

  test.each(['0', '101', '10001', '1.5', 'many', ''])('with %j parts: 400', async (parts) => {
    const asked = client.fetch(`/v1/input/upload-url?extension=wav&parts=${parts}`, { method: 'POST' })
    expect(await errorOf(asked, 400)).toMatch(
      /parts takes an integer from 1 to 100 where recordings have up to 8388608 bytes/,
    )
  })

  test('by somebody else’s URL', async () => {
    const before = s3.contents
    const clip = await readFile(CLIP)
    const files = createServer((request, response) =>
      request.url === '/large' ? response.writeHead(200).end(Buffer.alloc(MAX_BYTES + 1)) : response.end(clip),
    )
    files.listen(0, '127.0.0.1')
    await once(files, 'listening')
    const address = files.address()
    const base = `http://localhost:${typeof address === 'object' ? address?.port : ''}`
    const job = await client.finish((await client.submit(`${base}/talk.wav`)).id)
    expect(job.result?.duration).toBeCloseTo(3.04, 2)
    const large = await client.finish((await client.submit(`${base}/large`)).id)
    expect(large.error?.code).toBe('fetch.too_large')
    await remove(job, large)
    await expect.poll(() => s3.contents).toEqual(before)
    files.close()
  })

  test('in the synchronous API, by URL and by the recording itself', async () => {
    const before = s3.contents
    const url = await client.upload(CLIP)
    const path = MODEL.replace('/async', '')
    type Answer = { readonly response: JobBody['result'] }
    const byUrl = await client.json<Answer>(200, path, { method: 'POST', ...jsonBody({ URL: url }) })
    const init = { method: 'POST', body: await readFile(CLIP), headers: { 'content-type': 'audio/wav' } }
    const byBytes = await client.json<Answer>(200, path, init)
    expect(byBytes).toEqual(byUrl)
    await expect.poll(() => s3.contents).toEqual(before)
  })
})

describe('a submit of a URL', () => {
  test('of another key: 403', async () => {
    const url = await client.upload(CLIP)
    expect(await errorOf(submit(url, other), 403)).toMatch(/another API key/)
    expect(await errorOf(submit(url.replace(/-[\da-f]{8}(?=[\da-f]{24}\.wav)/, '-00000000')), 403)).toMatch(
      /another API key/,
    )
    await remove(await client.finish((await client.submit(url)).id))
  })

  test('of something else in the bucket, or elsewhere: 400', async () => {
    const job = await client.finish((await client.submit(await client.upload(CLIP))).id)
    const url = await client.uploadUrl('wav')
    for (const foreign of [
      `${s3.url}/${BUCKET}/sotto/results/${job.id}/1.json`,
      `${url}&partNumber=1`,
      url.replace(`/${BUCKET}/`, '/another-bucket/'),
      url.replace('/sotto/', '/other/'),
      url.replace(s3.url, 'https://s3.internal'),
      `${server.url}/v1/input/uploads/${job.id}.wav`,
    ]) {
      expect(await errorOf(submit(foreign), 400)).toMatch(/not an upload URL/)
    }
    await remove(job)
  })

  test('that nothing, or nothing but an empty body, was sent to: 409', async () => {
    const url = await client.uploadUrl('wav')
    expect(await errorOf(submit(url), 409)).toMatch(/Nothing has been uploaded/)
    await put(url, '')
    expect(await errorOf(submit(url), 409)).toMatch(/Nothing has been uploaded/)
    await put(url, await readFile(CLIP))
    await remove(await client.finish((await client.submit(url)).id))
  })

  test('that more was sent to than is allowed: 413', async () => {
    const url = await client.uploadUrl('wav')
    await put(url, await padded(MAX_BYTES + 1))
    expect(await errorOf(submit(url), 413)).toMatch(/SOTTO_MAX_UPLOAD_BYTES/)
    await put(url, await padded(MAX_BYTES))
    await remove(await client.finish((await client.submit(url)).id))
  })
})

describe('an S3 that goes away', () => {
  test('is 503 for submits and polls, until it is back', async () => {
    const url = await client.upload(CLIP)
    const { id } = await client.submit(url)
    // A result that was read once would be remembered.
    const isDone = async (): Promise<boolean> => {
      const { requests } = await client.json<{ requests: readonly JobBody[] }>(200, '/v1/async/requests?status=success')
      return requests.some((job) => job.id === id)
    }
    await expect.poll(isDone).toBe(true)
    await s3.pause()
    const poll = client.fetch(`/v1/async/requests/${id}`)
    expect((await poll).headers.get('retry-after')).toBe('5')
    expect(await errorOf(poll, 503)).toMatch(/S3 does not answer/)
    expect(await errorOf(submit(url), 503)).toMatch(/S3 does not answer/)
    const parts = client.fetch('/v1/input/upload-url?extension=wav&parts=2', { method: 'POST' })
    expect(await errorOf(parts, 503)).toMatch(/S3 does not answer/)
    const ready = await fetch(`${server.url}/readyz`)
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { checks: { database: 'ok', payloads: 'does not answer' } },
    ])
    await s3.resume()
    const done = await client.poll(id)
    expect(done.result?.language).toBe('en')
    const again = await client.finish((await client.submit(url)).id)
    expect(again.status).toBe('success')
    await remove(done, again)
    await expect.poll(() => objectsOf(url, done, again)).toEqual([])
  })

  test('while a job runs costs no try of it', async () => {
    const url = await client.upload(CLIP)
    // The length is known by then, so that the next one to read the recording is the worker.
    const before = await client.finish((await client.submit(url)).id)
    const reached = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    s3.intercept = async ({ method }) => {
      if (method !== 'GET') return
      reached.resolve()
      await gone.promise
    }
    const { id } = await client.submit(url)
    await reached.promise
    await s3.pause()
    gone.resolve()
    s3.intercept = undefined
    await expect.poll(() => server.output).toContain('the job waits for the payload store')
    expect((await client.poll(id)).status).toBe('processing')
    await s3.resume()
    const job = await client.finish(id)
    expect(job.status).toBe('success')
    expect(s3.contents).toContain(`sotto/results/${id}/1.json`)
    await remove(before, job)
  })

  test('a recording that is replaced after its submit fails the job, and is not taken for the one before', async () => {
    const url = await client.upload(CLIP)
    const before = await client.finish((await client.submit(url)).id)
    const reached = Promise.withResolvers<void>()
    const replaced = Promise.withResolvers<void>()
    s3.intercept = async ({ method }) => {
      if (method !== 'GET') return
      reached.resolve()
      await replaced.promise
    }
    const { id } = await client.submit(url)
    await reached.promise
    await put(url, await padded(200_000))
    replaced.resolve()
    s3.intercept = undefined
    const job = await client.finish(id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'payload.replaced' } })
    const again = await client.json<{ response: { id: string } }>(202, `/v1/async/requests/${id}/retry`, {
      method: 'POST',
    })
    const renewed = await client.finish(again.response.id)
    expect(renewed.status).toBe('success')
    await remove(before, job, renewed)
  })

  test('before the server starts is no reason not to', async () => {
    await using absent = await S3.start()
    await absent.pause()
    await using folder = await temporaryFolder()
    await using late = await start(absent, folder.path)
    expect(late.output).toContain('the payload store does not work yet')
    await absent.resume()
    const transcript = await new Client(late.url, late.newKey ?? '').transcribe(CLIP)
    expect(transcript.status).toBe('success')
  })

  test('leaves no secret or signature in the log', () => {
    const signature = /X-Amz-Signature|Signature=|AWS4-HMAC|S3RVER/
    expect(server.output).toContain('does not answer')
    expect(server.output).not.toMatch(signature)
  })
})

test.skipIf(!hasRequests())(
  'the example client runs unchanged (skipped without python3 and its package requests)',
  async () => {
    const env = { PATH: process.env['PATH'], HOME: dataDir, SOTTO_API_KEY: server.newKey }
    const args = [join(PROJECT, 'examples/async_whisper.py'), CLIP, '--base', server.url, '--language', 'en']
    const { stdout } = await promisify(execFile)('python3', args, { env })
    expect(stdout.trim()).not.toBe('')
  },
)

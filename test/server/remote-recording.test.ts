import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'

const CLIP = fixture('en-short.wav')
const MODEL = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const parts = new AsyncDisposableStack()
let dataDir: string
let server: Server
let client: Client
let other: Client
let base: string
let requests: string[]
let answer: Answer

const clip = readFileSync(CLIP)
const sendClip: Answer = (_request, response) =>
  void response.writeHead(200, { 'content-type': 'audio/wav', 'content-length': clip.length }).end(clip)

beforeAll(async () => {
  const files = createServer((request, response) => {
    requests.push(request.url ?? '')
    answer(request, response)
  })
  files.listen(0, '127.0.0.1')
  await once(files, 'listening')
  parts.defer(() => {
    files.closeAllConnections()
    files.close()
  })
  const address = files.address()
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  ;({ path: dataDir } = parts.use(await temporaryFolder()))
  server = parts.use(
    await Server.start({ dataDir, environment: { SOTTO_FETCH_ALLOW: '127.0.0.0/8', SOTTO_LEASE: '4' } }),
  )
  client = new Client(server.url, server.newKey ?? '')
  const made = await sotto(['keys', 'create', 'other', '--data-dir', dataDir], { cwd: dataDir })
  other = new Client(server.url, /\S{20,}/.exec(made.stdout)?.[0] ?? '')
})
afterAll(() => parts.disposeAsync())
beforeEach(() => {
  requests = []
  answer = sendClip
})

async function refusalOf(url: string): Promise<string> {
  const init = { method: 'POST', ...jsonBody({ URL: url, input: {} }) }
  return (await client.json<{ message: string }>(400, MODEL, init)).message
}

describe('a recording at somebody else’s URL', () => {
  test('is fetched once, told of, and transcribed as if it had been uploaded', async () => {
    const uploaded = await client.transcribe(CLIP)
    const url = `${base}/talks/en.wav?signature=very-secret`
    const accepted = await client.submit(url)
    expect(accepted.status).toBe('accepted')
    const job = await client.finish(accepted.id)
    expect(job.result).toEqual(uploaded.result)
    expect(requests).toEqual(['/talks/en.wav?signature=very-secret'])
    const history = await sotto(['jobs', 'history', job.id, '--data-dir', dataDir], { cwd: dataDir })
    expect(history.stdout).toMatch(new RegExp(`fetch[^\\n]*${clip.length}`))
    const shown = [JSON.stringify(job), JSON.stringify(accepted), history.stdout, server.output].join('\n')
    expect(shown).not.toContain('very-secret')
    await client.json(200, '/v1/async/requests')
    expect((await other.fetch(`/v1/async/requests/${job.id}`)).status).toBe(404)
    expect((await client.fetch(`/v1/async/requests/${job.id}`, { method: 'DELETE' })).status).toBe(204)
  })

  test('goes with its job', async () => {
    const recordings = (): Promise<readonly string[]> =>
      readdir(join(dataDir, 'payloads/objects/uploads')).catch(() => [])
    const before = await recordings()
    const job = await client.finish((await client.submit(`${base}/a.wav`)).id)
    // What earlier jobs left may go at the same time.
    const own = (await recordings()).filter((file) => !before.includes(file))
    expect(own).toHaveLength(1)
    await client.fetch(`/v1/async/requests/${job.id}`, { method: 'DELETE' })
    await expect.poll(recordings).not.toContain(own[0])
  })

  test('is taken by the synchronous API too', async () => {
    const init = { method: 'POST', ...jsonBody({ URL: `${base}/a.wav` }) }
    const { response } = await client.json<{ response: JobBody['result'] }>(200, MODEL.replace('/async', ''), init)
    expect(response?.duration).toBeCloseTo(3, 0)
  })

  test('that is not there is a failed job, which can be submitted again when it is', async () => {
    answer = (_request, response) => response.writeHead(404).end()
    const failed = await client.finish((await client.submit(`${base}/late.wav?signature=very-secret`)).id)
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'fetch.not_found' } })
    answer = sendClip
    type Again = { readonly response: JobBody }
    const again = await client.json<Again>(202, `/v1/async/requests/${failed.id}/retry`, { method: 'POST' })
    expect((await client.finish(again.response.id)).status).toBe('success')
    expect(requests).toEqual(['/late.wav?signature=very-secret', '/late.wav?signature=very-secret'])
    expect([JSON.stringify([failed, again]), server.output].join('')).not.toContain('very-secret')
  })

  test('whose server breaks off each time is tried again, and then a failed job whose URL is in no log', async () => {
    answer = (_request, response) => void response.writeHead(200).write('R', () => response.destroy())
    const job = await client.finish((await client.submit(`${base}/gone.wav?signature=very-secret`)).id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'fetch.interrupted' } })
    expect(requests.length).toBeGreaterThanOrEqual(3)
    expect([JSON.stringify(job), server.output].join('')).not.toContain('very-secret')
  })

  test('that is a page is no recording', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in</p>')
    const job = await client.finish((await client.submit(`${base}/page`)).id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'audio.not_media' } })
  })

  test('that redirects into a private net is a failed job', async () => {
    answer = (_request, response) => response.writeHead(302, { location: 'http://10.0.0.1/' }).end()
    const job = await client.finish((await client.submit(`${base}/a.wav`)).id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'fetch.refused' } })
  })

  test('that does not come is cancelled at once, and keeps no other job waiting', async () => {
    answer = (_request, response) => void response.writeHead(200).write('R')
    const accepted = await Promise.all(Array.from({ length: 3 }, () => client.submit(`${base}/stalled.wav`)))
    await expect.poll(() => requests.length).toBe(3)
    expect((await client.transcribe(CLIP)).status).toBe('success')
    for (const { id } of accepted) await client.json(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })
    for (const { id } of accepted) expect((await client.finish(id)).status).toBe('cancelled')
  })
})

describe('a submit of a URL', () => {
  test.each([
    ...[
      'http://10.0.0.1/a.wav',
      'http://169.254.169.254/latest/meta-data',
      'http://[::1]/a.wav',
      'http://localhost/a.wav',
    ],
    ...['http://2886729729/', 'http://[::ffff:192.168.0.1]/', 'http://[fd00::1]/', 'http://vault.internal/'],
  ])('that leads into a private network is refused: %s', async (url) => {
    expect(await refusalOf(url)).toMatch(/can’t be fetched\. .*SOTTO_FETCH_ALLOW/)
  })

  test.each([
    'file:///etc/passwd',
    'data:audio/wav;base64,AAAA',
    'x',
    'http://me:secret@example.com/',
    'http://example.com:6379/',
  ])('that is none to be fetched is refused: %s', async (url) => {
    const message = await refusalOf(url)
    expect(message).toMatch(/not an upload URL/)
    expect(message).not.toContain('secret')
  })

  test('of this server that is no upload URL is refused', async () => {
    expect(await refusalOf(`${server.url}/healthz`)).toMatch(/POST \/v1\/input\/upload-url/)
  })

  test('with another URL is another request to the same Idempotency-Key', async () => {
    const submit = async (url: string): Promise<Response> =>
      await client.fetch(MODEL, {
        method: 'POST',
        ...jsonBody({ URL: url, input: {} }),
        headers: { 'content-type': 'application/json', 'idempotency-key': 'one' },
      })
    const first = await submit(`${base}/a.wav`)
    expect(first.status).toBe(202)
    expect((await submit(`${base}/a.wav`)).headers.get('idempotent-replayed')).toBe('true')
    expect((await submit(`${base}/b.wav`)).status).toBe(422)
  })
})

test('a server that is killed while it fetches fetches again when it is back', async () => {
  await using folder = await temporaryFolder()
  const environment = { SOTTO_FETCH_ALLOW: '127.0.0.0/8' }
  answer = (_request, response) => void response.writeHead(200).write('R')
  let key = ''
  let id = ''
  {
    await using first = await Server.start({ dataDir: folder.path, environment })
    key = first.newKey ?? ''
    ;({ id } = await new Client(first.url, key).submit(`${base}/a.wav`))
    await expect.poll(() => requests.length).toBe(1)
    await first.end('SIGKILL')
  }
  answer = sendClip
  await using second = await Server.start({ dataDir: folder.path, environment })
  expect((await new Client(second.url, key).finish(id)).status).toBe('success')
})

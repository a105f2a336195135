import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBreakingProxy } from '../support/breaking-proxy.ts'
import type { Break } from '../support/breaking-proxy.ts'
import { Client, jsonBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, temporaryFolder } from '../support/server.ts'
import { PATCH, TUS, patch, progressOf, raw, rawRequest, tusUpload } from '../support/tus.ts'

const CLIP = fixture('en-short.wav')
const MAX_BYTES = 2_000_000
const environment = { SOTTO_API_KEY: 'a-key-that-every-start-is-given', SOTTO_MAX_UPLOAD_BYTES: String(MAX_BYTES) }

let stack: AsyncDisposableStack
let server: Server
let client: Client
let dataDir: string
let bytes: Buffer<ArrayBuffer>

async function start(folder: string, extra: Readonly<Record<string, string>> = {}) {
  const started = await Server.start({ dataDir: folder, environment: { ...environment, ...extra } })
  return { server: started, client: new Client(started.url, environment.SOTTO_API_KEY) }
}

/** The same URL by another way to the server. */
const by = (url: string, base: string): string => new URL(url.slice(new URL(url).origin.length), base).href

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  dataDir = stack.use(await temporaryFolder()).path
  ;({ server, client } = await start(dataDir))
  stack.use(server)
  bytes = await readFile(CLIP)
})

afterAll(() => stack.disposeAsync())

async function errorOf(answer: Promise<Response>, status: number): Promise<string> {
  const response = await answer
  const body = (await response.json()) as { readonly code: number; readonly message: string }
  expect({ status: response.status, ...body }).toEqual({ status, code: status, message: expect.any(String) })
  return body.message
}

const submit = (url: string): Promise<Response> =>
  client.fetch('/v1/async/ent/tiyarofs/1/sotto/whisper-demo', { method: 'POST', ...jsonBody({ URL: url, input: {} }) })

/** What lies in the payload folder of one upload. */
async function filesOf(url: string): Promise<readonly string[]> {
  const folder = join(dataDir, 'payloads')
  const file = /uploads\/([^?]+)/.exec(url)?.[1]
  const names = await readdir(folder, { recursive: true })
  return names.filter((name) => name.endsWith(`/${file}`)).sort()
}

async function bytesOf(url: string): Promise<number> {
  const [file] = await filesOf(url)
  return file === undefined ? 0 : (await stat(join(dataDir, 'payloads', file))).size
}

/** A PATCH that has sent these bytes, whose connection stays open; it is not told when the server has them. */
function stallingPatch(url: string, offset: number, part: Buffer, length: number) {
  const headers = {
    ...PATCH,
    'upload-offset': String(offset),
    'upload-length': String(length),
    'content-length': length - offset,
    connection: 'keep-alive',
  }
  const stalling = rawRequest(url, 'PATCH', headers)
  stalling.sent.write(part)
  return stalling
}

describe('a recording over a connection that breaks at 90 %', () => {
  test.each<Break>(['closed', 'silent'])(
    '%s: goes on from there, and gives the text of an undisturbed one',
    async (how) => {
      const { result } = await client.transcribe(CLIP)
      const url = await client.uploadUrl('wav')
      await using proxy = await startBreakingProxy(server.url, bytes.length * 0.9, how)
      // The test is quicker than a phone that finds another network: what is under way to the server gets there first.
      const isThere = async (): Promise<boolean> => !proxy.hasBroken() || (await bytesOf(url)) > bytes.length * 0.85
      const offsets = await tusUpload(by(url, proxy.url), bytes, {
        onBeforeRequest: () => expect.poll(isThere, { interval: 5 }).toBe(true),
      })
      expect(proxy.hasBroken()).toBe(true)
      expect(offsets).toEqual([0, expect.toSatisfy((offset: number) => offset > bytes.length * 0.85)])
      expect((await filesOf(url)).map((name) => name.split('/')[0])).toEqual(['objects'])
      const { id } = await client.submit(url)
      expect((await client.finish(id)).result).toEqual(result)
    },
  )

  test('by a client that does not know of deferred lengths, with the length in the URL', async () => {
    const url = `${await client.uploadUrl('wav')}&length=${bytes.length}`
    await using proxy = await startBreakingProxy(server.url, bytes.length * 0.9, 'closed')
    await tusUpload(by(url, proxy.url), bytes, { uploadLengthDeferred: false })
    expect(proxy.hasBroken()).toBe(true)
    const { id } = await client.submit(url)
    expect((await client.finish(id)).status).toBe('success')
  })

  test('in chunks, by POST where PATCH is not to be had', async () => {
    const url = await client.uploadUrl('wav')
    await tusUpload(url, bytes, { chunkSize: 20_000, overridePatchMethod: true })
    expect(await progressOf(url)).toBe(`${bytes.length}/${bytes.length}`)
  })
})

test('kill -9 of the server amid a PATCH: the next one goes on where it was', async () => {
  await using folder = await temporaryFolder()
  const first = await start(folder.path)
  const url = await first.client.uploadUrl('wav')
  const part = bytes.subarray(0, 60_000)
  const { answer } = stallingPatch(url, 0, part, bytes.length)
  await expect.poll(() => progressOf(url), { interval: 5 }).toBe(`60000/${bytes.length}`)
  await first.server.end('SIGKILL')
  await expect(answer).rejects.toThrow(/socket|ECONNRESET/)

  const second = await start(folder.path)
  await using _ = second.server
  const [offset] = await tusUpload(by(url, second.server.url), bytes)
  expect(offset).toBe(60_000)
  const { id } = await second.client.submit(url)
  expect((await second.client.finish(id)).result?.text).toBe((await second.client.transcribe(CLIP)).result?.text)
})

describe('the protocol', () => {
  test('OPTIONS says what there is, without a signature', async () => {
    const url = new URL(await client.uploadUrl('wav'))
    url.search = ''
    const { status, headers } = await fetch(url, { method: 'OPTIONS' })
    expect([status, Object.fromEntries(headers)]).toEqual([
      204,
      expect.objectContaining({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-extension': 'creation-defer-length,expiration,termination',
        'tus-max-size': String(MAX_BYTES),
      }),
    ])
  })

  test('HEAD, PATCH, PATCH', async () => {
    const url = await client.uploadUrl('wav')
    const expires = new Date(Number(new URL(url).searchParams.get('expires')) * 1000).toUTCString()
    const head = await fetch(url, { method: 'HEAD', headers: TUS })
    const common = { 'tus-resumable': '1.0.0', 'cache-control': 'no-store' }
    expect(Object.fromEntries(head.headers)).toMatchObject({
      ...common,
      'upload-offset': '0',
      'upload-defer-length': '1',
      'upload-expires': expires,
    })
    const first = await patch(url, 0, 'hello', 11)
    expect([first.status, await first.text()]).toEqual([204, ''])
    expect(Object.fromEntries(first.headers)).toMatchObject({
      ...common,
      'upload-offset': '5',
      'upload-expires': expires,
    })
    expect(await progressOf(url)).toBe('5/11')
    const last = await patch(url, 5, ' world', 11)
    expect([last.status, last.headers.get('upload-offset'), last.headers.get('upload-expires')]).toEqual([
      204,
      '11',
      null,
    ])
    expect(await readFile(join(dataDir, 'payloads', (await filesOf(url))[0] ?? ''), 'utf8')).toBe('hello world')
    expect(await progressOf(url)).toBe('11/11')
  })

  test('DELETE removes what is there; the URL may be used again', async () => {
    const url = await client.uploadUrl('wav')
    for (const length of [11, 5]) {
      await patch(url, 0, 'hello', length)
      expect((await fetch(url, { method: 'DELETE', headers: TUS })).status).toBe(204)
      expect(await filesOf(url)).toEqual([])
      expect(await progressOf(url)).toBe('0/unknown')
    }
  })
})

describe('a PATCH is refused', () => {
  let url: string

  beforeAll(async () => {
    url = await client.uploadUrl('wav')
    await patch(url, 0, 'hello', 11)
  })

  test.each<[string, Readonly<Record<string, string | readonly string[]>>, number, RegExp]>([
    ['without a version', { 'tus-resumable': '' }, 412, /Tus-Resumable: 1\.0\.0/],
    ['with another version', { 'tus-resumable': '0.2.2' }, 412, /Tus-Resumable: 1\.0\.0/],
    ['with two versions', { 'tus-resumable': ['1.0.0', '0.2.2'] }, 412, /Tus-Resumable: 1\.0\.0/],
    ['with another Content-Type', { 'content-type': 'audio/wav' }, 415, /application\/offset\+octet-stream/],
    ['with a Content-Type that is none', { 'content-type': 'nonsense' }, 415, /application\/offset\+octet-stream/],
    ['without an offset', { 'upload-offset': [] }, 400, /Upload-Offset/],
    ['at an offset before', { 'upload-offset': '4' }, 409, /goes on at offset 5, not at 4/],
    ['at an offset behind', { 'upload-offset': '6' }, 409, /goes on at offset 5, not at 6/],
    ['at a negative offset', { 'upload-offset': '-1' }, 400, /Upload-Offset takes one whole number/],
    ['at an offset in another notation', { 'upload-offset': '0x5' }, 400, /Upload-Offset takes one whole number/],
    ['at an offset beyond all numbers', { 'upload-offset': '9007199254740993' }, 400, /one whole number/],
    ['at two offsets', { 'upload-offset': ['5', '0'] }, 400, /Upload-Offset takes one whole number/],
    ['with another length', { 'upload-length': '12' }, 400, /said to have 11 bytes/],
    ['with a length that is none', { 'upload-length': 'many' }, 400, /Upload-Length takes one whole number/],
    ['with no length at all', { 'upload-length': '0' }, 400, /no content/],
    ['with more bytes than are missing', { 'content-length': '7' }, 413, /more than the 11 bytes/],
  ])('%s: %#', async (_, headers, status, message) => {
    const answer = await raw(url, 'PATCH', { ...PATCH, 'upload-offset': '5', ...headers }, ' world!'.slice(0, 7))
    expect({ status: answer.status, ...JSON.parse(answer.body) }).toEqual({
      status,
      code: status,
      message: expect.stringMatching(message),
    })
    expect(answer.headers['tus-resumable']).toBe('1.0.0')
    expect(answer.headers['tus-version']).toBe(status === 412 ? '1.0.0' : undefined)
    expect(await progressOf(url)).toBe('5/11')
  })

  test('with a larger upload than allowed, said or not, and nothing of it stays', async () => {
    const fresh = await client.uploadUrl('wav')
    const large = Buffer.alloc(MAX_BYTES + 1)
    await errorOf(patch(fresh, 0, 'x', MAX_BYTES + 1), 413)
    await errorOf(patch(fresh, 0, large), 413)
    const chunked = new ReadableStream({
      start(controller) {
        for (let at = 0; at < large.length; at += 100_000) controller.enqueue(large.subarray(at, at + 100_000))
        controller.close()
      },
    })
    const init = {
      method: 'PATCH',
      headers: { ...PATCH, 'upload-offset': '0' },
      body: chunked,
      duplex: 'half',
    } as const
    await errorOf(fetch(fresh, init), 413)
    expect(await progressOf(fresh)).toBe('0/unknown')
  })

  test('with lengths in header and URL that differ, or one in the URL that is none', async () => {
    const fresh = await client.uploadUrl('wav')
    expect(await errorOf(patch(`${fresh}&length=12`, 0, 'hello', 11), 400)).toMatch(/11 bytes, length in the URL 12/)
    expect(await errorOf(patch(`${fresh}&length=1e3`, 0, 'hello'), 400)).toMatch(/length in the URL takes/)
    expect(await filesOf(fresh)).toEqual([])
  })

  test('like any other method, by a URL that was tampered with: 403', async () => {
    for (const tampered of [url.replace(/expires=\d/, 'expires=9'), url.split('?')[0] ?? '']) {
      expect((await fetch(tampered, { method: 'HEAD', headers: TUS })).status).toBe(403)
      expect(await errorOf(fetch(tampered, { method: 'DELETE', headers: TUS }), 403)).toMatch(/signature/)
      expect(await errorOf(fetch(tampered, { method: 'POST', headers: TUS }), 403)).toMatch(/signature/)
      expect(await errorOf(patch(tampered, 5, ' world'), 403)).toMatch(/signature/)
    }
    expect(await progressOf(url)).toBe('5/11')
  })
})

test('a URL that has expired: 403', async () => {
  await using folder = await temporaryFolder()
  const brief = await start(folder.path, { SOTTO_UPLOAD_URL_TTL: '1' })
  await using _ = brief.server
  const url = await brief.client.uploadUrl('wav')
  const status = async (): Promise<number> => (await fetch(url, { method: 'HEAD', headers: TUS })).status
  await expect.poll(status).toBe(403)
  expect(await errorOf(patch(url, 0, 'hello', 5), 403)).toMatch(/expired/)
})

describe('beside other requests', () => {
  test('a submit of an incomplete upload: 409 that says how much is there', async () => {
    const url = await client.uploadUrl('wav')
    await patch(url, 0, 'hello')
    expect(await errorOf(submit(url), 409)).toMatch(/has 5 bytes, and was never said to be complete/)
    await patch(url, 5, '', 11)
    expect(await errorOf(submit(url), 409)).toMatch(/5 of 11 bytes/)
  })

  test('a submitted upload is not changed: 409; HEAD says that it is complete', async () => {
    const url = await client.uploadUrl('wav')
    await tusUpload(url, bytes)
    const { id } = await client.submit(url)
    expect(await errorOf(patch(url, 0, 'hello', 5), 409)).toMatch(/submitted already/)
    expect(await errorOf(fetch(url, { method: 'DELETE', headers: TUS }), 409)).toMatch(/submitted already/)
    expect(await progressOf(url)).toBe(`${bytes.length}/${bytes.length}`)
    expect((await client.finish(id)).status).toBe('success')
  })

  test('a PUT replaces what is incomplete; a PATCH of what was PUT: 409', async () => {
    const url = await client.uploadUrl('wav')
    await patch(url, 0, 'hello', 11)
    expect((await fetch(url, { method: 'PUT', body: 'whole' })).status).toBe(200)
    expect((await filesOf(url)).map((name) => name.split('/')[0])).toEqual(['objects'])
    expect(await progressOf(url)).toBe('5/5')
    expect(await errorOf(patch(url, 5, 'more', 9), 409)).toMatch(/all its 5 bytes already/)
  })

  test('a PATCH takes over from one whose connection stalls, which is told so', async () => {
    const url = await client.uploadUrl('wav')
    const { answer } = stallingPatch(url, 0, bytes.subarray(0, 60_000), bytes.length)
    await expect.poll(() => progressOf(url), { interval: 5 }).toBe(`60000/${bytes.length}`)
    expect(await errorOf(patch(url, 0, bytes, bytes.length), 409)).toMatch(/goes on at offset 60000/)
    expect((await patch(url, 60_000, bytes.subarray(60_000))).status).toBe(204)
    expect(await answer).toMatchObject({ status: 423, headers: { connection: 'close' } })
    const { id } = await client.submit(url)
    expect((await client.finish(id)).status).toBe('success')
  })

  test('of several clients that upload the same all come to the end', async () => {
    const url = await client.uploadUrl('wav')
    await Promise.all([1, 2, 3].map(() => tusUpload(url, bytes, { retryDelays: Array(50).fill(10) })))
    expect(await readFile(join(dataDir, 'payloads', (await filesOf(url))[0] ?? ''))).toEqual(bytes)
  })
})

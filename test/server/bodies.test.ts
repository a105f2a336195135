import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bodyOf, startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'

type Body = NonNullable<RequestInit['body']>

const MAX_BYTES = 1_000_000
const RECORDING = randomBytes(300_000)
const SYNC = '/v1/ent/tiyarofs/1/sotto/whisper-demo'
const BOUNDARY = 'a-boundary'
/** More than a recording takes in base64, and nothing of it is stored. */
const MUCH_SPACE = gzipSync(
  Buffer.concat([Buffer.from('{"Bytes":"AAAA'), Buffer.alloc(90 * 2 ** 20, ' '), Buffer.from('"}')]),
)

let running: RunningApi
let upload: string

beforeAll(async () => {
  running = await startApi({ environment: { SOTTO_MAX_UPLOAD_BYTES: String(MAX_BYTES), SOTTO_SYNC_TIMEOUT: '1' } })
  upload = await running.client.uploadUrl('wav')
})

afterAll(() => running[Symbol.asyncDispose]())

const keyOf = (url: string): string => `uploads/${new URL(url).pathname.split('/').at(-1)}`
const stored = async (url = upload): Promise<Buffer> => await buffer(await running.backend.payloads.read(keyOf(url)))
const put = (body: Body, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(upload, { method: 'PUT', body, headers })
const formOf = (...recordings: readonly Buffer[]): FormData => {
  const form = new FormData()
  form.append('note', 'a field')
  for (const bytes of recordings) form.append('file', new Blob([new Uint8Array(bytes)]), 'short.wav')
  return form
}

/** Before the file, as whoever wants them to be kept until it comes would have it. */
const formWithFields = (fields: number, bytes: number): FormData => {
  const form = new FormData()
  for (let at = 0; at < fields; at++) form.append(`field ${at}`, 'a'.repeat(bytes))
  form.append('file', new Blob([new Uint8Array(RECORDING)]), 'short.wav')
  return form
}

async function refusal(answer: Promise<Response>): Promise<readonly [status: number, message: string]> {
  const response = await answer
  const { code, message } = (await response.json()) as { code: number; message: string }
  expect(code).toBe(response.status)
  return [code, message]
}

/** All files that lie about, of uploads or of what was begun. */
async function files(dataDir = running.dataDir): Promise<readonly string[]> {
  const folders = ['payloads/objects/uploads', 'payloads/tmp'].map((folder) => join(dataDir, folder))
  return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat()
}

describe('PUT takes', () => {
  test('the file of a form, as curl -F and browsers send it', async () => {
    const answer = await put(formOf(RECORDING))
    expect([answer.status, await answer.json()]).toEqual([200, { bytes: RECORDING.length }])
    expect(await stored()).toEqual(RECORDING)
  })

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const)('a body with Content-Encoding: %s', async (encoding, encode) => {
    const bytes = randomBytes(200_000)
    const answer = await put(new Uint8Array(encode(bytes)), { 'content-encoding': encoding })
    expect([answer.status, await answer.json()]).toEqual([200, { bytes: bytes.length }])
    expect(await stored()).toEqual(bytes)
  })

  test('the bytes themselves, where the Content-Type of a form names no boundary', async () => {
    expect((await put(new Uint8Array(RECORDING), { 'content-type': 'multipart/form-data' })).status).toBe(200)
    expect(await stored()).toEqual(RECORDING)
  })
})

describe('PUT refuses, and what was there stays', () => {
  beforeAll(async () => {
    await put(new Uint8Array(RECORDING))
  })

  const formText = (end: string): string =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nhello${end}`
  const asForm = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

  test.each<readonly [string, () => Promise<Response>, number, RegExp]>([
    ['a part of it', () => put('x', { 'content-range': 'bytes 100-100/101' }), 400, /Content-Range/],
    ['an empty body', () => put(''), 400, /no content/],
    [
      'an empty chunked body',
      () => fetch(upload, { method: 'PUT', body: new Blob([]).stream(), duplex: 'half' }),
      400,
      /no content/,
    ],
    [
      'an empty body in gzip',
      () => put(new Uint8Array(gzipSync('')), { 'content-encoding': 'gzip' }),
      400,
      /no content/,
    ],
    ['an empty file of a form', () => put(formOf(Buffer.alloc(0))), 400, /no content/],
    ['a form with two files', () => put(formOf(RECORDING, RECORDING)), 400, /second file/],
    ['a form without a file', () => put(formOf()), 400, /no file/],
    ['what is no form', () => put(new Uint8Array(RECORDING), asForm), 400, /multipart\/form-data/],
    [
      'a form whose boundary stands within something else',
      () => put(new Uint8Array(RECORDING), { 'content-type': 'multipart/form-data; x="boundary=a' }),
      400,
      /names no boundary/,
    ],
    ['a form that breaks off', () => put(formText(''), asForm), 400, /breaks off/],
    [
      'a form that breaks off behind its file',
      () => put(formText(`\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhe`), asForm),
      400,
      /breaks off/,
    ],
    ['what is no gzip', () => put('hello', { 'content-encoding': 'gzip' }), 400, /Content-Encoding/],
    [
      'gzip that breaks off',
      () => put(new Uint8Array(gzipSync(RECORDING).subarray(0, 1000)), { 'content-encoding': 'gzip' }),
      400,
      /Content-Encoding/,
    ],
    [
      'another encoding',
      () => put(new Uint8Array(zstdCompressSync('x')), { 'content-encoding': 'zstd' }),
      415,
      /Content-Encoding: zstd/,
    ],
    [
      'what is too large when it is decoded',
      () => put(new Uint8Array(gzipSync(Buffer.alloc(100 * MAX_BYTES))), { 'content-encoding': 'gzip' }),
      413,
      /1000000/,
    ],
    ['a form whose file is too large', () => put(formOf(Buffer.alloc(MAX_BYTES + 1))), 413, /1000000/],
  ])('%s', async (_, send, status, message) => {
    const before = await files()
    expect(await refusal(send())).toEqual([status, expect.stringMatching(message)])
    expect(await stored()).toEqual(RECORDING)
    expect(await files()).toEqual(before)
  })

  test('a broken chunk', async () => {
    const before = await files()
    const { pathname, search } = new URL(upload)
    const answer = await running.send(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`,
    ).ended
    expect(bodyOf(answer)).toEqual({ code: 400, message: 'The request is not valid HTTP.' })
    // It is answered before what it had begun is removed.
    await expect.poll(files).toEqual(before)
    expect(await stored()).toEqual(RECORDING)
  })

  test('a form whose file is whole, and whose sender leaves before its end', async () => {
    const before = await files()
    const { pathname, search } = new URL(upload)
    const type = `multipart/form-data; boundary=${BOUNDARY}`
    const { socket } = running.send(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n` +
        formText(`\r\n--${BOUNDARY}\r\n`),
    )
    await expect.poll(async () => (await files()).length).toBe(before.length + 1)
    for (let turn = 0; turn < 50; turn++) await setImmediate()
    socket.destroy()
    await expect.poll(files).toEqual(before)
    expect(await stored()).toEqual(RECORDING)
  })

  test('a form is whole when it ends as it should', async () => {
    expect((await put(formText(`\r\n--${BOUNDARY}--\r\n`), asForm)).status).toBe(200)
    expect((await stored()).toString()).toBe('hello')
  })
})

describe('the synchronous API refuses, and nothing of it stays,', () => {
  const post = (body: Body, headers: Record<string, string> = {}): Promise<Response> =>
    running.client.fetch(SYNC, { method: 'POST', body, headers })
  const json = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    post(body, { 'content-type': 'application/json', ...headers })
  const Bytes = RECORDING.toString('base64')
  const formWith = (name: string, value: string): FormData => {
    const form = formOf(RECORDING)
    form.delete('note')
    form.append(name, value)
    return form
  }

  test.each<readonly [string, () => Promise<Response>, number, RegExp]>([
    ['no body', () => running.client.fetch(SYNC, { method: 'POST' }), 400, /no content/],
    ['a letter that is no base64, behind many that are', () => json(`{"Bytes":"${Bytes}!"}`), 400, /not base64/],
    ['a field that it does not know, behind Bytes', () => json(`{"Bytes":"${Bytes}","vad":1}`), 400, /Bytes/],
    ['a wrong input behind Bytes', () => json(`{"Bytes":"${Bytes}","input":{"vad":true}}`), 400, /input\.vad/],
    ['a wrong input before Bytes', () => json(`{"input":{"vad":true},"Bytes":"${Bytes}"}`), 400, /input\.vad/],
    ['nesting behind Bytes', () => json(`{"Bytes":"${Bytes}","input":${'['.repeat(100)}}`), 400, /nested/],
    ['JSON that breaks off within Bytes', () => json(`{"Bytes":"${Bytes}`), 400, /JSON/],
    ['both', () => json(`{"URL":"x","Bytes":"${Bytes}"}`), 400, /either/],
    ['too much beside Bytes', () => json(`{"Bytes":"${Bytes}","URL":"${'x'.repeat(2 ** 20)}"}`), 413, /beside Bytes/],
    ['too many Bytes', () => post(new Uint8Array(64 * 2 ** 20 + 1)), 413, /Async API/],
    [
      'too many Bytes, once decoded',
      () => post(new Uint8Array(gzipSync(Buffer.alloc(64 * 2 ** 20 + 1))), { 'content-encoding': 'gzip' }),
      413,
      /Async API/,
    ],
    [
      'white space without end between the letters',
      () => post(new Uint8Array(MUCH_SPACE), { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
      413,
      /Async API/,
    ],
    ['what is no gzip', () => json('{}', { 'content-encoding': 'gzip' }), 400, /Content-Encoding/],
    ['a form with much beside its file', () => post(formWithFields(4, 300_000)), 413, /beside its file/],
    [
      'much that stands before a form',
      () => post('x'.repeat(1_200_000), { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }),
      413,
      /beside its file/,
    ],
    ['a form with a wrong input', () => post(formWith('input', '{"vad":true}')), 400, /input\.vad/],
    ['a form with an input that is no JSON', () => post(formWith('input', '{')), 400, /JSON/],
    ['a form with another field', () => post(formWith('model', 'x')), 400, /"model"/],
  ])('%s', async (_, send, status, message) => {
    const before = await files()
    expect(await refusal(send())).toEqual([status, expect.stringMatching(message)])
    await expect.poll(files).toEqual(before)
    expect((await running.backend.jobs.list(null, { limit: 10 })).jobs).toEqual([])
  })

  const garbage = (): Promise<unknown[]> => running.backend.database.queries.selectFrom('garbage').selectAll().execute()

  test('what no worker gets to, and leaves no job', async () => {
    expect(await refusal(post(new Uint8Array(RECORDING)))).toEqual([503, expect.stringMatching(/too busy/)])
    await expect.poll(() => garbage()).not.toEqual([])
  })

  test('more than all such requests together may bring: 503; there is room again when they are answered', async () => {
    await using own = await startApi({ limits: { syncBytesInFlight: 1200 } })
    const head = (bytes: number): string =>
      `POST ${SYNC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.key}\r\nContent-Length: ${bytes}\r\n\r\n`
    const held = own.send(head(900) + 'x'.repeat(800))
    const other = async (): Promise<string> => (await own.send(head(500) + 'x'.repeat(300)).ended).slice(0, 12)
    // Before the first has been read, the other one would be waited for.
    await expect.poll(() => files(own.dataDir)).toHaveLength(1)
    const before = await files(own.dataDir)
    expect(await other()).toBe('HTTP/1.1 503')
    held.socket.destroy()
    await expect.poll(() => files(own.dataDir)).not.toEqual(before)
    const more = own.send(head(900) + 'x'.repeat(800))
    await expect.poll(() => files(own.dataDir)).toHaveLength(1)
    expect(more.received).toBe('')
  })

  test("fields of forms count as other requests' JSON does, but for a few bytes", async () => {
    await using own = await startApi({ limits: { jsonBytesInFlight: 1000 } })
    const send = (fields: number, bytes: number): Promise<Response> =>
      own.client.fetch(SYNC, { method: 'POST', body: formWithFields(fields, bytes) })
    expect(await refusal(send(2, 100_000))).toEqual([503, expect.stringMatching(/in hand/)])
    const url = await own.client.uploadUrl('wav')
    const uploaded = fetch(url, { method: 'PUT', body: formWithFields(2, 100_000) })
    expect(await refusal(uploaded)).toEqual([503, expect.stringMatching(/in hand/)])
    expect(await refusal(send(1, 100))).toEqual([400, expect.stringMatching(/"field 0"/)])
  })

  test('a client that left before its job was submitted gets none', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    const cancelled: string[] = []
    await using own = await startApi({
      parts: ({ payloads, jobs }) => ({
        payloads: replaced(payloads, 'write', async (write, ...given) => {
          const written = await write(...given)
          ask()
          await held
          return written
        }),
        jobs: replaced(jobs, 'cancel', async (cancel, id) => {
          cancelled.push(id)
          return await cancel(id)
        }),
      }),
    })
    const connection = own.send(
      `POST ${SYNC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${own.key}\r\nContent-Length: 5\r\n\r\nhello`,
    )
    await asked
    const left = new Promise<void>((resolve) => {
      own.api.server.getConnections((_error, count) => (count === 0 ? resolve() : undefined))
    })
    connection.socket.destroy()
    await Promise.race([left, untilNoConnection(own)])
    go()
    await expect.poll(() => cancelled.length).toBe(1)
    await expect.poll(() => own.backend.jobs.find(cancelled[0] ?? '')).toBeUndefined()
  })
})

async function untilNoConnection({ api }: RunningApi): Promise<void> {
  const count = async (): Promise<number> =>
    await new Promise((resolve) => api.server.getConnections((_error, connections) => resolve(connections)))
  await expect.poll(count).toBe(0)
}

/** An object with one of its methods in other hands. */
function replaced<Whole extends object, Name extends keyof Whole>(
  whole: Whole,
  name: Name,
  use: Whole[Name] extends (...given: infer Given) => infer Result
    ? (method: (...given: Given) => Result, ...given: Given) => Result
    : never,
): Whole {
  return new Proxy(whole, {
    get: (target, asked) => {
      const value: unknown = Reflect.get(target, asked)
      if (typeof value !== 'function') return value
      const method = (value as (...given: unknown[]) => unknown).bind(target)
      return asked === name
        ? (...given: unknown[]) => (use as (...all: unknown[]) => unknown)(method, ...given)
        : method
    },
  })
}

test('a synchronous body that does not arrive in time is ended by 408, however steadily it comes; nothing stays', async () => {
  await using hurried = await startApi({ limits: { syncMs: 200, lingerMs: 50 } })
  for (const headers of ['Content-Type: audio/wav', 'Content-Type: audio/wav\r\nContent-Encoding: gzip']) {
    const connection = hurried.send(
      `POST ${SYNC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${hurried.key}\r\n${headers}\r\nContent-Length: 1000\r\n\r\n`,
    )
    const answer = await connection.ended
    expect(answer).toMatch(/^HTTP\/1\.1 408/)
    expect(bodyOf(answer)).toEqual({ code: 408, message: expect.stringMatching(/within 0.2 s/) })
  }
  await expect.poll(() => files(hurried.dataDir)).toEqual([])
})

describe('a body that brings next to nothing is ended by 408, and its connection closed:', () => {
  let impatient: RunningApi
  beforeAll(async () => {
    impatient = await startApi({ limits: { paceMs: 200, paceBytes: 100_000, lingerMs: 50 } })
  })
  afterAll(() => impatient[Symbol.asyncDispose]())

  const target = async (): Promise<URL> => new URL(await impatient.client.uploadUrl('wav'))
  test('a PUT, and nothing stays', async () => {
    const { pathname, search } = await target()
    const connection = impatient.send(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello`,
    )
    const answer = await connection.ended
    expect(answer).toMatch(/^HTTP\/1\.1 408/)
    expect(bodyOf(answer)).toEqual({ code: 408, message: expect.stringMatching(/too slow/) })
    await expect.poll(() => files(impatient.dataDir)).toEqual([])
  })

  test('a PUT in gzip and one of a form', async () => {
    for (const [header, body] of [
      ['Content-Encoding: gzip', gzipSync(RECORDING).subarray(0, 40).toString('latin1')],
      [`Content-Type: multipart/form-data; boundary=${BOUNDARY}`, ''],
      [
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}`,
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nhello`,
      ],
    ]) {
      const { pathname, search } = await target()
      const connection = impatient.send(
        `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\n${header}\r\nContent-Length: 1000\r\n\r\n`,
      )
      connection.socket.write(body ?? '', 'latin1')
      expect(await connection.ended).toMatch(/^HTTP\/1\.1 408/)
    }
  })

  test('a PATCH, and what came of it stays', async () => {
    const url = await target()
    const connection = impatient.send(
      `PATCH ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nUpload-Length: 100\r\n` +
        'Content-Type: application/offset+octet-stream\r\nContent-Length: 100\r\n\r\nhello',
    )
    expect(await connection.ended).toMatch(/^HTTP\/1\.1 408/)
    const head = await fetch(url, { method: 'HEAD', headers: { 'tus-resumable': '1.0.0' } })
    expect(head.headers.get('upload-offset')).toBe('5')
  })

  test('a synchronous request, of JSON or not', async () => {
    for (const [type, body] of [
      ['application/json', '{"Bytes":"AAAA'],
      ['application/json', '{"URL":"'],
      ['audio/wav', 'hello'],
    ]) {
      const connection = impatient.send(
        `POST ${SYNC} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${impatient.key}\r\nContent-Type: ${type}\r\n` +
          `Content-Length: 1000\r\n\r\n${body}`,
      )
      expect(await connection.ended).toMatch(/^HTTP\/1\.1 408/)
    }
    await expect.poll(() => files(impatient.dataDir)).toEqual([])
  })
})

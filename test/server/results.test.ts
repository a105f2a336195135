import { gunzipSync, brotliDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { Transcript } from '../../src/contract/transcript.ts'
import { EVERY_TIER } from '../../src/jobs/new-job.fixture.ts'
import { resultKeyOf } from '../../src/jobs/result-key.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { documentedCommands, runDocumentedCommands } from '../support/documented-commands.ts'
import { succeed, waitingJob } from '../support/finished-jobs.ts'

const word = (text: string, start: number, end: number) => ({ word: ` ${text}`, start, end, probability: 0.9 })

/** Its only segment ends behind the recording, and its tokens are many. */
const HELLO: Transcript = {
  ...{ text: ' Hello there, dear world.', language: 'en', duration: 2.4 },
  segments: [
    {
      ...{ id: 0, seek: 0, start: 0, end: 30, text: ' Hello there, dear world.', tokens: [50364, 2425], quality: [] },
      words: [word('Hello', 0, 0.5), word('there,', 0.5, 1), word('dear', 1, 1.5), word('world.', 1.5, 2.5)],
    },
  ],
}
const PLAIN: Transcript = {
  text: ' Grüße',
  language: 'de',
  duration: 1,
  segments: [{ id: 0, start: 0, end: 1, text: ' Grüße' }],
}
/** As long as an hour's. */
const LONG: Transcript = {
  ...{ text: ' a', language: 'en', duration: 1440 },
  segments: Array.from({ length: 1440 }, (_, id) => ({
    ...{ id, start: id, end: id + 1, text: ` line ${id} of many`, tokens: [id, id + 1, id + 2] },
  })),
}

let stack: AsyncDisposableStack
let api: RunningApi
let other: Client
const ids: Record<'hello' | 'plain' | 'long', string> = { hello: '', plain: '', long: '' }

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  api = stack.use(await startApi({ environment: { SOTTO_CORS_ORIGINS: 'https://app.example' } }))
  const { secret } = await new ApiKeys(api.backend.database).create('other')
  other = new Client(api.url, secret)
  for (const [name, transcript] of [
    ['hello', HELLO],
    ['plain', PLAIN],
    ['long', LONG],
  ] as const) {
    ids[name] = await waitingJob(api)
    await succeed(api, transcript)
  }
})

afterAll(() => stack.disposeAsync())

const get = (job: keyof typeof ids, rest: string, headers: Record<string, string> = {}): Promise<Response> =>
  api.client.fetch(`/v1/async/requests/${ids[job]}/${rest}`, { headers })

async function refused(response: Promise<Response>, status: number): Promise<string> {
  const answer = await response
  const body = (await answer.json()) as { code: number; message: string }
  expect({ status: answer.status, code: body.code }).toEqual({ status, code: status })
  return body.message
}

describe('a result', () => {
  test.each([
    ['srt', 'application/x-subrip', '1\n00:00:00,000 --> 00:00:02,400\nHello there, dear world.\n\n'],
    ['vtt', 'text/vtt', 'WEBVTT\n\n00:00.000 --> 00:02.400\nHello there, dear world.\n\n'],
    ['tsv', 'text/tab-separated-values', 'start\tend\ttext\n0\t30000\tHello there, dear world.\n'],
    ['txt', 'text/plain', 'Hello there, dear world.\n'],
    ['json', 'application/json', JSON.stringify(HELLO)],
  ])('is had as %s, by extension and by Accept', async (format, type, content) => {
    const byExtension = await get('hello', `result.${format}`)
    expect(byExtension.status).toBe(200)
    expect(await byExtension.text()).toBe(content)
    expect(byExtension.headers.get('content-type')).toBe(`${type}; charset=utf-8`)
    expect(byExtension.headers.get('content-disposition')).toBe(`attachment; filename=${ids.hello}.${format}`)
    const byAccept = await get('hello', 'result', { accept: `${type};q=0.9, image/png` })
    expect(await byAccept.text()).toBe(content)
    expect(byAccept.headers.get('vary')).toBe('Origin, Accept, Accept-Encoding')
    expect(await (await get('hello', `result?format=${format}`, { accept: 'text/html' })).text()).toBe(content)
  })

  test.each([
    ['*/*', 'application/json'],
    ['application/json, text/plain, */*', 'application/json'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'application/json'],
    ['application/json;q=0.1, text/vtt', 'text/vtt'],
    ['text/srt', 'application/x-subrip'],
    ['text/*', 'text/plain'],
  ])('that Accept: %s asks for is %s', async (accept, type) => {
    expect((await get('hello', 'result', { accept })).headers.get('content-type')).toBe(`${type}; charset=utf-8`)
  })

  test('that Accept excludes in every format is 406, and a format that there is not 404 or 400', async () => {
    expect(await refused(get('hello', 'result', { accept: 'image/png' }), 406)).toContain('application/x-subrip')
    expect(await refused(get('hello', 'result.docx'), 404)).toContain('json, txt, srt, vtt, tsv')
    expect(await refused(get('hello', 'result?format=docx'), 400)).toContain('json, txt, srt, vtt, tsv')
  })

  test('has its cues cut as the query says', async () => {
    const cut = await get('hello', 'result.srt?max_line_width=12&max_line_count=1')
    expect(await cut.text()).toBe(
      '1\n00:00:00,000 --> 00:00:01,000\nHello there,\n\n2\n00:00:01,000 --> 00:00:02,400\ndear world.\n\n',
    )
    const words = await (await get('hello', 'result.vtt?max_words_per_line=1&max_line_width=0')).text()
    expect(words.split('\n\n')).toHaveLength(6)
    expect(await (await get('hello', 'result.vtt?highlight_words=True')).text()).toContain('<u>Hello</u> there,')
  })

  test.each([
    ['max_line_width=wide', 'max_line_width takes an integer from 0 to 10000; got "wide"'],
    ['max_line_count=-1', 'max_line_count takes an integer'],
    ['max_words_per_line=1e3', 'max_words_per_line takes an integer'],
    ['highlight_words=yes', 'highlight_words takes true or false; got "yes"'],
    ['max_line_width=1&max_line_width=2', 'max_line_width in the query must be string'],
    ['fields=nonsense', 'fields takes fields of segments'],
    ['fields=text,-tokens', 'all or none of them with a minus'],
    ['fields=', 'fields takes'],
  ])('asked for with %s: 400', async (query, message) => {
    expect(await refused(get('hello', `result.srt?${query}`), 400)).toContain(message)
  })

  test('without words can’t be cut between them: 400 that says what to submit', async () => {
    for (const option of ['max_line_width=42', 'max_line_count=2', 'max_words_per_line=7', 'highlight_words=true']) {
      const message = await refused(get('plain', `result.vtt?${option}`), 400)
      expect(message).toContain(`${option.split('=')[0]} needs the times of words`)
      expect(message).toContain('"word_timestamps": true')
    }
    expect((await get('plain', 'result.srt?max_line_width=0&highlight_words=false')).status).toBe(200)
    // As in the reference, formats without cues take no notice.
    expect(await (await get('plain', 'result.txt?max_line_width=42')).text()).toBe('Grüße\n')
  })

  test('in JSON is without the fields that the query leaves out, in a poll as well', async () => {
    const segment = async (path: string): Promise<string[]> => {
      const body = (await (await get('hello', path)).json()) as Transcript
      return Object.keys(body.segments[0] ?? {})
    }
    expect(await segment('result.json?fields=-tokens,-words')).toEqual([
      'id',
      'seek',
      'start',
      'end',
      'text',
      'quality',
    ])
    expect(await segment('result?fields=text,start')).toEqual(['start', 'text'])
    const path = `/v1/async/requests/${ids.hello}?fields=-tokens,-words,-quality`
    const { result, status } = await api.client.json<{ result: Transcript; status: string }>(200, path)
    expect({ result, status }).toEqual({
      status: 'success',
      result: { ...HELLO, segments: [{ id: 0, seek: 0, start: 0, end: 30, text: ' Hello there, dear world.' }] },
    })
    expect(await refused(api.client.fetch(`/v1/async/requests/${ids.hello}?fields=x`), 400)).toContain('fields takes')
  })
})

test('the commands of the documentation keep a file, and print what they say', async () => {
  const page = 'docs/api.md'
  const block = (await documentedCommands(page)).findIndex((commands) => commands.includes('/result.srt'))
  const variables = { SOTTO: api.url, KEY: api.key, ID: ids.hello }
  const [ran] = await runDocumentedCommands({ page, variables, blocks: [block] })
  expect(ran?.output).toContain(
    'WEBVTT\n\n00:00.000 --> 00:02.400\nHello there, dear world.\n\nHello there, dear world.\n',
  )
})

describe('a client that has a result', () => {
  test('is told that it is the same, until it asks for something else', async () => {
    const first = await get('hello', 'result.srt')
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^W\/"[\w-]{22}"$/)
    expect(first.headers.get('cache-control')).toBe('private, no-cache')
    for (const given of [etag, etag.slice(2), `"x", ${etag}`, '*']) {
      const again = await get('hello', 'result.srt', { 'if-none-match': given })
      expect({ status: again.status, body: await again.text() }).toEqual({ status: 304, body: '' })
      expect(again.headers.get('etag')).toBe(etag)
    }
    const others = ['result.vtt', 'result.srt?highlight_words=true', 'result.json', 'result.json?fields=text']
    const tags = await Promise.all(others.map(async (path) => (await get('hello', path)).headers.get('etag')))
    expect(new Set([etag, ...tags]).size).toBe(5)
    expect((await get('hello', 'result.vtt', { 'if-none-match': etag })).status).toBe(200)
    expect((await get('plain', 'result.srt', { 'if-none-match': etag })).status).toBe(200)
    // 0 is the same as nothing.
    expect((await get('hello', 'result.srt?max_line_width=0', { 'if-none-match': etag })).status).toBe(304)
  })

  test('learns all that by HEAD too', async () => {
    const [head, full] = await Promise.all([
      api.client.fetch(`/v1/async/requests/${ids.hello}/result.srt`, { method: 'HEAD' }),
      get('hello', 'result.srt'),
    ])
    for (const name of ['content-type', 'etag', 'content-disposition', 'content-length'])
      expect(head.headers.get(name)).toBe(full.headers.get(name))
  })

  test('and is a page, may read the name and the ETag', async () => {
    const { headers } = await get('hello', 'result.srt', { origin: 'https://app.example' })
    expect(headers.get('access-control-expose-headers')).toMatch(/ETag, Content-Disposition/)
  })
})

describe('who may have a result', () => {
  test('is whoever may poll: by the poll URL’s signature, behind its path', async () => {
    const { id, urls } = await api.client.submit(await api.client.upload(fixture('en-short.wav')))
    const below = (rest: string): URL => {
      const url = new URL(urls.GET)
      url.pathname += rest
      return url
    }
    const early = (await (await fetch(below('/result.srt'))).json()) as { code: number; message: string }
    expect(early).toEqual({ code: 409, message: expect.stringContaining('The job is pending: it has no result yet') })
    await succeed(api, HELLO)
    expect(await (await fetch(below('/result.txt'))).text()).toBe('Hello there, dear world.\n')
    expect(await (await fetch(below('/result'), { headers: { accept: 'text/vtt' } })).text()).toMatch(/^WEBVTT/)
    for (const path of [`${id}/result.txt/x`, `${ids.hello}/result.txt`, `${id.slice(0, -1)}/result.txt`]) {
      const url = below('')
      url.pathname = `/v1/async/requests/${path}`
      expect([403, 404]).toContain((await fetch(url)).status)
    }
    // A signature for reading is none for changing.
    expect((await fetch(below('/cancel'), { method: 'POST' })).status).toBe(401)
  })

  test('is nobody else', async () => {
    const path = `/v1/async/requests/${ids.hello}/result.srt`
    expect((await fetch(new URL(path, api.url))).status).toBe(401)
    await refused(other.fetch(path), 404)
    await refused(other.fetch(`/v1/async/requests/${ids.hello}/result`), 404)
    await refused(api.client.fetch('/v1/async/requests/x/result.srt'), 404)
  })
})

describe('a job without a result', () => {
  test('says in which state it is: 409, or as the poll once it is gone', async () => {
    const id = await waitingJob(api)
    const result = (): Promise<Response> => api.client.fetch(`/v1/async/requests/${id}/result.srt`)
    expect(await refused(result(), 409)).toBe('The job is pending: it has no result yet. Poll it until it is success.')
    const [claimed] = await api.backend.jobs.claim(EVERY_TIER)
    expect(await refused(result(), 409)).toContain('The job is processing')
    await api.backend.jobs.fail(claimed!.lease, { code: 'audio.not_media', message: 'no recording' })
    expect(await refused(result(), 409)).toContain('The job is failed (audio.not_media)')
    expect((await api.client.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })).status).toBe(204)
    await refused(result(), 404)
  })

  test('since what was stored is lost: 410', async () => {
    const id = await waitingJob(api)
    await succeed(api, PLAIN)
    await api.backend.payloads.remove(resultKeyOf(id, 1))
    expect(await refused(api.client.fetch(`/v1/async/requests/${id}/result.srt`), 410)).toContain('not there')
  })
})

describe('what is large', () => {
  /** As it is sent. */
  const raw = async (path: string, encoding: string): Promise<{ headers: Headers; bytes: Buffer }> => {
    const { port, host } = new URL(api.url)
    const request =
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${api.client.authorization.authorization}\r\n` +
      `Accept-Encoding: ${encoding}\r\nConnection: close\r\n\r\n`
    expect(Number(port)).toBe(api.port)
    using connection = api.send(request)
    const answer = Buffer.from(await connection.ended, 'latin1')
    const end = answer.indexOf('\r\n\r\n')
    const lines = answer.subarray(0, end).toString().split('\r\n').slice(1)
    const headers = new Headers(lines.map((line) => line.split(': ', 2) as [string, string]))
    return { headers, bytes: answer.subarray(end + 4) }
  }

  test.each([
    ['gzip, deflate, br', 'gzip', gunzipSync],
    ['br;q=1, gzip;q=0.5', 'br', brotliDecompressSync],
    ['*', 'gzip', gunzipSync],
  ] as const)('is compressed for a client that takes %s', async (accepted, encoding, decompress) => {
    const paths = ['', '/result', '/result.srt', '/result.json?fields=-tokens'].map(
      (rest) => `/v1/async/requests/${ids.long}${rest}`,
    )
    for (const path of paths) {
      const plain = await raw(path, 'identity')
      expect(plain.headers.get('content-encoding')).toBeNull()
      expect(plain.headers.get('vary')).toContain('Accept-Encoding')
      // Twice: the second time it is remembered.
      for (let time = 0; time < 2; time += 1) {
        const { headers, bytes } = await raw(path, accepted)
        expect(headers.get('content-encoding')).toBe(encoding)
        expect(Number(headers.get('content-length'))).toBe(bytes.length)
        expect(bytes.length).toBeLessThan(plain.bytes.length / 2)
        expect(decompress(bytes).equals(plain.bytes)).toBe(true)
        expect(headers.get('etag')).toBe(plain.headers.get('etag'))
      }
    }
  })

  test.each(['identity', 'gzip;q=0', 'deflate', ''])('is left as it is for one that takes %j', async (accepted) => {
    const { headers, bytes } = await raw(`/v1/async/requests/${ids.long}/result.json`, accepted)
    expect(headers.get('content-encoding')).toBeNull()
    expect(bytes.toString()).toBe(JSON.stringify(LONG))
  })

  test('and what is small, is not compressed', async () => {
    const { headers } = await raw(`/v1/async/requests/${ids.hello}/result.json`, 'gzip, br')
    expect(headers.get('content-encoding')).toBeNull()
  })
})

describe('the synchronous API', () => {
  const post = (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    api.client.fetch(`/v1/ent/tiyarofs/1/sotto/whisper-demo${query}`, {
      method: 'POST',
      body: JSON.stringify({ Bytes: Buffer.from('a recording').toString('base64'), input: { word_timestamps: true } }),
      headers: { 'content-type': 'application/json', ...headers },
    })
  /** Plays the worker. */
  const answered = async (answer: Promise<Response>): Promise<Response> => {
    await expect.poll(async () => (await api.backend.jobs.waiting(EVERY_TIER.asked)).length).toBe(1)
    await succeed(api, HELLO)
    return await answer
  }

  test('answers with JSON in its wrapper whatever Accept says of other things', async () => {
    for (const [query, headers] of [
      ['', {}],
      ['', { accept: 'text/html' }],
      ['?format=json', { accept: 'text/vtt' }],
    ] as const) {
      const answer = await answered(post(query, headers))
      expect(await answer.json()).toEqual({ response: HELLO })
    }
  })

  test('answers in the format that the query or Accept names, with its cues cut', async () => {
    const srt = await answered(post('?format=srt&max_line_width=12&max_line_count=1'))
    expect(srt.headers.get('content-type')).toBe('application/x-subrip; charset=utf-8')
    expect(await srt.text()).toContain('\nHello there,\n\n2\n')
    const vtt = await answered(post('', { accept: 'text/vtt' }))
    expect(vtt.headers.get('vary')).toContain('Accept')
    expect(await vtt.text()).toMatch(/^WEBVTT\n\n00:00\.000 --> 00:02\.400\n/)
  })

  test('refuses what it can’t mean before it takes a place in the queue', async () => {
    const raw = api.client.fetch('/v1/ent/tiyarofs/1/sotto/whisper-demo?format=srt&max_line_width=42', {
      method: 'POST',
      body: 'a recording',
    })
    expect(await refused(raw, 400)).toContain('max_line_width needs the times of words')
    await refused(post('?format=docx'), 400)
    await refused(post('?format=vtt&max_line_count=many'), 400)
    expect(await api.backend.jobs.waiting(EVERY_TIER.asked)).toEqual([])
  })
})

import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { FormData } from 'undici'
import { describe, expect, test } from 'vitest'
import { CodedError } from '../../contract/coded-error.ts'
import { OpenAiServer } from '../../../test/support/openai-server.ts'
import { OpenAiClient } from './client.ts'
import type { OpenAiClientOptions } from './client.ts'

const PATH = '/audio/transcriptions'
const never = new AbortController().signal

/** What a job is ended with: it has a code, as errors of the connection have. */
class Ended extends CodedError<'job.timeout'> {
  override readonly name = 'Ended'
}
const ended = new Ended('job.timeout', 'It took too long.')

function clientOf(origin: string, given: Partial<OpenAiClientOptions> = {}): OpenAiClient {
  return new OpenAiClient({ baseUrl: `${origin}/v1`, apiKey: null, timeoutMs: 60_000, ...given })
}

/** A server that answers as no transcription server should. */
async function serverOf(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function form(): FormData {
  const given = new FormData()
  given.set('file', new Blob(['sound']), 'audio.wav')
  return given
}

describe('an aborted request', () => {
  test('ends with the signal’s reason, though that has a code as errors of the connection have', async () => {
    await using server = await OpenAiServer.start('hang')
    await using client = clientOf(server.origin)
    const abort = new AbortController()
    const asked = client.post(PATH, form(), abort.signal)
    await expect.poll(() => server.requests.length).toBe(1)
    abort.abort(ended)
    await expect(asked).rejects.toBe(ended)
  })

  test('ends with it within its answer too', async () => {
    const answering = Promise.withResolvers<void>()
    await using server = await serverOf((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"text"', () => answering.resolve())
    })
    await using client = clientOf(server.origin)
    const abort = new AbortController()
    const asked = client.post(PATH, form(), abort.signal)
    await answering.promise
    abort.abort(ended)
    await expect(asked).rejects.toBe(ended)
  })

  test('that was aborted before is not sent', async () => {
    await using server = await OpenAiServer.start('hang')
    await using client = clientOf(server.origin)
    await expect(client.post(PATH, form(), AbortSignal.abort(ended))).rejects.toBe(ended)
    await expect(client.check(AbortSignal.abort(ended))).rejects.toBe(ended)
    expect(server.requests).toEqual([])
  })

  test('as a check ends with it', async () => {
    const asked = Promise.withResolvers<void>()
    await using server = await serverOf(() => asked.resolve())
    await using client = clientOf(server.origin)
    const abort = new AbortController()
    const checked = client.check(abort.signal)
    await asked.promise
    abort.abort(ended)
    await expect(checked).rejects.toBe(ended)
  })
})

test('a time limit ends what is in the midst of its answer', async () => {
  await using server = await serverOf((_request, response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{"text"')
  })
  await using client = clientOf(server.origin, { timeoutMs: 200 })
  await expect(client.post(PATH, form(), never)).rejects.toMatchObject({
    code: 'engine.timeout',
    message: 'The transcription server has not answered within 0.2 s.',
    cause: expect.any(Error),
  })
})

test('a client that is disposed of ends what it asked for', async () => {
  await using server = await OpenAiServer.start('hang')
  const client = clientOf(server.origin)
  const asked = client.post(PATH, form(), never).catch((error: unknown) => error)
  await expect.poll(() => server.requests.length).toBe(1)
  await client[Symbol.asyncDispose]()
  expect(await asked).toMatchObject({ code: 'engine.unreachable' })
  await expect.poll(() => server.abandoned).toBe(1)
})

test('what is wrong with the request itself is no error of the server', async () => {
  await using client = clientOf('http://127.0.0.1:1', { baseUrl: 'no URL' })
  const error: unknown = await client.post(PATH, form(), never).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Error)
})

describe('a refusal', () => {
  const refused = async (status: number, body: string | object, headers: Readonly<Record<string, string>> = {}) => {
    await using server = await OpenAiServer.start({ status, headers, body })
    await using client = clientOf(server.origin, { apiKey: 'a-key' })
    return await client.post(PATH, form(), never).catch((error: unknown) => error)
  }

  test.each([
    [undefined, undefined],
    ['0', 0],
    ['7', 7000],
    ['60', 60_000],
    ['61', 60_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['Thu, 01 Jan 2975 00:00:00 GMT', 60_000],
    ['7 seconds', undefined],
    ['soon', undefined],
  ])('with Retry-After %s: %s ms', async (header, retryAfterMs) => {
    const error = await refused(503, {}, header === undefined ? {} : { 'retry-after': header })
    expect(error).toMatchObject({ code: 'engine.unavailable', retryAfterMs })
  })

  test('says as much as fits, and no more than 64 KB of it are read', async () => {
    const said = 'x'.repeat(300)
    expect(await refused(400, { error: said })).toMatchObject({ message: expect.stringMatching(/: x{300}$/) })
    expect(await refused(400, { error: `${said}y` })).toMatchObject({ message: expect.stringMatching(/: x{300}…$/) })
    const long = { error: 'x', padding: 'y'.repeat(64 * 2 ** 10) }
    expect(await refused(400, long)).toMatchObject({ message: 'The transcription server answered 400' })
  })

  test.each([
    [{ error: 'first', message: 'second', detail: 'third' }, ': first'],
    [{ error: { message: 'first' }, message: 'second' }, ': first'],
    [{ message: 'second', detail: 'third' }, ': second'],
    [{ detail: 'third' }, ': third'],
    [{ detail: [{ msg: 'one' }, { msg: 'two' }] }, ': one; two'],
    [{ error: 'a-key, and a-key again\u0000\r\n\tbehind' }, ': …, and … again behind'],
    [{ error: ' ' }, ''],
    [{ error: { reason: 'in no known place' } }, ''],
    [[], ''],
  ])('%j says%s', async (body, said) => {
    expect(await refused(422, body)).toMatchObject({ message: `The transcription server answered 422${said}` })
  })

  test.each([
    [300, 'engine.refused', 'redirects are not followed'],
    [399, 'engine.refused', 'redirects are not followed'],
    [403, 'engine.forbidden', 'SOTTO_ENGINE_API_KEY'],
    [499, 'engine.refused', 'answered 499: it says so'],
    [501, 'engine.failed', 'answered 501: it says so'],
  ])('%d is %s: %s', async (status, code, said) => {
    expect(await refused(status, { error: 'it says so' })).toMatchObject({
      code,
      message: expect.stringContaining(said),
    })
  })
})

test('a server that fails at its list of models is not there, by whatever status above 499', async () => {
  await using server = await OpenAiServer.start('hang')
  await using client = clientOf(server.origin)
  server.modelsStatus = 499
  await client.check(never)
  server.modelsStatus = 503
  await expect(client.check(never)).rejects.toMatchObject({
    code: 'engine.unavailable',
    message: 'The transcription server answers 503.',
  })
})

import { describe, expect, test } from 'vitest'
import { SHORT_TEXT, formOf, post } from './served.ts'
import type { Served } from './served.ts'

/** What is ours of these routes. */
export function describeRoutes(of: () => Served): void {
  const authorised = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${of().url}${path}`, { ...init, headers: { authorization: `Bearer ${of().key}` } })

  describe('the routes', () => {
    test('the job of an answer can be asked for by its id for a while, in all formats, and is in no list', async () => {
      const response = await post(of(), await formOf([['model', 'whisper-1']]))
      const id = response.headers.get('x-sotto-job-id') ?? ''
      await response.arrayBuffer()
      const job = (await (await authorised(`/v1/async/requests/${id}`)).json()) as Record<string, unknown>
      expect(job).toMatchObject({ status: 'success', model: 'sotto/whisper-demo', result: { text: ` ${SHORT_TEXT}` } })
      const { requests } = (await (await authorised('/v1/async/requests')).json()) as { requests: unknown[] }
      expect(requests).toEqual([])
    })

    test('an answer’s type is what OpenAI’s is, whatever its client accepts', async () => {
      for (const format of ['text', 'srt', 'vtt', 'json', 'verbose_json']) {
        const response = await post(
          of(),
          await formOf([
            ['model', 'whisper-1'],
            ['response_format', format],
          ]),
          undefined,
          {
            accept: 'application/json',
          },
        )
        const type = format.endsWith('json') ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8'
        expect([format, response.headers.get('content-type')]).toEqual([format, type])
        await response.arrayBuffer()
      }
    })

    test('a stream ends with all of the text, and says so', async () => {
      const response = await post(
        of(),
        await formOf([
          ['stream', 'true'],
          ['model', 'whisper-1'],
        ]),
      )
      expect(response.headers.get('x-accel-buffering')).toBe('no')
      const blocks = (await response.text()).split('\n\n')
      expect(blocks.slice(-3)).toEqual([
        `data: ${JSON.stringify({ type: 'transcript.text.done', text: SHORT_TEXT })}`,
        'data: [DONE]',
        '',
      ])
    })

    test('the list of models serves OpenAI’s clients and ours', async () => {
      const { object, data } = (await (await authorised('/v1/models')).json()) as {
        object: string
        data: Record<string, unknown>[]
      }
      expect(object).toBe('list')
      const alias = data.find(({ id }) => id === 'whisper-1')
      expect(alias).toMatchObject({
        aliasOf: 'sotto/whisper-demo',
        parameters: expect.any(Array),
        weightsPresent: true,
      })
      expect(data.find(({ id }) => id === 'sotto/whisper-demo')).not.toHaveProperty('aliasOf')
    })

    test('an unknown model is told to OpenAI’s clients and to ours', async () => {
      const response = await authorised('/v1/models/none')
      expect([response.status, response.headers.get('x-should-retry'), await response.json()]).toMatchObject([
        ...[404, 'false'],
        { code: 404, message: expect.stringContaining('none'), error: { code: 'model_not_found', param: 'model' } },
      ])
    })

    test('what is not there is told in the form of who asks', async () => {
      const [theirs, ours] = await Promise.all([
        authorised('/v1/audio/speech', { method: 'POST' }),
        authorised('/v1/nothing'),
      ])
      expect([theirs.status, await theirs.json()]).toMatchObject([
        404,
        { error: { type: 'invalid_request_error', code: null } },
      ])
      expect([ours.status, await ours.json()]).toMatchObject([404, { code: 404 }])
    })
  })
}

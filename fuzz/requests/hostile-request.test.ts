import { expect, test } from 'vitest'
import { randomOfCase } from '../cases.ts'
import { hostileRequest } from './hostile-request.ts'
import type { Known } from './hostile-request.ts'
import type { Operation } from './operations.ts'

const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/async/ent/{vendor}/{version}/{publisher}/{model}',
    parameters: [{ name: 'idempotency-key', in: 'header', schema: { type: 'string' } }],
    body: {
      type: 'object',
      required: ['URL'],
      properties: {
        URL: { type: 'string' },
        input: { type: 'object', properties: { best_of: { type: 'integer', minimum: 1 } } },
      },
    },
  },
  { method: 'get', path: '/v1/async/requests/{id}', parameters: [], body: undefined },
]
const KNOWN: Known = {
  key: 'a-key',
  uploadUrls: ['http://127.0.0.1/v1/input/uploads/x.wav?signature=s'],
  pollUrls: ['http://127.0.0.1/v1/async/requests/1?signature=s'],
  jobIds: ['1'],
  recording: Buffer.from('RIFF'),
  input: {},
}
const request = (seed: number, number: number) =>
  hostileRequest(OPERATIONS, KNOWN, randomOfCase(seed, 'requests', number))

test('a case is the same for the same seed, whatever ran before it', () => {
  for (let number = 0; number < 50; number++) expect(request(7, number)).toEqual(request(7, number))
  const bytes = Array.from({ length: 100 }, (_, number) => request(7, number).bytes.toString('latin1'))
  expect(new Set(bytes).size).toBeGreaterThan(80)
  expect(request(8, 3)).not.toEqual(request(7, 3))
})

test('some requests are valid, some are badly framed, some have no key', () => {
  const all = Array.from({ length: 200 }, (_, number) => request(1, number))
  const texts = all.map(({ bytes }) => bytes.toString('latin1'))
  expect(all.some(({ isWellFramed }) => !isWellFramed)).toBe(true)
  expect(texts.some((text) => !text.includes('authorization: Bearer a-key'))).toBe(true)
  expect(
    texts.some((text) =>
      /^POST .*whisper-demo.* HTTP\/1\.1\r\n[^]*authorization: Bearer a-key\r\n[^]*\r\n\r\n\{"URL":"http/.test(text),
    ),
  ).toBe(true)
})

import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Collector } from '../../test/support/collector.ts'
import { OtlpSender } from './otlp-sender.ts'
import type { OtlpSenderOptions } from './otlp-sender.ts'

const MESSAGE = Buffer.from('spans')

let collector: Collector
beforeAll(async () => {
  collector = await Collector.start()
})
beforeEach(() => {
  collector.refuse = undefined
  collector.refused = 0
  collector.exports.length = 0
})
afterAll(async () => await collector[Symbol.asyncDispose]())

function open(given: Partial<OtlpSenderOptions> = {}): OtlpSender {
  const written = { contentType: 'application/x-protobuf', compression: 'none', certificate: null } as const
  const to = { endpoint: new URL(`${collector.url}/below`), headers: { 'x-key': 'one' }, timeoutMs: 60_000 }
  return new OtlpSender({ ...written, ...to, ...given })
}

test('what a collector has no time for is sent again, and it is known that it failed until it did not', async () => {
  await using sender = open()
  const failing: boolean[] = []
  collector.refuse = (response) => {
    failing.push(sender.isFailing)
    if (collector.refused === 2) collector.refuse = undefined
    response.writeHead(503).end()
  }
  await sender.send('v1/traces', MESSAGE)
  expect(failing).toEqual([false, true])
  expect(sender.isFailing).toBe(false)
  const [sent, ...others] = collector.exports
  expect(others).toEqual([])
  expect(sent).toMatchObject({ path: '/below/v1/traces', body: MESSAGE })
  expect(sent?.headers).toMatchObject({ 'x-key': 'one', 'content-type': 'application/x-protobuf' })
})

test('what a collector refuses is not sent again', async () => {
  await using sender = open()
  collector.refuse = (response) => response.writeHead(401).end()
  await expect(sender.send('v1/traces', MESSAGE)).rejects.toThrow('it answered 401')
  expect(collector.refused).toBe(1)
})

test('what is compressed says so', async () => {
  await using sender = open({ compression: 'gzip' })
  await sender.send('v1/metrics', MESSAGE)
  const [sent] = collector.exports
  expect(sent?.headers['content-encoding']).toBe('gzip')
  expect(gunzipSync(sent?.body ?? '')).toEqual(MESSAGE)
})

test('one that never answers is waited for as long as is allowed, and no longer than the sender is there', async () => {
  collector.refuse = () => undefined
  await using hasty = open({ timeoutMs: 50 })
  await expect(hasty.send('v1/traces', MESSAGE)).rejects.toThrow('timeout')
  const sender = open()
  const outcome = sender.send('v1/traces', MESSAGE).then(
    () => 'sent',
    () => 'broken off',
  )
  await expect.poll(() => collector.refused).toBe(2)
  await sender[Symbol.asyncDispose]()
  expect(await outcome).toBe('broken off')
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Sotto } from '../src/index.ts'
import type { JobEvent } from '../src/index.ts'

type Stream = (request: IncomingMessage, response: ServerResponse) => void

const segment = (id: number) => ({ id, start: id, end: id + 1, text: ` ${id}` })
const said = (id: string, ...ids: readonly number[]): string =>
  `id: ${id}\nevent: segments\ndata: ${JSON.stringify({ segments: ids.map(segment) })}\n\n`
const RUNNING = 'id: 1\nevent: status\ndata: {"id":"job-1","status":"processing"}\n\n'
const DONE = 'id: 9\nevent: status\ndata: {"id":"job-1","status":"success"}\n\n'
const JOB = {
  ...{ id: 'job-1', status: 'success', doneSeconds: 4, audioSeconds: 4 },
  result: { text: ' 0 1 2 3', duration: 4, segments: [0, 1, 2, 3].map(segment) },
}

const sse =
  (text: string, end: 'end' | 'break' = 'end'): Stream =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text, () => (end === 'end' ? response.end() : response.destroy()))
  }
const refusal =
  (status: number): Stream =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"code":1,"message":"no"}')

/** A server whose streams go like this, one after the other, and whose job has finished. */
async function serving(...streams: readonly Stream[]) {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    if (!(request.url ?? '').endsWith('/events')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(JOB))
      return
    }
    asked.push(request.headers['last-event-id']?.toString())
    streams[Math.min(asked.length, streams.length) - 1]?.(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    asked,
    job: new Sotto({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'k' }).job('job-1'),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function idsOf(events: readonly JobEvent[]): readonly number[] {
  return events.flatMap((event) => (event.type === 'segments' ? event.segments.map(({ id }) => id) : []))
}

describe('following a job', () => {
  test('tells each segment once, however often the stream breaks off', async () => {
    await using server = await serving(
      sse(`retry: 10\n\n: hello\n\n${RUNNING}${said('2', 0)}`, 'break'),
      sse(`${said('3', 1)}event: news\ndata: of another kind\n\n`),
      sse(`${said('2', 0)}${said('3', 1)}${said('4', 2)}${DONE}`),
    )
    const events = await Array.fromAsync(server.job)
    expect(idsOf(events)).toEqual([0, 1, 2, 3])
    expect(server.asked).toEqual([undefined, '2', '3'])
    expect(events.at(-1)).toMatchObject({ type: 'status', status: 'success', job: { result: { text: ' 0 1 2 3' } } })
    expect(events.filter(({ type }) => type === 'reconnecting')).toHaveLength(2)
  })

  test('behind its last event asks for the job itself', async () => {
    await using server = await serving((_request, response) => response.writeHead(204).end())
    const events = await Array.fromAsync(server.job.events({ lastEventId: '9' }))
    expect(server.asked).toEqual(['9'])
    expect(events.at(-1)).toMatchObject({ status: 'success', job: { id: 'job-1' } })
  })

  test.each([404, 405, 501])('where a stream is answered with %d, by polls', async (status) => {
    await using server = await serving(refusal(status))
    expect(idsOf(await Array.fromAsync(server.job))).toEqual([0, 1, 2, 3])
    expect(server.asked).toHaveLength(1)
  })

  test('goes on after a server that is busy, and ends with one that refuses', async () => {
    await using server = await serving(refusal(503), refusal(429), refusal(403))
    await expect(Array.fromAsync(server.job)).rejects.toMatchObject({ name: 'Forbidden' })
    expect(server.asked).toHaveLength(3)
  })

  test('ends at once with the signal’s reason, also within a stream', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await using server = await serving((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(RUNNING)
    })
    const following = async (): Promise<void> => {
      for await (const { type } of server.job.events({ signal: controller.signal })) {
        if (type === 'status') controller.abort(reason)
      }
    }
    await expect(following()).rejects.toBe(reason)
  })
})

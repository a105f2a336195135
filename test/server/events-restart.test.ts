import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { passageOf } from '../../src/contract/transcript.ts'
import type { Transcript } from '../../src/contract/transcript.ts'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Cluster } from '../support/cluster.ts'
import { allEvents, eventsIn, openStream, segmentsOf, transitions } from '../support/event-reader.ts'
import type { SentEvent } from '../support/event-reader.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { NEEDS_POSTGRES, hasPostgres } from '../support/postgres.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const KEY = 'a-key-that-every-start-is-given'
/** Few tokens are sampled, so that a minute has many windows. */
const OPTIONS = { input: { language: 'en', sample_len: 24 } }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let recording: string
beforeAll(async () => {
  folder = await temporaryFolder()
  recording = join(folder.path, 'two-minutes.wav')
  await writeJoined(recording, Array<string>(2).fill(fixture('en-one-minute.m4a')))
})
afterAll(() => folder[Symbol.asyncDispose]())

/** Reads until a number of windows were told, or the stream ends or breaks. */
async function readSome(client: Client, id: string, after: string | undefined, windows: number): Promise<SentEvent[]> {
  const headers: Record<string, string> = after === undefined ? {} : { 'last-event-id': after }
  const seen: SentEvent[] = []
  const events = eventsIn(await openStream(client, `/v1/async/requests/${id}/events`, headers))
  for await (const event of events) {
    seen.push(event)
    if (seen.filter(({ name }) => name === 'segments').length === windows) break
  }
  return seen
}

/** By polls that wait, each for as long as it may. */
async function untilFinished(client: Client, id: string): Promise<string> {
  for (;;) {
    const { status } = await client.json<JobBody>(200, `/v1/async/requests/${id}?wait=60`)
    if (status !== 'pending' && status !== 'processing') return status
  }
}

function lastId(events: readonly SentEvent[]): string | undefined {
  return events.findLast(({ id }) => id !== undefined)?.id
}

/** All that a client was sent, over its connections, is what one connection would have been sent, and says what the transcript says. */
async function expectWhole(seen: readonly SentEvent[], client: Client, id: string): Promise<void> {
  const all = await allEvents(client, `/v1/async/requests/${id}/events`)
  expect(transitions(seen)).toEqual(transitions(all))
  const { status, result } = await client.poll(id)
  expect(status).toBe('success')
  expect(segmentsOf(seen)).toEqual(passageOf((result as Transcript).segments, 0).segments)
  expect(segmentsOf(seen).length).toBeGreaterThan(2)
  expect(all.at(-1)).toMatchObject({ name: 'status', data: { status: 'success' } })
}

test('a stream goes on behind kill -9 of the server, without a gap or a repeat', async () => {
  await using data = await temporaryFolder()
  const start = async () => {
    const server = await Server.start({ dataDir: data.path, environment: { SOTTO_API_KEY: KEY } })
    return { server, client: new Client(server.url, KEY) }
  }
  let { server, client } = await start()
  const { id } = await client.submit(await client.upload(recording), OPTIONS)
  const seen = await readSome(client, id, undefined, 2)
  await server.end('SIGKILL')
  ;({ server, client } = await start())
  seen.push(...(await readSome(client, id, lastId(seen), Number.POSITIVE_INFINITY)))
  await using _ = server
  await expectWhole(seen, client, id)
  const again = await client.fetch(`/v1/async/requests/${id}/events`, {
    headers: { 'last-event-id': lastId(seen) ?? '' },
  })
  expect(again.status).toBe(204)
})

describe.skipIf(!hasPostgres)(`two API servers on one PostgreSQL${NEEDS_POSTGRES}`, () => {
  test('tell the same, whichever a client comes back to, and wake whoever waits at either', async () => {
    await using cluster = await Cluster.start()
    const [first, second] = await Promise.all([cluster.process('api'), cluster.process('api')])
    const one = cluster.client(first)
    const two = cluster.client(second)
    const { id } = await one.submit(await one.upload(recording), OPTIONS)
    const ofKey = eventsIn(await openStream(two, '/v1/async/events?segments=true&lastEventId=0'))
    const keySeen = (async () => {
      const seen: SentEvent[] = []
      for await (const event of ofKey) {
        seen.push(event)
        if (event.data['status'] === 'success') break
      }
      return seen
    })()
    const waiting = untilFinished(two, id)
    const early = readSome(one, id, undefined, 2)
    await cluster.process('worker')
    const seen = await early
    await first.end('SIGKILL')
    seen.push(...(await readSome(two, id, lastId(seen), Number.POSITIVE_INFINITY)))
    await expectWhole(seen, two, id)
    expect(transitions(await keySeen)).toEqual(transitions(seen))
    expect(await waiting).toBe('success')
  })
})

import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, temporaryFolder } from '../support/server.ts'

test('a voice note that is submitted behind many long recordings starts before all that wait, and is done before they are', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path, arguments: ['--batch', '2'] })
  const client = new Client(server.url, server.newKey ?? '')
  const long = await client.upload(fixture('en-silence-middle.flac'))
  const note = await client.upload(fixture('en-short.wav'))
  const others: string[] = []
  for (let n = 0; n < 50; n++) others.push((await client.submit(long)).id)
  await client.waitFor(others[0] ?? '', ({ status }) => status !== 'pending')
  const { id } = await client.submit(note)
  const done = await client.finish(id)
  expect(done.status).toBe('success')
  const startedAt = Date.parse(done.startedAt ?? '')
  const starts = (await Promise.all(others.map((other) => client.poll(other)))).map((other) =>
    other.startedAt === null ? Infinity : Date.parse(other.startedAt),
  )
  // One may have been claimed while the note was being accepted.
  const between = starts.filter((start) => start > Date.parse(done.acceptedAt) && start < startedAt)
  expect(between.length).toBeLessThanOrEqual(1)
  expect(starts.filter((start) => start > startedAt).length).toBeGreaterThan(30)
})

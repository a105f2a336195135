import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { streamedFlac, streamedSeconds } from '../support/flac.ts'
import { Server, temporaryFolder } from '../support/server.ts'

async function start(environment: Readonly<Record<string, string>> = {}, seconds = 100) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const server = stack.use(await Server.start({ dataDir: folder.path, environment }))
  const recording = join(folder.path, 'streamed.flac')
  await writeFile(recording, streamedFlac(seconds))
  const client = new Client(server.url, server.newKey ?? '')
  const opened = stack.move()
  return { server, client, recording, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const lengthOf = (job: JobBody): number => (job as JobBody & { readonly audioSeconds: number }).audioSeconds

test('a recording that seemed short runs as an ordinary one, and its length is what it turned out to be', async () => {
  await using place = await start({ SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '90' })
  const { client, server } = place
  const url = await client.upload(place.recording)
  const accepted = await client.submit(url)
  expect(lengthOf(accepted)).toBeLessThan(60)
  const done = await client.finish(accepted.id)
  const seconds = streamedSeconds(100)
  expect(done).toMatchObject({ status: 'success', audioSeconds: seconds, doneSeconds: seconds })
  expect(done.result?.duration).toBe(seconds)
  expect(server.output).toContain('released as ordinary')
  // What it really has counts for its key's day.
  await expect(client.submit(url)).rejects.toThrow(/: 429 .* it has submitted 100 s today/)
})

test('a recording that decodes to more than is allowed fails while it is decoded', async () => {
  await using place = await start({ SOTTO_MAX_AUDIO_SECONDS: '90' })
  const done = await place.client.transcribe(place.recording)
  expect(done).toMatchObject({ status: 'failed', doneSeconds: 0, error: { code: 'audio.too_long' } })
  expect(done.error?.message).toContain('90 s')
  // Another try of it begins with what is known of it by now.
  const path = `/v1/async/requests/${done.id}/retry`
  const { response } = await place.client.json<{ response: JobBody }>(202, path, { method: 'POST' })
  expect(lengthOf(response)).toBeGreaterThan(60)
  expect(await place.client.finish(response.id)).toMatchObject({ status: 'failed', error: { code: 'audio.too_long' } })
})

test('a job that takes longer than the server allows has failed, and is not tried again', async () => {
  await using place = await start({ SOTTO_MAX_JOB_SECONDS: '1' }, 3600)
  const done = await place.client.transcribe(place.recording)
  expect(done).toMatchObject({ status: 'failed', error: { code: 'job.too_slow' } })
  expect(done.error?.message).toContain('the 1 s that this server allows')
})

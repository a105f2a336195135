import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { LAYOUTS, writeRandomModel } from '../support/random-model.ts'
import { Server, temporaryFolder } from '../support/server.ts'

type Body = JobBody & { readonly queue?: { readonly etaSeconds: number | null } }

interface Told {
  readonly atMs: number
  readonly doneSeconds: number
  readonly etaSeconds: number | null
}

test('while a model’s first job runs, a forecast that is there stays, and behind the first windows it is the truth', async () => {
  await using folder = await temporaryFolder()
  const recording = join(folder.path, 'long.wav')
  const clips = ['en-one-minute.m4a', 'es-long.mp3', 'de-long.m4a', 'en-two-voices.mp3'].map(fixture)
  await writeJoined(recording, [...clips, ...clips])
  await using server = await Server.start({ dataDir: folder.path })
  const client = new Client(server.url, server.newKey ?? '')
  const { id } = await client.submit(await client.upload(recording))
  const told: Told[] = []
  const done = await client.waitFor(id, (job: Body) => {
    const { status, doneSeconds, queue } = job
    if (status === 'success') return true
    told.push({ atMs: Date.now(), doneSeconds, etaSeconds: queue?.etaSeconds ?? null })
    return false
  })
  const forecasts = told.map(({ etaSeconds }) => etaSeconds)
  expect(forecasts.slice(forecasts.findIndex((eta) => eta !== null))).not.toContain(null)
  const endMs = Date.parse(done.completedAt ?? '')
  const ratios = told
    .filter(({ atMs, doneSeconds, etaSeconds }) => doneSeconds > 60 && etaSeconds !== null && atMs < endMs - 500)
    .map(({ atMs, etaSeconds }) => (1000 * (etaSeconds ?? Number.NaN)) / (endMs - atMs))
    .sort((one, other) => one - other)
  // What is left scales with the load of the machine as what was measured does, unless that changes: where nothing does, the factor is
  // below 2, and it was 57.
  const median = ratios[Math.floor(ratios.length / 2)]
  expect(median).toBeGreaterThan(1 / 8)
  expect(median).toBeLessThan(8)
})

/** What no window is good enough for: each is decoded five times, in twenty sequences up to the last token that fits. */
const LONG_WINDOWS = {
  ...{ language: 'en', temperature: [0, 0.2, 0.4, 0.6, 0.8], beam_size: 20, best_of: 20, logprob_threshold: 0 },
  ...{ compression_ratio_threshold: 0, no_speech_threshold: null },
}

test('as soon as a model is loaded there is a forecast, long before its first window is done', async () => {
  await using folder = await temporaryFolder()
  const model = 'acme/random-tiny'
  const commit = '0'.repeat(40)
  const cache = join(folder.path, 'hub/models--acme--random-tiny')
  await writeRandomModel(join(cache, 'snapshots', commit), LAYOUTS.tiny, { type: 'F16' })
  await mkdir(join(cache, 'refs'))
  await writeFile(join(cache, 'refs/main'), commit)
  await using server = await Server.start({
    ...{ dataDir: folder.path, arguments: ['--models', model], environment: { HF_HOME: folder.path } },
  })
  const client = new Client(server.url, server.newKey ?? '')
  const upload = await client.upload(fixture('en-one-minute.m4a'))
  const { id } = await client.submit(upload, { model, input: LONG_WINDOWS })
  const { doneSeconds, queue }: Body = await client.waitFor(
    id,
    ({ queue: at }: Body) => typeof at?.etaSeconds === 'number',
  )
  expect(doneSeconds).toBe(0)
  expect(queue?.etaSeconds).toBeGreaterThan(0)
  await client.json(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })
})

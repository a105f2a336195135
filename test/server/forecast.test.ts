import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { Server, temporaryFolder } from '../support/server.ts'

type Body = JobBody & { readonly queue?: { readonly etaSeconds: number | null } }

interface Told {
  readonly atMs: number
  readonly doneSeconds: number
  readonly etaSeconds: number | null
}

test('while a model’s first job runs, nothing is forecast before its first window, and the truth behind it', async () => {
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
  expect(told[0]).toMatchObject({ doneSeconds: 0, etaSeconds: null })
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

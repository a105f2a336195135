import { Client } from '../../test/support/client.ts'
import type { JobBody } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { quantile, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'

const CLIPS = [
  'es-long.mp3',
  'en-silence-middle.flac',
  'de-long.m4a',
  'en-one-minute.m4a',
  'en-two-voices.mp3',
  'es-short.ogg',
]
const JOBS = 60

/** How far the forecasts of polls are off, in per cent of the time that it really took, over a queue of clips of all lengths. */
export async function* forecasts(): AsyncGenerator<ServiceRow> {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const client = new Client(server.url, server.newKey ?? '')
  const urls = await Promise.all(CLIPS.map((clip) => client.upload(fixture(clip))))
  const submitSome = async (count: number): Promise<readonly string[]> => {
    const ids: string[] = []
    for (let n = 0; n < count; n++) ids.push((await client.submit(urls[n % urls.length] ?? '')).id)
    return ids
  }
  // Its speed has to be measured first.
  for (const id of await submitSome(JOBS / 2)) await client.finish(id)
  const errors: number[] = []
  const ids = await submitSome(JOBS)
  const told = await Promise.all(ids.map((id) => forecastOf(client, id)))
  await Promise.all(
    told.map(async ({ id, atMs, etaSeconds }) => {
      if (etaSeconds === null) return
      const { completedAt } = await client.finish(id)
      const took = (Date.parse(completedAt ?? '') - atMs) / 1000
      if (took > 0) errors.push((100 * Math.abs(etaSeconds - took)) / took)
    }),
  )
  const of = { on: `${errors.length} jobs`, ceiling: null, unit: '%' }
  yield row({ ...of, what: 'error of the forecast, median', ours: quantile(errors, 0.5), goal: '< 25' })
  yield row({ ...of, what: 'error of the forecast, 90 %', ours: quantile(errors, 0.9), goal: '' })
}

interface Told {
  readonly id: string
  readonly atMs: number
  readonly etaSeconds: number | null
}

/** The first forecast of a job that waits or runs. */
async function forecastOf(client: Client, id: string): Promise<Told> {
  const job: JobBody & { readonly queue?: { readonly etaSeconds: number | null } } = await client.waitFor(
    id,
    (seen) => 'queue' in seen || seen.status === 'success',
  )
  return { id, atMs: Date.now(), etaSeconds: job.queue?.etaSeconds ?? null }
}

import type { Database } from './database.ts'
import type { Job } from './job.ts'
import { jobOf } from './job-row.ts'
import type { NewJob } from './store.ts'

export async function submit(database: Database, job: NewJob): Promise<Job> {
  const row = await database
    .insertInto('jobs')
    .values({
      id: job.id,
      key_id: job.keyId,
      model: job.model,
      service_tier: job.serviceTier,
      input: JSON.stringify(job.input),
      payload_key: job.payloadKey,
      max_audio_seconds: job.maxAudioSeconds,
      urgent: job.urgent ? 1 : 0,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return jobOf(row)
}

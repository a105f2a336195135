import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { Transcript } from '../../src/contract/transcript.ts'
import { EVERY_TIER, newJob } from '../../src/jobs/new-job.fixture.ts'
import { resultKeyOf } from '../../src/jobs/result-key.ts'
import type { RunningApi } from './api.ts'

/** A job of the API's key that waits; says its id. Nothing runs it. */
export async function waitingJob({ backend, key }: RunningApi): Promise<string> {
  const owner = await new ApiKeys(backend.database).verify(key)
  if (owner === undefined) throw new Error('the API has no key')
  const keyId = owner.id
  const { job } = await backend.jobs.submit(newJob({ keyId, payloadKey: `uploads/${randomUUID()}.wav` }))
  return job.id
}

/** Plays the worker for the only job that waits, whose result is this, whatever its recording says. */
export async function succeed({ backend }: RunningApi, result: Transcript): Promise<string> {
  const [claimed] = await backend.jobs.claim(EVERY_TIER)
  if (claimed === undefined) throw new Error('no job waits')
  const key = resultKeyOf(claimed.job.id, claimed.lease.attempt)
  await backend.payloads.write(key, Readable.from([Buffer.from(JSON.stringify(result))]))
  if (!(await backend.jobs.succeed(claimed.lease, key))) throw new Error('the lease was lost')
  return claimed.job.id
}

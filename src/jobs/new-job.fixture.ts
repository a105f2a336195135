import { randomUUIDv7 } from 'node:crypto'
import { newJobId } from './job-id.ts'
import type { Job } from './job.ts'
import type { ClaimOptions, JobStore, NewJob } from './job-store.ts'

/** Claims one job, of any tier and model. */
export const EVERY_TIER = {
  ...{ asked: ['cpuflex', 'gpuflex'], served: 'cpuflex', leaseMs: 60_000 },
  ...{ places: null, atMost: { ordinary: 1, express: 0 } },
} as const satisfies ClaimOptions

/** A job for tests. */
export function newJob(given: Partial<NewJob> = {}): NewJob {
  return {
    id: newJobId(),
    keyId: 'key-1',
    model: 'sotto/whisper-demo',
    serviceTier: 'cpuflex',
    priority: 'normal',
    input: { language: 'en', temperature: 0, initial_prompt: null },
    payloadKey: `uploads/${randomUUIDv7()}.mp3`,
    audioSeconds: 90,
    maxAudioSeconds: null,
    urgent: false,
    startBy: null,
    timeoutSeconds: null,
    expiresAt: null,
    idempotency: null,
    ...given,
  }
}

export async function submitted(store: JobStore, given: Partial<NewJob> = {}): Promise<Job> {
  return (await store.submit(newJob(given))).job
}

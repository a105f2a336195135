import { randomUUID } from 'node:crypto'
import type { NewJob } from './store.ts'

/** A job for tests. */
export function newJob(given: Partial<NewJob> = {}): NewJob {
  return {
    id: randomUUID(),
    keyId: 'key-1',
    model: 'sotto/whisper-demo',
    serviceTier: 'cpuflex',
    input: { language: 'en', temperature: 0, initial_prompt: null },
    payloadKey: `uploads/${randomUUID()}.mp3`,
    maxAudioSeconds: null,
    urgent: false,
    ...given,
  }
}

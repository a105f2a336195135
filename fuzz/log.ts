import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../test/support/client.ts'
import type { Installation } from './installation.ts'
import { jobsIn } from './jobs.ts'

/** Shorter ones are words that any log may have. */
const TELLING_LETTERS = 20

/** Keys, signatures and transcripts that stand in a log, none of which may. */
export async function secretsInLog({ processes, key, client }: Installation, dataDir?: string): Promise<readonly string[]> {
  const log = processes.map(({ output }) => output).join('')
  const secret = dataDir === undefined ? undefined : await readFile(join(dataDir, 'signing-secret')).catch(() => undefined)
  const wanted: readonly (readonly [string, string])[] = [
    ['the API key', key],
    ...(secret === undefined ? [] : [['the signing secret', secret.toString('base64')] as const]),
    ...(await transcripts(client)).map((text) => ['a transcript', text] as const),
  ]
  const found = wanted.flatMap(([name, text]) => (log.includes(text) ? [`${name} stands in the log`] : []))
  return /[?&](?:signature|X-Amz-Signature)=[\w%-]{20,}/i.test(log) ? [...found, 'a signature stands in the log'] : found
}

async function transcripts(client: Client): Promise<readonly string[]> {
  const jobs = await jobsIn(client, 'success')
  const texts = await Promise.all(jobs.slice(0, 20).map(async ({ id }) => (await client.poll(id)).result?.text ?? ''))
  return texts.filter(({ length }) => length >= TELLING_LETTERS)
}

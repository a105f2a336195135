import { readFile, readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { PROJECT } from '../../test/support/server.ts'
import { choose } from '../../test/support/random.ts'
import { jsonBody } from '../../test/support/client.ts'
import type { Client, JobBody } from '../../test/support/client.ts'
import type { FuzzOptions, PartReport } from '../cases.ts'
import { faultOf } from '../http/judgement.ts'
import type { Installation } from '../installation.ts'
import { faultsOfJob, finished } from '../jobs.ts'
import { Tally } from '../tally.ts'
import { runWatched } from '../watched.ts'
import { hostileMedia } from './hostile-media.ts'
import type { HostileFile } from './hostile-media.ts'
import { mutate } from './mutate.ts'

const FIXTURES = join(PROJECT, 'test/fixtures/audio')
/** Longer than a synchronous request may wait. */
const ANSWER_LIMIT_MS = 180_000
const AT_ONCE = 6
/** Longer recordings take the time of many cases. */
const LARGEST_FIXTURE_BYTES = 100_000

/** Recordings that are damaged or lie, each by the Async API and by the synchronous one. */
export async function fuzzMedia(options: FuzzOptions, installation: Installation): Promise<PartReport> {
  const fixtures = await recordings()
  const ends = new Tally()
  const count = (how: string): void => ends.count(how)
  const run = async (random: () => number): Promise<readonly string[]> => {
    const file = random() < 0.75 ? hostileMedia(random) : mutated(choose(fixtures, random), random)
    const faults = [
      ...(await throughAsync(installation.client, file, count)),
      ...(await throughSync(installation.client, file, count)),
    ]
    return faults.map((fault) => `${file.name}.${file.extension}, ${file.bytes.length} bytes: ${fault}`)
  }
  const figures = (): readonly string[] => [String(ends)]
  return await runWatched(options, { part: 'media', installation, atOnce: AT_ONCE, engines: 1, run, figures })
}

async function recordings(): Promise<readonly HostileFile[]> {
  const names = (await readdir(FIXTURES)).filter((name) => !name.endsWith('.json'))
  const all = await Promise.all(
    names.map(async (name) => ({
      name,
      extension: extname(name).slice(1),
      bytes: await readFile(join(FIXTURES, name)),
    })),
  )
  return all.filter(({ bytes }) => bytes.length <= LARGEST_FIXTURE_BYTES)
}

function mutated(file: HostileFile, random: () => number): HostileFile {
  return { ...file, name: `mutated ${file.name}`, bytes: mutate(random, file.bytes) }
}

async function throughAsync(
  client: Client,
  { extension, bytes }: HostileFile,
  count: (how: string) => void,
): Promise<readonly string[]> {
  const url = await client.uploadUrl(extension)
  const put = await ask(url, { method: 'PUT', body: new Uint8Array(bytes) })
  if (put.status !== 200) return put.faults
  const path = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
  const submitted = await ask(
    new URL(path, client.base),
    authorized(client, { method: 'POST', ...jsonBody({ URL: url, input: {} }) }),
  )
  if (submitted.status !== 202) {
    count(`submit ${submitted.status}`)
    return submitted.faults
  }
  const { id } = (JSON.parse(submitted.body) as { readonly response: JobBody }).response
  const job = await finished(client, id)
  count(job?.error?.code ?? job?.status ?? 'hanging')
  return faultsOfJob(id, job)
}

async function throughSync(
  client: Client,
  { bytes }: HostileFile,
  count: (how: string) => void,
): Promise<readonly string[]> {
  const headers = { 'content-type': 'application/octet-stream' }
  const init = { method: 'POST', body: new Uint8Array(bytes), headers }
  const answer = await ask(new URL('/v1/ent/tiyarofs/1/sotto/whisper-demo', client.base), authorized(client, init))
  count(`synchronous ${answer.status}`)
  return answer.faults
}

/** What is wrong with the answer: see `faultOf`. */
async function ask(
  url: URL | string,
  init: RequestInit,
): Promise<{ readonly status: number; readonly body: string; readonly faults: readonly string[] }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
  const body = Buffer.from(await response.arrayBuffer())
  const { status } = response
  const request = { method: init.method ?? 'GET', target: new URL(url).pathname }
  const fault = faultOf(request, { kind: 'answer', status, headers: new Map(response.headers), body })
  return {
    status,
    body: body.toString(),
    faults: fault === undefined ? [] : [`${request.method} ${request.target}: ${fault}`],
  }
}

function authorized(client: Client, init: RequestInit): RequestInit {
  return { ...init, headers: { ...client.authorization, ...(init.headers as Readonly<Record<string, string>>) } }
}

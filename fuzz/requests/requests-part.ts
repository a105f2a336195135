import { readFile } from 'node:fs/promises'
import { fixture } from '../../test/support/clips.ts'
import type { FuzzOptions, PartReport } from '../cases.ts'
import { exchange } from '../http/exchange.ts'
import { faultOf } from '../http/judgement.ts'
import type { Installation } from '../installation.ts'
import { Tally } from '../tally.ts'
import { runWatched } from '../watched.ts'
import { hostileRequest } from './hostile-request.ts'
import type { Known } from './hostile-request.ts'
import { operationsOf } from './operations.ts'
import type { Operation } from './operations.ts'
import type { Schema } from './schema-values.ts'

/** Longer than a synchronous request may wait. */
const ANSWER_LIMIT_MS = 90_000
/** What a broken request may wait for in vain. */
const BROKEN_LIMIT_MS = 2000
const AT_ONCE = 8
/** DELETEs and submits use up what is known. */
const FRESH_EVERY = 200

/** Requests from the server's own `/openapi.json`, valid and not, on raw sockets. */
export async function fuzzRequests(options: FuzzOptions, installation: Installation): Promise<PartReport> {
  const { server } = installation
  const operations = await operationsOf(server.url)
  const statuses = new Tally()
  let known = await prepare(installation, operations)
  const run = async (random: () => number, number: number): Promise<readonly string[]> => {
    if (number > 0 && number % FRESH_EVERY === 0) known = await prepare(installation, operations)
    const { bytes, method, target, isWellFramed } = hostileRequest(operations, known, random)
    const limits = isWellFramed ? { limitMs: ANSWER_LIMIT_MS } : { limitMs: BROKEN_LIMIT_MS, endsAfter: true }
    const outcome = await exchange(server.url, bytes, limits)
    const status = outcome.kind === 'answer' ? String(outcome.status) : outcome.kind
    statuses.count(status)
    const fault =
      outcome.kind === 'answer'
        ? faultOf({ method, target }, outcome)
        : outcome.kind === 'silent' && isWellFramed
          ? `no answer in ${ANSWER_LIMIT_MS / 1000} s`
          : undefined
    return fault === undefined ? [] : [`${method} ${target.slice(0, 200)}: ${fault}\n    ${describe(bytes)}`]
  }
  const figures = (): readonly string[] => [`answers: ${String(statuses)}`]
  return await runWatched(options, { part: 'requests', installation, atOnce: AT_ONCE, engines: 1, run, figures })
}

/** Uploads and jobs that requests can be about. */
async function prepare({ client, key }: Installation, operations: readonly Operation[]): Promise<Known> {
  const clip = fixture('en-short.wav')
  const uploaded = [await client.upload(clip), await client.upload(clip)]
  const uploadUrls = [...uploaded, await client.uploadUrl('wav'), await client.uploadUrl('mp3')]
  const submitted = await client.fetch('/v1/async/ent/tiyarofs/1/sotto/whisper-demo', {
    method: 'POST',
    body: JSON.stringify({ URL: uploaded[0], input: {} }),
  })
  const { response } = (await submitted.json()) as {
    readonly response?: { readonly id: string; readonly urls: { readonly GET: string } }
  }
  // Refused while too many wait: then there is one less to ask for.
  const unknown = '018f0000-0000-7000-8000-000000000000'
  const jobIds = [unknown, ...(response === undefined ? [] : [response.id, response.id])]
  const pollUrls = [
    `${client.base}/v1/async/requests/${unknown}`,
    ...(response === undefined ? [] : [response.urls.GET]),
  ]
  return { key, uploadUrls, pollUrls, jobIds, recording: await readFile(clip), input: inputOf(operations) }
}

/** The schema of a submit's `input`, which the synchronous API takes too. */
function inputOf(operations: readonly Operation[]): Schema {
  return operations.find(({ path }) => path.startsWith('/v1/async/ent/'))?.body?.properties?.['input'] ?? {}
}

function describe(bytes: Buffer): string {
  const shown = JSON.stringify(bytes.subarray(0, 400).toString('latin1'))
  return bytes.length > 400 ? `${shown} … ${bytes.length} bytes` : shown
}

import { request } from 'node:http'
import { rm, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Client } from '../../test/support/client.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { peakMb } from '../engine/machine.ts'
import { row, startChild } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'

const MEGABYTES = 2048
const ROUNDS = 3

/** A recording of 2 GB by one PUT, durable when it is answered, beside a bare server that pipes it to a file and is not. */
export async function* uploads(): AsyncGenerator<ServiceRow> {
  await using folder = await temporaryFolder()
  await using pipe = await startChild('pipe.child.ts', folder.path)
  await using data = await temporaryFolder()
  await using server = await Server.start({ dataDir: data.path })
  const client = new Client(server.url, server.newKey ?? '')
  const before = (await peakMb(server.pid)) ?? 0
  const rates = { ours: 0, ceiling: 0 }
  let synced = 0
  for (let round = 0; round < ROUNDS; round++) {
    rates.ceiling = Math.max(rates.ceiling, await put(pipe.url))
    synced = Math.max(synced, await put(`${pipe.url}/synced`))
    for (const file of await readdir(folder.path)) await rm(join(folder.path, file))
    rates.ours = Math.max(rates.ours, await put(await client.uploadUrl('wav')))
    await rm(join(data.path, 'payloads/objects/uploads'), { recursive: true })
  }
  yield row({ what: 'upload of 2 GB', on: 'folder', ...rates, unit: 'MB/s; a bare pipe', goal: '≥ 0.7' })
  const of = { what: 'upload of 2 GB', on: 'folder', ours: rates.ours, goal: '' }
  yield row({ ...of, ceiling: synced, unit: 'MB/s; a bare pipe whose file is durable' })
  const grown = ((await peakMb(server.pid)) ?? 0) - before
  yield row({ what: 'memory that it takes', on: 'folder', ours: grown, ceiling: null, unit: 'MB', goal: '' })
}

function* megabytes(): Generator<Buffer> {
  const piece = Buffer.alloc(2 ** 20, 'sotto')
  for (let n = 0; n < MEGABYTES; n++) yield piece
}

async function put(url: string): Promise<number> {
  const startMs = performance.now()
  const { promise: answered, resolve, reject } = Promise.withResolvers<number | undefined>()
  const upload = request(url, { method: 'PUT', headers: { 'content-length': MEGABYTES * 2 ** 20 } }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode))
  }).on('error', reject)
  await pipeline(Readable.from(megabytes(), { objectMode: false }), upload)
  const status = await answered
  if (status !== 200) throw new Error(`PUT: ${status}`)
  return MEGABYTES / ((performance.now() - startMs) / 1000)
}

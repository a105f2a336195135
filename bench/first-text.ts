import { openAsBlob } from 'node:fs'
import { cpus } from 'node:os'
import { basename, resolve } from 'node:path'
import process from 'node:process'
import { Sotto } from '../client/src/index.ts'
import { decodeAudio } from '../src/speech/audio/decode-audio.ts'
import { PROJECT, Server, temporaryFolder } from '../test/support/server.ts'

/**
 * How long it takes from a submit to the first text of a long recording, on a loaded model, by the event stream; beside the decoding of the
 * recording alone, which has to be over before: the log-mel needs the loudest frame of all.
 *
 *     npm run bench -- first-text [recording]
 */
const HOUR = resolve(PROJECT, '../shared/audio/en-hour.mp3')
const WARM_UP = resolve(PROJECT, 'test/fixtures/audio/en-short.wav')
const TIMES = 3

async function decodingSeconds(recording: string): Promise<number> {
  const startMs = performance.now()
  for await (const _ of decodeAudio(recording));
  return (performance.now() - startMs) / 1000
}

/** From the submit on; the upload is over by then. */
async function firstTextSeconds(sotto: Sotto, recording: string): Promise<number> {
  const job = await sotto.submit(await openAsBlob(recording), { input: { language: 'en' } })
  const { acceptedAt } = await job.status()
  for await (const event of job) {
    if (event.type !== 'segments') continue
    const seconds = (Date.now() - Date.parse(acceptedAt)) / 1000
    await job.cancel()
    return seconds
  }
  throw new Error('the recording has no text')
}

export async function run([recording = HOUR]: readonly string[]): Promise<void> {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const sotto = new Sotto({ baseUrl: server.url, apiKey: server.newKey ?? '' })
  await sotto.transcribe(await openAsBlob(WARM_UP), { input: { language: 'en' } })
  const rows: Readonly<Record<string, number>>[] = []
  for (let n = 0; n < TIMES; n++) {
    const first = await firstTextSeconds(sotto, recording)
    const decoding = await decodingSeconds(recording)
    rows.push({ firstTextSeconds: first, decodingSeconds: decoding, ratio: first / decoding })
  }
  console.log(JSON.stringify({ recording: basename(recording), cpu: cpus()[0]?.model, node: process.version, rows }))
  console.table(rows)
}

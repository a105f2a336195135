import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { basename, resolve } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from '../test/support/client.ts'
import { PROJECT, Server, temporaryFolder } from '../test/support/server.ts'
import { wordErrors, words } from '../test/support/word-error-rate.ts'

/**
 * Sends recordings through the Async API of the real program, and reports for each how long it took and the peak memory of the server
 * and of its engine process, as JSON lines and a table.
 *
 *     npm run bench -- hour [recording…]
 */
const SAMPLE_MS = 50
const DEFAULT_RECORDINGS = ['en-one-minute.m4a', 'en-five-minutes.mp3', 'en-hour.mp3'].map((file) =>
  resolve(PROJECT, '../shared/audio', file),
)

interface Row {
  readonly recording: string
  readonly audioSeconds: number
  readonly uploadSeconds: number
  /** From the submit to the result. */
  readonly seconds: number
  readonly timesRealTime: number
  readonly serverPeakMb: number
  readonly serverGrowthMb: number
  readonly enginePeakMb: number
  readonly wordErrorRatePercent: number | null
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024
}

async function measure(recording: string): Promise<Row> {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const client = new Client(server.url, server.newKey ?? '')
  await client.fetch('/readyz')

  const uploadStartMs = performance.now()
  const url = await client.upload(recording)
  const uploadSeconds = (performance.now() - uploadStartMs) / 1000
  const peaks = { server: 0, engine: 0 }
  const serverBefore = await residentMb(server.pid)
  const stop = new AbortController()
  const sampling = (async () => {
    while (!stop.signal.aborted) {
      const engine = (await server.engines())[0]
      peaks.server = Math.max(peaks.server, await residentMb(server.pid))
      if (engine !== undefined) peaks.engine = Math.max(peaks.engine, await residentMb(engine))
      await delay(SAMPLE_MS)
    }
  })()

  const startMs = performance.now()
  const { id } = await client.submit(url, { input: { language: 'en' } })
  const job = await client.finish(id)
  const seconds = (performance.now() - startMs) / 1000
  stop.abort()
  await sampling
  if (job.result === null) throw new Error(`${recording}: ${job.status} ${job.error?.message}`)

  return {
    recording: basename(recording),
    audioSeconds: job.result.duration,
    uploadSeconds,
    seconds,
    timesRealTime: job.result.duration / seconds,
    serverPeakMb: peaks.server,
    serverGrowthMb: peaks.server - serverBefore,
    enginePeakMb: peaks.engine,
    wordErrorRatePercent: await wordErrorRate(recording, job.result.text),
  }
}

/** Against the reference text beside the recording, where there is one. */
async function wordErrorRate(recording: string, text: string): Promise<number | null> {
  const json = await readFile(recording.replace(/\.\w+$/, '.json'), 'utf8').catch(() => undefined)
  if (json === undefined) return null
  const reference = words((JSON.parse(json) as { text: string }).text)
  return (100 * wordErrors(reference, words(text))) / reference.length
}

export async function run(recordings: readonly string[]): Promise<void> {
  const [cpu] = cpus()
  const { version } = JSON.parse(
    await readFile(resolve(PROJECT, 'node_modules/onnxruntime-node/package.json'), 'utf8'),
  ) as {
    version: string
  }
  console.log(JSON.stringify({ cpu: cpu?.model, cores: cpus().length, node: process.version, onnxruntime: version }))
  const rows: Row[] = []
  for (const recording of recordings.length > 0 ? recordings : DEFAULT_RECORDINGS) {
    const row = await measure(recording)
    console.log(JSON.stringify(row))
    rows.push(row)
  }
  console.table(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          typeof value === 'number' ? Math.round(value * 10) / 10 : value,
        ]),
      ),
    ),
  )
}

import { openAsBlob } from 'node:fs'
import { join } from 'node:path'
import { fixture } from '../../test/support/clips.ts'
import { parametersOf } from '../../test/support/golden.ts'
import { PROJECT, Server, temporaryFolder } from '../../test/support/server.ts'
import { THREADS } from '../engine/machine.ts'
import { transcribe, withEngine } from '../engine/sotto.ts'
import { quantile, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'

const REQUESTS = 60
const CLIP = fixture('en-short.wav')

/** What OpenAI's route takes beyond an engine that is handed the same recording: they take turns, each with the model loaded. */
export async function* openai(): AsyncGenerator<ServiceRow> {
  await using folder = await temporaryFolder()
  const environment = { SOTTO_THREADS: String(THREADS), SOTTO_LOG_LEVEL: 'warn' }
  await using server = await Server.start({ dataDir: folder.path, environment })
  const ask = async (): Promise<void> => {
    const body = new FormData()
    body.append('file', await openAsBlob(CLIP), 'en-short.wav')
    body.append('model', 'whisper-1')
    const headers = { authorization: `Bearer ${server.newKey}` }
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body, headers })
    if (!response.ok) throw new Error(await response.text())
    await response.json()
  }
  const task = { audioPath: CLIP, parameters: parametersOf({ options: {} }), maxAudioSeconds: null }
  const [route, bare] = await withEngine(join(PROJECT, 'models/whisper-demo'), async (engine) => {
    const times: readonly [number[], number[]] = [[], []]
    for (let n = 0; n <= REQUESTS; n++) {
      const startMs = performance.now()
      await ask()
      const betweenMs = performance.now()
      await transcribe(engine, task)
      // The first of each loads the model.
      if (n === 0) continue
      times[0].push(betweenMs - startMs)
      times[1].push(performance.now() - betweenMs)
    }
    return times
  })
  const of = { on: 'embedded', unit: 'ms; the engine alone' }
  for (const [name, share] of [
    ['median', 0.5],
    ['90 %', 0.9],
  ] as const) {
    const [ours, ceiling] = [quantile(route, share), quantile(bare, share)]
    yield row({ ...of, what: `POST /v1/audio/transcriptions, 3 s, ${name}`, ours, ceiling, goal: '≤ 50 ms more' })
    yield row({ ...of, what: `what it adds, ${name}`, ours: ours - ceiling, ceiling: null, unit: 'ms', goal: '≤ 50' })
  }
}

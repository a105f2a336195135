import { fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { fixture } from '../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../test/support/golden.ts'
import { PROJECT } from '../../test/support/server.ts'
import type { EngineReply, EngineRequest } from '../contract/engine-protocol.ts'

test('an engine whose worker has gone ends in the middle of its work, without an abort by what it computes with', async () => {
  const child = fork(join(import.meta.dirname, 'engine-main.ts'), [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const said = child.stderr === null ? Promise.resolve('no stderr') : text(child.stderr)
  const ended = once(child, 'exit')
  const { promise: begun, resolve, reject } = Promise.withResolvers<void>()
  child.on('message', (message) => {
    const reply = message as EngineReply
    if (reply.type === 'failed') reject(new Error(reply.error.message))
    if (reply.type === 'progress' && reply.progress.phase === 'transcribing') resolve()
  })
  const modelFolder = join(PROJECT, 'models/whisper-demo')
  const folder = tmpdir()
  const settings = { modelFolder, threads: 1, batch: 1, temporaryFolder: folder, cacheFolder: folder }
  const parameters = { ...DEFAULT_PARAMETERS, language: 'es' }
  const task = { audioPath: fixture('es-long.mp3'), parameters, maxAudioSeconds: null }
  const requests: readonly EngineRequest[] = [
    { type: 'start', settings: { ...settings, precision: 'f32' } },
    { type: 'recognise', id: 1, task },
  ]
  for (const request of requests) child.send(request)
  await begun
  child.disconnect()
  expect(await ended).toEqual([null, 'SIGKILL'])
  expect(await said).toBe('')
})

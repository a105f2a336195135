import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fixture } from '../support/clips.ts'
import { Hub } from '../support/hub.ts'
import { hasRequests } from '../support/python.ts'
import { PROJECT, Server, temporaryFolder } from '../support/server.ts'

const run = promisify(execFile)
/** The retired service's own sample client lies beside a development checkout. */
const SAMPLE = resolve(PROJECT, '../shared/reference/asyncWhisper.py')
const CLIP = fixture('en-two-voices.mp3')

// Side by side: they sleep between their polls.
describe.skipIf(!hasRequests())('clients in Python (skipped without python3 and its package requests)', () => {
  test.skipIf(!existsSync(SAMPLE))(
    'the sample client, changed in PROD_BASE alone, has its large model transcribe (skipped without ../shared)',
    { timeout: 120_000, concurrent: true },
    async () => {
      await using folder = await temporaryFolder()
      await using hub = await Hub.start({ 'openai/whisper-large': join(PROJECT, 'models/whisper-demo') })
      const environment = { HF_ENDPOINT: hub.url, HF_HOME: join(folder.path, 'hf'), HF_HUB_OFFLINE: '' }
      await using server = await Server.start({ dataDir: folder.path, environment })
      const sample = await readFile(SAMPLE, 'utf8')
      const changed = sample.replace("PROD_BASE = 'https://api.tiyaro.ai'", `PROD_BASE = '${server.url}'`)
      expect(changed).not.toBe(sample)
      const script = join(folder.path, 'asyncWhisper.py')
      await writeFile(script, changed)
      const { stdout } = await run('python3', [script, CLIP], {
        env: { PATH: process.env['PATH'], HOME: folder.path, TIYARO_API_KEY: server.newKey },
      })
      expect(stdout).toContain('status:  success')
      expect(stdout).toContain('-- Transcribed Text --\n  My number is')
      expect(stdout).toContain('The hospital is near the park.')
      expect(hub.downloads('model.safetensors')).toHaveLength(1)
    },
  )

  test.concurrent('our own example', async () => {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path })
    const env = { PATH: process.env['PATH'], HOME: folder.path, SOTTO_API_KEY: server.newKey }
    const example = join(PROJECT, 'examples/async_whisper.py')
    const { stdout } = await run('python3', [example, CLIP, '--base', server.url, '--language', 'en'], { env })
    expect(stdout).toContain('The hospital is near the park.')
    const failed = run('python3', [example, fixture('video-without-sound.mp4'), '--base', server.url], { env })
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('no audio stream') })
  })
})

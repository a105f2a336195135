import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { mp4WithPackets } from '../support/hostile-mp4.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const SECRETS = {
  SOTTO_API_KEY: 'sotto_test-key-of-the-cage-0123456789',
  HF_TOKEN: 'hf_secret_of_the_hub',
  AWS_SECRET_ACCESS_KEY: 'secret-of-the-bucket',
}
/** Where there is one; it is said in the log. */
const SANDBOX = { SOTTO_SANDBOX: 'auto' }

let stack: AsyncDisposableStack
let folder: string
let server: Server
let client: Client
beforeAll(async () => {
  await using opened = new AsyncDisposableStack()
  folder = opened.use(await temporaryFolder()).path
  server = opened.use(await Server.start({ dataDir: folder, environment: { ...SECRETS, ...SANDBOX } }))
  client = new Client(server.url, SECRETS.SOTTO_API_KEY)
  stack = opened.move()
})
afterAll(() => stack.disposeAsync())

async function settled(id: string): Promise<JobBody> {
  let job = await client.poll(id)
  await expect.poll(async () => (job = await client.poll(id)).completedAt).not.toBeNull()
  return job
}

test('the log says whether engines run in a sandbox', () => {
  expect(server.output).toMatch(/engine processes run (in|without) a sandbox/)
})

test.skipIf(process.platform !== 'linux')(
  'no engine process has a secret of the server in its environment',
  async () => {
    const { id } = await client.submit(await client.upload(fixture('en-short.wav')))
    expect((await settled(id)).status).toBe('success')
    const environment = await readFile(`/proc/${await server.engine()}/environ`, 'utf8')
    expect(environment).toContain('PATH=')
    for (const secret of Object.values(SECRETS)) expect(environment).not.toContain(secret)
    expect(environment).not.toMatch(/SOTTO_|HF_|AWS_|DATABASE_URL/)
  },
)

describe('a job that can only fail', () => {
  test('does so at the first try, with what was wrong: tokens of which none may come next', async () => {
    const suppressTokens = Array.from({ length: 51 }, (_, index) => 50_364 + index)
    const input = { suppress_tokens: suppressTokens, language: 'en' }
    const { id } = await client.submit(await client.upload(fixture('en-short.wav')), { input })
    expect((await settled(id)).error).toMatchObject({
      code: 'input.invalid',
      message: expect.stringMatching(/suppress_tokens/),
    })
    expect(server.output).not.toMatch(/"attempt":2/)
  })

  test('takes no more memory than there is for recordings, and nothing from others', async () => {
    const path = join(folder, 'hostile.mp4')
    await writeFile(path, mp4WithPackets(85_000_000))
    const hostile = await client.submit(await client.upload(path))
    const other = await client.submit(await client.upload(fixture('en-short.wav')))
    expect((await settled(hostile.id)).error?.code).toMatch(/^(audio|engine)\./)
    expect((await settled(other.id)).status).toBe('success')
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  })
})

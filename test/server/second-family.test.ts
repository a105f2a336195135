import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../support/clips.ts'
import { Client, jsonBody } from '../support/client.ts'
import { Hub } from '../support/hub.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import type { Finished } from '../support/server.ts'
import { copyWithSpeller } from '../support/source-copy.ts'

const SPELLER = 'acme/speller-tiny'
const TWELVE_SECONDS = fixture('silence.wav')
const FORTY_FIVE_SECONDS = fixture('de-long.m4a')

let stack: AsyncDisposableStack
let program: string
let home: string
let pulled: Finished

beforeAll(async () => {
  await using opening = new AsyncDisposableStack()
  const folder = opening.use(await temporaryFolder()).path
  program = await copyWithSpeller(folder)
  home = join(folder, 'home')
  const repository = join(folder, 'repository')
  for (const path of [home, repository]) await mkdir(path)
  await writeFile(join(repository, 'config.json'), JSON.stringify({ model_type: 'speller' }))
  await writeFile(join(repository, 'README.md'), 'This is not needed.')
  await using hub = await Hub.start({ [SPELLER]: repository })
  pulled = await run(['models', 'pull', SPELLER], { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' })
  stack = opening.move()
})
afterAll(() => stack.disposeAsync())

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return await sotto(args, {
    cwd: home,
    program,
    environment: { HF_HOME: home, SOTTO_MODELS: SPELLER, ...environment },
  })
}

/** A server of the copy, and its client; both families' models are served. */
async function start(dataDir: string, key?: string): Promise<{ server: Server; client: Client; key: string }> {
  const server = await Server.start({ dataDir, program, environment: { HF_HOME: home, SOTTO_MODELS: SPELLER } })
  const known = key ?? server.newKey ?? ''
  return { server, client: new Client(server.url, known), key: known }
}

test('its models’ files are fetched, and no others', async () => {
  expect(pulled).toMatchObject({ code: 0, stdout: expect.stringContaining('snapshots') })
  expect(await readdir(pulled.stdout.trim())).toEqual(['config.json'])
})

describe('a family that was added by a folder and a line of the index', () => {
  let servers: AsyncDisposableStack
  let client: Client
  beforeAll(async () => {
    servers = new AsyncDisposableStack()
    const started = await start(servers.use(await temporaryFolder()).path)
    servers.use(started.server)
    client = started.client
  })
  afterAll(() => servers.disposeAsync())

  test('goes through submit and polls, beside another one', async () => {
    const [spelt, transcribed] = await Promise.all([
      client.transcribe(TWELVE_SECONDS, { model: SPELLER }),
      client.transcribe(fixture('en-short.wav'), { input: { language: 'en' } }),
    ])
    expect(spelt).toMatchObject({ status: 'success', model: SPELLER, doneSeconds: 12 })
    const segments = [
      { id: 0, start: 0, end: 6, text: 'twelve' },
      { id: 1, start: 6, end: 12, text: 'seconds' },
    ]
    expect(spelt.result).toEqual({ text: 'twelve seconds', duration: 12, segments })
    expect(transcribed).toMatchObject({ status: 'success', result: { language: 'en' } })
  })

  test('has parameters of its own', async () => {
    const job = await client.transcribe(fixture('en-one-minute.m4a'), { model: SPELLER, input: { unit: 'minutes' } })
    expect(job.result?.text).toBe('one minutes')
    const model = await client.json<{ parameters: { name: string }[] }>(200, `/v1/models/${SPELLER}`)
    expect(model.parameters.map(({ name }) => name)).toEqual(['unit', 'stall_after'])
  })

  test.each([
    [{ beam_size: 5 }, 'input.beam_size is not a parameter of this model; it takes unit, stall_after.'],
    [{ unit: 'hours' }, 'input.unit must be'],
    [{ stall_after: 0 }, 'input.stall_after must be'],
  ])('refuses %j by its own schema', async (input, message) => {
    const url = await client.upload(TWELVE_SECONDS)
    const path = `/v1/async/ent/tiyarofs/1/${SPELLER}`
    const init = { method: 'POST', ...jsonBody({ URL: url, input }) }
    expect(await client.json<unknown>(400, path, init)).toEqual({
      code: 400,
      message: expect.stringContaining(message),
    })
    const body = new FormData()
    body.set('input', JSON.stringify(input))
    body.set('file', new Blob(['sound']))
    expect(await client.json<unknown>(400, `/v1/ent/tiyarofs/1/${SPELLER}`, { method: 'POST', body })).toMatchObject({
      message: expect.stringContaining(message),
    })
  })

  test('leaves the parameters of others alone', async () => {
    const url = await client.upload(TWELVE_SECONDS)
    const init = { method: 'POST', ...jsonBody({ URL: url, input: { unit: 'seconds' } }) }
    expect(await client.json<unknown>(400, '/v1/async/ent/tiyarofs/1/sotto/whisper-demo', init)).toMatchObject({
      message: expect.stringContaining('input.unit is not a parameter of this model'),
    })
  })

  test('is cancelled while it runs', async () => {
    const url = await client.upload(FORTY_FIVE_SECONDS)
    const { id } = await client.submit(url, { model: SPELLER, input: { stall_after: 1 } })
    await client.waitFor(id, ({ doneSeconds }) => doneSeconds > 0)
    await client.json<unknown>(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })
    expect(await client.finish(id)).toMatchObject({ status: 'cancelled', result: null })
  })

  test('is in the OpenAPI document', async () => {
    const { paths } = await client.json<{ paths: Record<string, unknown> }>(200, '/openapi.json')
    expect(JSON.stringify(paths)).toContain('After so many words a run that goes on from nothing')
  })
})

test('what a server that was killed has finished, the next one goes on from', async () => {
  await using folder = await temporaryFolder()
  const { server: first, client, key } = await start(folder.path)
  let id: string
  {
    await using _ = first
    // It stalls in a run that goes on from nothing: only one that takes up what was kept gets any further.
    const input = { stall_after: 2 }
    id = (await client.submit(await client.upload(FORTY_FIVE_SECONDS), { model: SPELLER, input })).id
    await client.waitFor(id, ({ doneSeconds }) => doneSeconds > 25)
    await first.end('SIGKILL')
  }
  const next = await start(folder.path, key)
  await using _ = next.server
  expect(await next.client.finish(id)).toMatchObject({ status: 'success', result: { text: 'forty five seconds' } })
})

describe('on the command line', () => {
  test.each([
    ['text', 'twelve\nseconds\n'],
    ['json', expect.stringContaining('"text": "twelve seconds"')],
  ])('it is written as %s', async (format, expected) => {
    const done = await run([
      ...['transcribe', '--model', SPELLER, '--unit', 'seconds', '--output-format', format, TWELVE_SECONDS],
    ])
    expect(done).toMatchObject({ code: 0, stdout: expected })
  })

  test.each([
    ['--unit', 'hours', 'input.unit must be'],
    ['--beam-size', '5', 'input.beam_size is not a parameter of this model'],
  ])('%s %s is refused', async (flag, value, message) => {
    const { code, stderr } = await run(['transcribe', '--model', SPELLER, flag, value, TWELVE_SECONDS])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(message) })
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { Hub } from '../../test/support/hub.ts'
import { PROJECT, temporaryFolder } from '../../test/support/server.ts'
import { createCatalogue } from './catalogue.ts'
import { ModelCache } from './model-cache.ts'
import type { DownloadProgress } from './model-cache.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const ID = 'openai/whisper-large'
const WEIGHTS = 'model.safetensors'
const never = new AbortController().signal

function cacheAt(home: string, endpoint: string, token: string | null = null, offline = false): ModelCache {
  return new ModelCache({ home, endpoint, token, offline, catalogue: createCatalogue([]) })
}

const repositoryIn = (home: string): string => join(home, 'hub/models--openai--whisper-large')

describe('fetching from the hub', () => {
  test('puts what the engine needs into the layout of the hub’s tools, with progress', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const cache = cacheAt(home.path, hub.url)
    expect(await cache.isPresent(ID)).toBe(false)
    const progress: DownloadProgress[] = []
    const { folder } = await cache.open(ID, { signal: never, onProgress: (state) => progress.push(state) })

    expect(folder).toBe(join(repositoryIn(home.path), 'snapshots', hub.commit))
    expect(await readFile(join(repositoryIn(home.path), 'refs/main'), 'utf8')).toBe(hub.commit)
    expect((await readdir(folder)).toSorted()).toEqual(
      ['config.json', 'generation_config.json', WEIGHTS, 'preprocessor_config.json', 'tokenizer.json'].toSorted(),
    )
    expect(await readlink(join(folder, WEIGHTS))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/)
    expect(await readFile(join(folder, WEIGHTS))).toEqual(await readFile(join(DEMO, WEIGHTS)))
    expect(progress.at(-1)).toMatchObject({ model: ID })
    expect(progress.at(-1)?.receivedBytes).toBe(progress.at(-1)?.totalBytes)
    expect(await cache.isPresent(ID)).toBe(true)
  })

  test('asks no network for what is here, also what another tool put there', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    await cacheAt(home.path, hub.url).open(ID, { signal: never })
    const before = hub.requests.length
    await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(hub.requests).toHaveLength(before)
    await cacheAt(home.path, 'http://127.0.0.1:9', null, true).open(ID, { signal: never })
  })

  test('goes on after a break where it was', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { cutAfterBytes: { bytes: 1_000_000, times: 2 } } })
    const { folder } = await cacheAt(home.path, hub.url).open(ID, { signal: never })
    const begins = hub.downloads(WEIGHTS).map(({ range }) => Number(/\d+/.exec(range ?? '0')))
    expect(begins).toHaveLength(3)
    expect(begins[0]).toBe(0)
    expect(begins[1]).toBeGreaterThan(500_000)
    expect(begins[2]).toBeGreaterThan((begins[1] ?? 0) + 500_000)
    expect(await readFile(join(folder, WEIGHTS))).toEqual(await readFile(join(DEMO, WEIGHTS)))
  })

  test('begins anew where the hub ignores ranges', async () => {
    await using home = await temporaryFolder()
    const faults = { cutAfterBytes: { bytes: 1_000_000, times: 1 }, ignoresRanges: true }
    await using hub = await Hub.start({ [ID]: DEMO }, { faults })
    const { folder } = await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(await readFile(join(folder, WEIGHTS))).toEqual(await readFile(join(DEMO, WEIGHTS)))
  })

  test('tries again after errors of the server', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { serverErrors: 2 } })
    await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(hub.downloads(WEIGHTS)).toHaveLength(3)
  })

  test('fetches once, however many ask', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const cache = cacheAt(home.path, hub.url)
    const folders = await Promise.all(Array.from({ length: 20 }, () => cache.open(ID, { signal: never })))
    expect(new Set(folders.map(({ folder }) => folder)).size).toBe(1)
    expect(hub.downloads(WEIGHTS)).toHaveLength(1)
    expect(hub.downloads('config.json')).toHaveLength(3)
  })

  test('one who stops waiting does not end it for the others', async () => {
    await using home = await temporaryFolder()
    const { promise: hold, resolve: release } = Promise.withResolvers<void>()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { hold } })
    const cache = cacheAt(home.path, hub.url)
    const impatient = new AbortController()
    const first = cache.open(ID, { signal: impatient.signal })
    const second = cache.open(ID, { signal: never })
    impatient.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    release()
    await second
    expect(await cache.isPresent(ID)).toBe(true)
  })

  test('sends the token to the hub alone', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { token: 'hf_secret' })
    await cacheAt(home.path, hub.url, 'hf_secret').open(ID, { signal: never })
    const tokens = (origin: string) =>
      new Set(hub.requests.filter((request) => request.origin === origin).map((request) => request.authorization))
    expect(tokens('hub')).toEqual(new Set(['Bearer hf_secret']))
    expect(tokens('cdn')).toEqual(new Set([undefined]))
  })
})

describe('two processes', () => {
  const program = (home: string, endpoint: string): string => `
    import { createCatalogue } from '${PROJECT}/src/models/catalogue.ts'
    import { ModelCache } from '${PROJECT}/src/models/model-cache.ts'
    const cache = new ModelCache({
      home: '${home}', endpoint: '${endpoint}', token: null, offline: false, catalogue: createCatalogue([]),
    })
    await cache.open('${ID}', { signal: new AbortController().signal, onProgress: () => console.log('progress') })
  `
  const run = (home: string, endpoint: string) =>
    spawn(process.execPath, ['--input-type=module', '-e', program(home, endpoint)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })

  test('fetch once', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const exits = await Promise.all([1, 2].map(async () => (await once(run(home.path, hub.url), 'exit')) as [number]))
    expect(exits.map(([code]) => code)).toEqual([0, 0])
    expect(hub.downloads(WEIGHTS)).toHaveLength(1)
  })

  test('the second goes on where the first was killed', async () => {
    await using home = await temporaryFolder()
    const { promise: hold, resolve: release } = Promise.withResolvers<void>()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { hold } })
    const first = run(home.path, hub.url)
    await once(first.stdout, 'data')
    const gone = once(first, 'exit')
    first.kill('SIGKILL')
    await gone
    release()
    // What the first had received of the weights lies under the hash that the hub announced.
    const content = await readFile(join(DEMO, WEIGHTS))
    const { createHash } = await import('node:crypto')
    const blob = join(repositoryIn(home.path), 'blobs', createHash('sha256').update(content).digest('hex'))
    await mkdir(join(repositoryIn(home.path), 'blobs'), { recursive: true })
    await writeFile(`${blob}.incomplete`, content.subarray(0, 2_500_000))
    const { folder } = await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(hub.downloads(WEIGHTS).at(-1)?.range).toBe('bytes=2500000-')
    expect((await stat(join(folder, WEIGHTS))).size).toBe(content.length)
  })
})

describe('what can’t be had', () => {
  const failure = async (cache: ModelCache, id = ID): Promise<unknown> =>
    await cache.open(id, { signal: never }).catch((error: unknown) => error)

  test('without a network: at once, and says how to put the weights in place by hand', async () => {
    await using home = await temporaryFolder()
    expect(await failure(cacheAt(home.path, 'http://127.0.0.1:9'))).toMatchObject({
      code: 'model.unreachable',
      retryable: false,
      message: expect.stringMatching(/hf download openai\/whisper-large.*models--openai--whisper-large.*HF_ENDPOINT/s),
    })
  })

  test('offline: without asking', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    expect(await failure(cacheAt(home.path, hub.url, null, true))).toMatchObject({ code: 'model.unreachable' })
    expect(hub.requests).toEqual([])
  })

  test('other bytes than announced', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { corruptions: 2 } })
    const cache = cacheAt(home.path, hub.url)
    expect(await failure(cache)).toMatchObject({ code: 'model.corrupt' })
    expect(await cache.isPresent(ID)).toBe(false)
    await cache.open(ID, { signal: never })
  })

  test('a gated model without a token', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { token: 'hf_secret' })
    const error = await failure(cacheAt(home.path, hub.url, 'hf_wrong'))
    expect(error).toMatchObject({ code: 'model.forbidden', message: expect.stringContaining('HF_TOKEN') })
    expect(String(error)).not.toContain('hf_wrong')
  })

  test('a model that the hub does not have', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({})
    expect(await failure(cacheAt(home.path, hub.url))).toMatchObject({ code: 'model.not_found' })
  })

  test('a repository without safetensors', async () => {
    await using home = await temporaryFolder()
    await using source = await temporaryFolder()
    for (const file of ['config.json', 'tokenizer.json']) {
      await writeFile(join(source.path, file), await readFile(join(DEMO, file)))
    }
    await using hub = await Hub.start({ [ID]: source.path })
    expect(await failure(cacheAt(home.path, hub.url))).toMatchObject({
      code: 'model.incomplete',
      message: expect.stringContaining(WEIGHTS),
    })
  })

  test('a model that is in no catalogue', async () => {
    await using home = await temporaryFolder()
    expect(await failure(cacheAt(home.path, 'http://127.0.0.1:9'), 'nobody/nothing')).toMatchObject({
      code: 'model.unknown',
      message: expect.stringContaining('sotto/whisper-demo'),
    })
  })

  test('a snapshot whose weights are gone is fetched again', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const cache = cacheAt(home.path, hub.url)
    const { folder } = await cache.open(ID, { signal: never })
    await rm(join(folder, WEIGHTS))
    expect(await cache.isPresent(ID)).toBe(false)
    await cache.open(ID, { signal: never })
    expect((await stat(join(folder, WEIGHTS))).size).toBeGreaterThan(0)
  })
})

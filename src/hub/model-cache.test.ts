import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import {
  copyFile,
  link as hardLink,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { HOSTILE_ANSWERS, HOSTILE_INDEXES } from '../../test/support/hostile-hub.ts'
import { Hub } from '../../test/support/hub.ts'
import type { HubAnswer, HubFaults, HubTruth } from '../../test/support/hub.ts'
import { PROJECT, temporaryFolder } from '../../test/support/server.ts'
import { modelFiles } from '../models/index.ts'
import { createCatalogue } from '../models/catalogue.ts'
import { ModelCache } from './model-cache.ts'
import type { DownloadProgress } from './commit-download.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const ID = 'openai/whisper-large'
const WEIGHTS = 'model.safetensors'
const never = new AbortController().signal

function cacheAt(home: string, endpoint: string, token: string | null = null, offline = false): ModelCache {
  return new ModelCache({ home, endpoint, token, offline, catalogue: createCatalogue([]), files: modelFiles })
}

/** Vitest takes half a minute to compare as much value by value. */
async function areDemoWeights(folder: string): Promise<boolean> {
  const [fetched, demo] = await Promise.all([folder, DEMO].map((each) => readFile(join(each, WEIGHTS))))
  return fetched !== undefined && demo !== undefined && fetched.equals(demo)
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
    expect(await areDemoWeights(folder)).toBe(true)
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
    expect(await areDemoWeights(folder)).toBe(true)
  })

  test('begins anew where the hub ignores ranges', async () => {
    await using home = await temporaryFolder()
    const faults = { cutAfterBytes: { bytes: 1_000_000, times: 1 }, ignoresRanges: true }
    await using hub = await Hub.start({ [ID]: DEMO }, { faults })
    const { folder } = await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(await areDemoWeights(folder)).toBe(true)
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

describe('a hub that is out of sorts', () => {
  /** The first so many answers about a repository are these; then the truth. */
  const first = (times: number, answer: HubAnswer): HubFaults => ({ answer: () => (times-- > 0 ? answer : undefined) })

  test.each([
    ['500', { status: 500, body: '' }],
    ['503 with a page', { status: 503, body: '<html>'.repeat(1000) }],
    ['429', { status: 429, body: '' }],
  ])('is asked again after %s', async (_, answer) => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: first(2, answer) })
    await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(hub.requests.filter(({ path }) => path.startsWith('/api/'))).toHaveLength(3)
  })

  test('is left alone for as long as it asks for', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start(
      { [ID]: DEMO },
      { faults: first(1, { status: 429, headers: { 'retry-after': '2' }, body: '' }) },
    )
    const begun = performance.now()
    await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(performance.now() - begun).toBeGreaterThan(1990)
  })

  test('has the job come back when it asks for long', async () => {
    await using home = await temporaryFolder()
    const busy = { status: 429, headers: { 'retry-after': '3600' }, body: '' }
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: first(1, busy) })
    const cache = cacheAt(home.path, hub.url)
    await expect(cache.open(ID, { signal: never })).rejects.toMatchObject({
      code: 'model.unreachable',
      retryable: true,
      message: expect.stringContaining('429'),
    })
    await cache.open(ID, { signal: never })
  })

  test.each(HOSTILE_ANSWERS)('gets nowhere with $name: $code', async ({ code, answer }) => {
    await using home = await temporaryFolder()
    let sentBytes = 0
    function* counted(body: Iterable<Buffer>): Generator<Buffer> {
      for (const chunk of body) {
        sentBytes += chunk.length
        yield chunk
      }
    }
    const counting = (truth: HubTruth): HubAnswer => {
      const { body, ...rest } = answer(truth)
      return { ...rest, body: typeof body === 'string' ? body : counted(body) }
    }
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { answer: counting } })
    const cache = cacheAt(home.path, hub.url)
    await expect(cache.open(ID, { signal: never })).rejects.toMatchObject({ name: 'ModelError', code })
    expect(await cache.isPresent(ID)).toBe(false)
    expect(await readdir(home.path)).toEqual(['hub'])
    // The limit, and what the system holds between the two.
    expect(sentBytes).toBeLessThan(30 * 2 ** 20)
  })

  test.each(HOSTILE_INDEXES)('gets nowhere with the index %j', async (index) => {
    await using home = await temporaryFolder()
    await using source = await temporaryFolder()
    for (const file of ['config.json', 'tokenizer.json']) await copyFile(join(DEMO, file), join(source.path, file))
    await writeFile(join(source.path, 'model.safetensors.index.json'), index)
    await using hub = await Hub.start({ [ID]: source.path })
    const cache = cacheAt(home.path, hub.url)
    await expect(cache.open(ID, { signal: never })).rejects.toMatchObject({ code: 'model.corrupt' })
    expect(await cache.isPresent(ID)).toBe(false)
  })
})

describe('what is here already', () => {
  test('is not fetched again, and only the rest needs room', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const cache = cacheAt(home.path, hub.url)
    const { folder } = await cache.open(ID, { signal: never })
    await rm(join(repositoryIn(home.path), 'snapshots'), { recursive: true })
    await cache.open(ID, { signal: never })
    expect(hub.downloads(WEIGHTS)).toHaveLength(1)
    expect(await areDemoWeights(folder)).toBe(true)
  })

  test('counts in what still needs room', async () => {
    await using home = await temporaryFolder()
    const { bavail, bsize } = await statfs(home.path)
    const size = bavail * bsize + 2 ** 34
    const answer = (truth: HubTruth): HubAnswer => {
      const siblings = truth.siblings.map(({ lfs, ...file }) => ({ ...file, ...(lfs && { lfs: { ...lfs, size } }) }))
      return { body: JSON.stringify({ ...truth, siblings }) }
    }
    await using hub = await Hub.start({ [ID]: DEMO }, { faults: { answer, serverErrors: 100 } })
    const cache = cacheAt(home.path, hub.url)
    await expect(cache.open(ID, { signal: never })).rejects.toMatchObject({ code: 'model.disk_full' })
    const hash = createHash('sha256')
      .update(await readFile(join(DEMO, WEIGHTS)))
      .digest('hex')
    const partial = join(repositoryIn(home.path), 'blobs', `${hash}.incomplete`)
    await writeFile(partial, '')
    // Without content, so that it takes no room here.
    await truncate(partial, size - 1000)
    const abort = new AbortController()
    const opened = cache.open(ID, { signal: abort.signal })
    await expect.poll(() => hub.downloads(WEIGHTS).at(0)?.range).toBe(`bytes=${size - 1000}-`)
    abort.abort(new Error('enough'))
    await expect(opened).rejects.toThrow('enough')
  })

  test('a repository with the weights whole and in shards as well: whole', async () => {
    await using home = await temporaryFolder()
    await using source = await temporaryFolder()
    for (const file of ['config.json', 'tokenizer.json', WEIGHTS])
      await copyFile(join(DEMO, file), join(source.path, file))
    await writeFile(join(source.path, 'model.safetensors.index.json'), '{"weight_map": {"a": "b.safetensors"}}')
    await using hub = await Hub.start({ [ID]: source.path })
    const cache = cacheAt(home.path, hub.url)
    await cache.open(ID, { signal: never })
    expect(await cache.isPresent(ID)).toBe(true)
  })
})

describe('an HF_HOME that others write to as well', () => {
  const PRECIOUS = 'of this user alone'

  test.each([
    ['symbolic', symlink],
    ['hard', hardLink],
  ])('a %s link in place of what was received is not followed', async (_, makeLink) => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const precious = join(home.path, 'precious')
    await writeFile(precious, PRECIOUS)
    const hash = createHash('sha256')
      .update(await readFile(join(DEMO, WEIGHTS)))
      .digest('hex')
    const blobs = join(repositoryIn(home.path), 'blobs')
    await mkdir(blobs, { recursive: true })
    await makeLink(precious, join(blobs, `${hash}.incomplete`))
    await mkdir(join(repositoryIn(home.path), 'refs'))
    await makeLink(precious, join(repositoryIn(home.path), 'refs/main.new'))
    const { folder } = await cacheAt(home.path, hub.url).open(ID, { signal: never })
    expect(await readFile(precious, 'utf8')).toBe(PRECIOUS)
    expect(await areDemoWeights(folder)).toBe(true)
  })

  test('one that can’t be written to is said to be, and nobody waits', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    await writeFile(join(home.path, 'hub'), 'a file')
    const unusable = { code: 'model.cache_unusable', retryable: false, message: expect.stringContaining('HF_HOME') }
    await expect(cacheAt(home.path, hub.url).open(ID, { signal: never })).rejects.toMatchObject(unusable)
    await rm(join(home.path, 'hub'))
    const locks = join(home.path, 'hub/.locks/models--openai--whisper-large')
    await mkdir(locks, { recursive: true })
    await writeFile(
      join(locks, 'sotto.lock'),
      'no database, but longer than the header of one is, so that it is taken for damaged '.repeat(20),
    )
    await expect(cacheAt(home.path, hub.url).open(ID, { signal: never })).rejects.toMatchObject(unusable)
  })
})

describe('two processes', () => {
  const program = (home: string, endpoint: string): string => `
    import { createCatalogue } from '${PROJECT}/src/models/catalogue.ts'
    import { modelFiles } from '${PROJECT}/src/models/index.ts'
    import { ModelCache } from '${PROJECT}/src/hub/model-cache.ts'
    const cache = new ModelCache({
      home: '${home}', endpoint: '${endpoint}', token: null, offline: false, catalogue: createCatalogue([]), files: modelFiles,
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

  test('without a network: soon, for another try later, and says how to put the weights in place by hand', async () => {
    await using home = await temporaryFolder()
    expect(await failure(cacheAt(home.path, 'http://127.0.0.1:9'))).toMatchObject({
      code: 'model.unreachable',
      retryable: true,
      message: expect.stringMatching(/hf download openai\/whisper-large.*models--openai--whisper-large.*HF_ENDPOINT/s),
    })
  })

  test('offline: without asking', async () => {
    await using home = await temporaryFolder()
    await using hub = await Hub.start({ [ID]: DEMO })
    const offline = { code: 'model.unreachable', retryable: false }
    expect(await failure(cacheAt(home.path, hub.url, null, true))).toMatchObject(offline)
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

import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import process from 'node:process'
import { sql } from 'kysely'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres } from '../../src/jobs/postgres/connection.ts'
import { Client, jsonBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Cluster, KEY } from '../support/cluster.ts'
import { DeafProxy } from '../support/deaf-proxy.ts'
import { NEEDS_POSTGRES, hasPostgres } from '../support/postgres.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import { UnreliableProxy } from '../support/unreliable-proxy.ts'
import { untilWindows } from '../support/window-log.ts'

const SHORT = fixture('en-short.wav')
const MINUTE = fixture('en-one-minute.m4a')

describe.skipIf(!hasPostgres)(`servers and workers on one PostgreSQL and one S3${NEEDS_POSTGRES}`, () => {
  let cluster: Cluster
  let one: Client
  let two: Client
  beforeAll(async () => {
    cluster = await Cluster.start()
    const servers = await Promise.all([cluster.process('api'), cluster.process('api'), cluster.process('worker')])
    one = cluster.client(servers[0])
    two = cluster.client(servers[1])
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('an upload URL of one server, a submit to another, polls of both, and nothing is left after DELETE', async () => {
    const url = await one.upload(SHORT)
    const { id, urls } = await two.submit(url)
    const job = await one.finish(id)
    expect(job).toMatchObject({ status: 'success', servedTier: 'cpuflex', result: { language: 'en' } })
    expect(await two.poll(id)).toEqual(job)
    // Signed by one server, known to the others.
    expect((await fetch(urls.GET.replace(/^http:\/\/[^/]+/, one.base))).status).toBe(200)
    await two.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })
    await expect.poll(() => cluster.s3.contents.filter((key) => key.startsWith('sotto/'))).toEqual([])
  })

  test('the synchronous API answers when the worker of another process is done', async () => {
    const url = await one.upload(SHORT)
    const path = '/v1/ent/tiyarofs/1/sotto/whisper-demo'
    const answer = await one.fetch(path, { method: 'POST', ...jsonBody({ URL: url }) })
    expect([answer.status, await answer.json()]).toMatchObject([200, { response: { language: 'en' } }])
  })

  test('OpenAI’s route tells of windows that another process transcribes, of a recording that came without a length', async () => {
    const client = new OpenAI({ baseURL: `${one.base}/v1`, apiKey: KEY, maxRetries: 0 })
    const asked = { file: createReadStream(MINUTE), model: 'whisper-1', stream: true } as const
    const { data, response } = await client.audio.transcriptions.create(asked).withResponse()
    const events = await Array.fromAsync(data)
    const deltas = events.flatMap((event) => (event.type === 'transcript.text.delta' ? [event.delta] : []))
    expect(deltas.length).toBeGreaterThan(1)
    expect(events.at(-1)).toEqual({ type: 'transcript.text.done', text: deltas.join('') })
    const id = response.headers.get('x-sotto-job-id')
    expect((await two.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })).status).toBe(204)
  })

  test('a recording elsewhere is fetched by a worker; when that dies, by another one', async () => {
    const clip = await readFile(SHORT)
    let requests = 0
    let answer = (response: ServerResponse): void => void response.writeHead(200).write('R')
    const files = createServer((_request, response) => {
      requests += 1
      answer(response)
    })
    files.listen(0, '127.0.0.1')
    await once(files, 'listening')
    const address = files.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/talk.wav`
    await using own = await Cluster.start()
    const environment = { SOTTO_FETCH_ALLOW: '127.0.0.1' }
    const api = own.client(await own.process('api', { environment }))
    const dying = await own.process('worker', { environment })
    const { id } = await api.submit(url)
    await expect.poll(() => requests).toBe(1)
    await dying.end('SIGKILL')
    answer = (response) => void response.end(clip)
    await own.process('worker', { environment })
    expect(await api.finish(id)).toMatchObject({ status: 'success', result: { language: 'en' } })
    expect(requests).toBe(2)
    files.close()
  })

  test('a cancellation reaches the worker of another process before its next heartbeat', async () => {
    await using own = await cluster.beside()
    // A heartbeat would tell it too, but for hours there is none.
    const environment = { SOTTO_LEASE: '3600' }
    const api = own.client(await own.process('api', { environment }))
    const worker = await own.process('worker', { environment, arguments: ['--log-level', 'debug'] })
    const { id } = await api.submit(await api.upload(MINUTE), { input: { sample_len: 8 } })
    await untilWindows(worker, id, 1)
    await api.fetch(`/v1/async/requests/${id}/cancel`, { method: 'POST' })
    expect((await api.finish(id)).status).toBe('cancelled')
  })

  test('a key that is revoked by another process is refused soon', async () => {
    await using folder = await temporaryFolder()
    const environment = cluster.environment
    const made = await sotto(['keys', 'create', 'guest'], { cwd: folder.path, environment })
    const guest = new Client(one.base, made.stdout.trim())
    expect((await guest.fetch('/v1/models')).status).toBe(200)
    const [, id = ''] = /Key (\S+) /.exec(made.stderr) ?? []
    await sotto(['keys', 'revoke', id], { cwd: folder.path, environment })
    await expect.poll(async () => (await guest.fetch('/v1/models')).status).toBe(401)
  })

  test('ten processes that start at once on an empty database bring its schema up to date once', async () => {
    await using folder = await temporaryFolder()
    const environment = { ...cluster.environment, DATABASE_URL: await cluster.postgres.createDatabase() }
    const runs = Array.from({ length: 10 }, () => sotto(['migrate'], { cwd: folder.path, environment }))
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(10).fill(0))
  })

  test('a schema that a newer version has changed in a compatible way is no reason not to start; another one is', async () => {
    await using folder = await temporaryFolder()
    const environment = { ...cluster.environment, DATABASE_URL: await cluster.postgres.createDatabase() }
    await sotto(['migrate'], { cwd: folder.path, environment })
    await using database = await openPostgres(environment.DATABASE_URL)
    await sql`alter table jobs add column of_the_future text`.execute(database)
    await sql`insert into schema_migrations (version, compatible_from) values (999, 1)`.execute(database)
    {
      await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
      const client = new Client(server.url, KEY)
      const { id } = await client.submit(await client.upload(SHORT))
      expect((await client.poll(id)).status).toBe('pending')
    }
    await sql`update schema_migrations set compatible_from = 999 where version = 999`.execute(database)
    const refused = await sotto(['api'], { cwd: folder.path, environment })
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('newer version')])
  })

  test('a half alone says what it needs', async () => {
    await using folder = await temporaryFolder()
    const without = await sotto(['worker'], { cwd: folder.path })
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('DATABASE_URL')])
    const environment = { ...cluster.environment, SOTTO_PAYLOADS: 'folder' }
    const onFolder = await sotto(['api'], { cwd: folder.path, environment })
    expect([onFolder.code, onFolder.stderr]).toEqual([2, expect.stringContaining('SOTTO_PAYLOADS')])
  })

  test('a worker whose process is killed loses its jobs to another one within a lease', async () => {
    await using own = await cluster.beside()
    const api = own.client(await own.process('api'))
    const first = await own.process('worker')
    const { id } = await api.submit(await api.upload(MINUTE))
    await api.waitFor(id, (job) => job.status === 'processing')
    // Or it would be done before the second one has started.
    process.kill(first.pid, 'SIGSTOP')
    const second = await own.process('worker')
    await first.end('SIGKILL')
    expect((await api.finish(id)).status).toBe('success')
    expect(second.output).toContain(id)
  })

  test('a worker that is asked to stop gives its job to another one at once, and no attempt counts as a crash', async () => {
    await using own = await cluster.beside()
    const environment = { SOTTO_LEASE: '600' }
    const api = own.client(await own.process('api', { environment }))
    const first = await own.process('worker', { environment })
    const { id } = await api.submit(await api.upload(MINUTE))
    await api.waitFor(id, (job) => job.status === 'processing')
    await own.process('worker', { environment })
    expect(await first.end('SIGTERM')).toBe(0)
    expect((await api.finish(id)).status).toBe('success')
  })

  test('workers take the tiers and models that they are for', async () => {
    await using own = await cluster.beside()
    const api = own.client(await own.process('api'))
    await own.process('worker', { arguments: ['--tier', 'gpuflex', '--models', 'sotto/whisper-demo'] })
    const url = await api.upload(SHORT)
    const forCpu = await api.submit(url)
    const forOther = await api.submit(url, { serviceTier: 'gpuflex', model: 'openai/whisper-tiny' })
    const forIt = await api.submit(url, { serviceTier: 'gpuflex' })
    expect((await api.finish(forIt.id)).status).toBe('success')
    expect([(await api.poll(forCpu.id)).status, (await api.poll(forOther.id)).status]).toEqual(['pending', 'pending'])
  })

  test('a database that goes away is 503 with Retry-After; when it is back, everything goes on without a restart', async () => {
    await using own = await Cluster.start()
    const server = await own.process('api')
    const api = own.client(server)
    await own.process('worker')
    const url = await api.upload(SHORT)
    const before = await api.submit(url)
    await own.postgres.kill()
    const refused = await api.fetch(`/v1/async/requests/${before.id}`)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    await own.postgres.restart()
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect((await api.finish(before.id)).status).toBe('success')
    expect((await api.transcribe(SHORT)).status).toBe('success')
  })

  test('behind a proxy that lets no notifications through, jobs and cancellations still arrive', async () => {
    const { port } = new URL(cluster.databaseUrl)
    await using proxy = await DeafProxy.start(Number(port))
    const environment = { DATABASE_URL: proxy.through(cluster.databaseUrl) }
    const server = await cluster.process('api', { environment })
    const deaf = cluster.client(server)
    const { id } = await deaf.submit(await deaf.upload(MINUTE))
    await deaf.waitFor(id, (job) => job.status === 'processing')
    await deaf.fetch(`/v1/async/requests/${id}/cancel`, { method: 'POST' })
    expect((await deaf.finish(id)).status).toBe('cancelled')
    expect(server.output).toContain('does not come by LISTEN')
  })

  test('connections to the database that are cut in the middle cost no acknowledged job', async () => {
    const { hostname: host, port } = new URL(cluster.databaseUrl)
    await using proxy = await UnreliableProxy.start({ host, port: Number(port) })
    const environment = { DATABASE_URL: proxy.through(cluster.databaseUrl) }
    const cut = cluster.client(await cluster.process('api', { environment }))
    const url = await one.upload(SHORT)
    const ids: string[] = []
    for (let n = 0; n < 10; n++) {
      proxy.become({ kind: n % 3 === 2 ? 'drop' : 'pass' })
      await cut.submit(url).then(
        ({ id }) => ids.push(id),
        () => undefined,
      )
    }
    proxy.become({ kind: 'pass' })
    expect(ids.length).toBeGreaterThan(0)
    for (const id of ids) expect((await two.finish(id)).status).toBe('success')
  })
})

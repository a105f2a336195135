import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'

const CLIP = fixture('en-short.wav')
const SECRET = 'a-secret-of-the-environment'

const withAuthorization = (url: string, authorization: string): Promise<Response> =>
  fetch(url, { headers: { authorization } })

describe('a poll URL', () => {
  test('counts whatever the Authorization header says; a wrong one does not', async () => {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path })
    const key = server.newKey ?? ''
    const client = new Client(server.url, key)
    const { stdout } = await sotto(['keys', 'create', 'other', '--data-dir', folder.path], { cwd: folder.path })
    const { urls } = await client.submit(await client.upload(CLIP))
    const tampered = urls.GET.replace('signature=', 'signature=x')
    for (const authorization of ['Basic dTpw', 'Bearer my-own-token', 'Negotiate', `Bearer ${stdout.trim()}`]) {
      expect((await withAuthorization(urls.GET, authorization)).status).toBe(200)
    }
    for (const authorization of ['Basic dTpw', 'Bearer my-own-token']) {
      const answer = await withAuthorization(tampered, authorization)
      expect(answer.status).toBe(403)
      expect(await answer.json()).toMatchObject({ message: expect.stringMatching(/signature/) })
    }
    // A key opens what a broken signature does not: its own jobs.
    expect((await withAuthorization(tampered, `Bearer ${key}`)).status).toBe(200)
    expect((await withAuthorization(tampered, `Bearer ${stdout.trim()}`)).status).toBe(404)
  })
})

describe('signed URLs end with their key', () => {
  test('when it is revoked: polls and uploads, on the next request', async () => {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path })
    const created = await sotto(['keys', 'create', 'short-lived', '--data-dir', folder.path], { cwd: folder.path })
    const id = /Key (\S+)/.exec(created.stderr)?.[1] ?? ''
    const client = new Client(server.url, created.stdout.trim())
    const { urls } = await client.submit(await client.upload(CLIP))
    const upload = await client.uploadUrl('wav')
    expect((await fetch(urls.GET)).status).toBe(200)
    await sotto(['keys', 'revoke', id, '--data-dir', folder.path], { cwd: folder.path })
    const tus = { 'tus-resumable': '1.0.0' }
    for (const answer of [
      await fetch(urls.GET),
      await fetch(upload, { method: 'PUT', body: await readFile(CLIP) }),
      await fetch(upload, { method: 'DELETE', headers: tus }),
    ]) {
      expect(answer.status).toBe(403)
      expect(await answer.json()).toMatchObject({ message: expect.stringMatching(/revoked/) })
    }
    expect((await fetch(upload, { method: 'HEAD', headers: tus })).status).toBe(403)
  })

  test("when the environment's secret is replaced, while its jobs and uploads stay its owner's", async () => {
    await using folder = await temporaryFolder()
    const start = (secret: string) => Server.start({ dataDir: folder.path, environment: { SOTTO_API_KEY: secret } })
    const before = await start(SECRET)
    const client = new Client(before.url, SECRET)
    const { id, urls } = await client.submit(await client.upload(CLIP))
    const [uploaded, unused] = [await client.upload(CLIP), await client.uploadUrl('wav')]
    await before.end('SIGTERM')

    await using after = await start(`${SECRET}-2`)
    const moved = (url: string): string => url.replace(before.url, after.url)
    const owner = new Client(after.url, `${SECRET}-2`)
    expect((await fetch(moved(urls.GET))).status).toBe(403)
    expect((await fetch(moved(unused), { method: 'PUT', body: 'x' })).status).toBe(403)
    expect((await owner.poll(id)).id).toBe(id)
    const again = await owner.submit(uploaded)
    expect((await fetch(again.urls.GET)).status).toBe(200)
  })
})

test('a start without SOTTO_API_KEY leaves its key alone, says so, and sotto keys revoke ends it', async () => {
  await using folder = await temporaryFolder()
  const first = await Server.start({ dataDir: folder.path, environment: { SOTTO_API_KEY: SECRET } })
  await first.end('SIGTERM')
  await using server = await Server.start({ dataDir: folder.path })
  const client = new Client(server.url, SECRET)
  expect(server.newKey).toBeUndefined()
  expect((await client.fetch('/v1/models')).status).toBe(200)
  expect(server.output).toContain('sotto keys revoke environment')
  const { code } = await sotto(['keys', 'revoke', 'environment', '--data-dir', folder.path], { cwd: folder.path })
  expect(code).toBe(0)
  expect((await client.fetch('/v1/models')).status).toBe(401)
})

test('the first key that is made after another one was revoked does not see its jobs', async () => {
  await using folder = await temporaryFolder()
  const first = await Server.start({ dataDir: folder.path })
  const client = new Client(first.url, first.newKey ?? '')
  const { id } = await client.submit(await client.upload(CLIP))
  await first.end('SIGTERM')
  const { stdout } = await sotto(['keys', 'list', '--data-dir', folder.path], { cwd: folder.path })
  await sotto(['keys', 'revoke', stdout.split(' ')[0] ?? '', '--data-dir', folder.path], { cwd: folder.path })
  await using second = await Server.start({ dataDir: folder.path })
  const next = new Client(second.url, second.newKey ?? '')
  expect((await next.fetch(`/v1/async/requests/${id}`)).status).toBe(404)
  expect(await next.json(200, '/v1/async/requests')).toEqual({ requests: [], next: null, previous: null })
})

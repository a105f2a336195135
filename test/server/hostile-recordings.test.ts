import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Cluster } from '../support/cluster.ts'
import { NEEDS_POSTGRES, hasPostgres } from '../support/postgres.ts'
import { isAlive } from '../support/process-tree.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const KEY = 'a-key-that-every-start-is-given'
const SHORT = fixture('en-short.wav')

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const box = (type: string, ...body: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(body)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(content.length + 8)
  return Buffer.concat([size, bytes(type), content])
}

const element = (id: string, ...body: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(body)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(content.length + 0x1000_0000)
  return Buffer.concat([hex(id), size, content])
}
/** Seven bits a byte, as ID3 has it. */
const synchsafe = (size: number): Buffer => Buffer.from([21, 14, 7, 0].map((shift) => (size >> shift) & 0x7f))
const id3 = (content: Buffer): Buffer => Buffer.concat([bytes('ID3\x04\0\0'), synchsafe(content.length), content])

const matroska = (...segment: readonly Buffer[]): Buffer =>
  Buffer.concat([element('1a45dfa3', element('4282', bytes('matroska'))), element('18538067', ...segment)])
const GENRES = Buffer.concat([bytes('\0'), Buffer.alloc(100_000, 'a\0')])

/** Headers that ended a server, or stopped it for as long as one likes, when it read them by itself. */
const HOSTILE: Readonly<Record<string, Buffer>> = {
  // The place of what is sought lies beyond what a double can count to.
  'seek-beyond.mkv': matroska(
    element('114d9b74', element('4dbb', element('53ab', hex('1c53bb6b')), element('53ac', hex('ffffffffffffff00')))),
    element('1f43b675', element('e7', hex('00'))),
  ),
  // Four billion samples, each of no bytes.
  'samples.m4a': Buffer.concat([
    box('ftyp', bytes('M4A '), Buffer.alloc(4)),
    box('moof', box('traf', box('tfhd', hex('00000000 00000001')), box('trun', hex('00000000 ffffffff 00000000')))),
  ]),
  // Texts of zeros, and many texts in one: by regular expressions or by joining lists, quadratic.
  'zeros.mkv': matroska(element('1549a966', element('7ba9', Buffer.alloc(100_000), bytes('\n')))),
  'genres.mp3': id3(Buffer.concat([bytes('TCON'), synchsafe(GENRES.length), bytes('\0\0'), GENRES])),
  // Empty chunks to the end.
  'chunks.wav': Buffer.concat([bytes('RIFF\xff\xff\xff\x7fWAVE'), Buffer.alloc(2 ** 24)]),
}

async function submitBytes(client: Client, folder: string, name: string, content: Buffer) {
  const path = join(folder, name)
  await writeFile(path, content)
  return await client.submit(await client.upload(path))
}

/** A new upload each time: a length is remembered. */
async function lengthOfGood(client: Client): Promise<unknown> {
  return await client.submit(await client.upload(SHORT))
}

describe('recordings with hostile headers', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: Server
  let client: Client
  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await Server.start({ dataDir: folder.path, environment: { SOTTO_API_KEY: KEY } })
    client = new Client(server.url, KEY)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  test.each(Object.entries(HOSTILE))(
    '%s: accepted, with a length guessed from its size, and nothing else happens',
    async (name, content) => {
      const job = await submitBytes(client, folder.path, name, content)
      expect(job).toMatchObject({ audioSeconds: Math.max(1, content.length / 16_000) })
      expect((await client.fetch('/healthz')).status).toBe(200)
      await expect.poll(() => lengthOfGood(client)).toMatchObject({ audioSeconds: 3.04 })
    },
  )

  test('while one of them is read, the server answers others', async () => {
    const chunks = submitBytes(client, folder.path, 'chunks.wav', HOSTILE['chunks.wav'] ?? Buffer.alloc(0))
    for (let left = 5; left > 0; left--) expect((await client.fetch('/healthz')).status).toBe(200)
    await expect.poll(() => lengthOfGood(client)).toMatchObject({ audioSeconds: 3.04 })
    await chunks
  })

  test('the sound behind a picture of twelve megabytes has its length from the submit on', async () => {
    const recording = Buffer.concat([id3(Buffer.alloc(12 * 2 ** 20, 0xff)), readFileSync(fixture('es-long.mp3'))])
    const submit = () => submitBytes(client, folder.path, 'picture.mp3', recording)
    await expect.poll(submit).toMatchObject({ audioSeconds: expect.closeTo(44.23, 1) as unknown })
  })

  test('a probe that was killed is started again', async () => {
    const [pid = 0] = await server.probes()
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => isAlive(pid)).toBe(false)
    await expect.poll(() => lengthOfGood(client)).toMatchObject({ audioSeconds: 3.04 })
    expect(await server.probes()).not.toContain(pid)
  })
})

test('kill -9 of a server ends its probes', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_API_KEY: KEY } })
  const probes = await server.probes()
  expect(probes).toHaveLength(1)
  await server.end('SIGKILL')
  await expect.poll(async () => (await Promise.all(probes.map(isAlive))).includes(true)).toBe(false)
})

test.skipIf(!hasPostgres)(
  `in a cluster they are read by ranges of the S3, and end no server${NEEDS_POSTGRES}`,
  async () => {
    await using folder = await temporaryFolder()
    await using cluster = await Cluster.start()
    const servers = await Promise.all([cluster.process('api'), cluster.process('api')])
    for (const server of servers) {
      const client = cluster.client(server)
      for (const [name, content] of Object.entries(HOSTILE)) {
        const job = await submitBytes(client, folder.path, name, content)
        expect(job).toMatchObject({ audioSeconds: Math.max(1, content.length / 16_000) })
      }
      expect((await client.fetch('/healthz')).status).toBe(200)
      await expect.poll(() => lengthOfGood(client)).toMatchObject({ audioSeconds: 3.04 })
    }
  },
)

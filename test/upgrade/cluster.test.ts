import { Readable } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { NEEDS_POSTGRES, hasPostgres } from '../support/postgres.ts'
import { BUCKET } from '../support/s3.ts'
import { S3Object } from '../support/s3-memory.ts'
import type { Server } from '../support/server.ts'
import {
  expectEnd,
  expectOnlyWindowsBehind,
  expectReplayed,
  expectSubmittable,
  jobsThatStay,
  storedResult,
} from './expectations.ts'
import { bytesOf, madeNow, readFixture, requireNamed, versions } from './fixture.ts'
import type { UpgradeFixture } from './fixture.ts'
import { Visitor } from './visitor.ts'

/** What the servers that were killed had left, as if the leases that they held had run out right now. */
async function layOut({ databaseUrl, s3 }: Cluster, fixture: UpgradeFixture, sql: string): Promise<void> {
  for (const [key, stored] of Object.entries(fixture.payloads)) {
    await s3.bucket.putObject(new S3Object(BUCKET, key, Readable.from([bytesOf(stored)]), {}))
  }
  for (const [id, { key, parts }] of Object.entries(fixture.parts)) {
    await s3.bucket.initiateUpload(BUCKET, key, id, {})
    for (const [index, part] of parts.entries()) {
      await s3.bucket.putPart(BUCKET, id, String(index + 1), Readable.from([bytesOf(part)]))
    }
  }
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(sql)
  await client.query(madeNow(fixture))
  await client.end()
}

describe.skipIf(!hasPostgres).each(versions())(
  `a PostgreSQL and an S3 of %s, opened by this version${NEEDS_POSTGRES}`,
  (version) => {
    let cluster: Cluster
    let fixture: UpgradeFixture
    let sql: string
    let worker: Server
    let visitor: Visitor
    beforeAll(async () => {
      ;({ fixture, sql } = await readFixture(version, 'cluster'))
      cluster = await Cluster.start()
      await layOut(cluster, fixture, sql)
      const { url } = await cluster.process('api')
      visitor = new Visitor(url, requireNamed(fixture.keys, 'environment'))
      worker = await cluster.process('worker', {
        environment: { SOTTO_LOG_LEVEL: 'debug', SOTTO_PRECISION: 'f32' },
      })
    })
    afterAll(() => cluster[Symbol.asyncDispose]())

    /** The S3 has another port than it had; what it was asked to sign counts for it alone. */
    const upload = (name: string): string => cluster.s3.url + requireNamed(fixture.uploads, name)

    test('goes on with each job to its end', async () => {
      const other = new Visitor(visitor.client.base, requireNamed(fixture.keys, 'second'))
      const names = jobsThatStay(fixture)
      expect(names).toHaveLength(10)
      for (const name of names) await expectEnd(name, fixture, name === 'cancelling' ? other : visitor)
    })

    test('decodes no window again that was kept', () => {
      expectOnlyWindowsBehind(worker, requireNamed(fixture.jobs, 'running').id, sql)
    })

    test('has kept the results', async () => {
      const { id } = requireNamed(fixture.jobs, 'long')
      expect((await visitor.client.poll(id)).result).toEqual(storedResult(fixture, 'long'))
    })

    test('knows what was asked for with an idempotency key', async () => {
      await expectReplayed(fixture, visitor, requireNamed(fixture.uploads, 'sentTwice'))
    })

    test('takes a submit of what was uploaded before', async () => {
      await expectSubmittable(fixture, visitor, upload('whole'))
    })

    test('puts together what was uploaded in parts before', async () => {
      await expectSubmittable(fixture, visitor, upload('inParts'))
    })

    test('removes what was to be removed', async () => {
      const { id } = requireNamed(fixture.jobs, 'stuck')
      const [, stuck = ''] = /'(uploads\/[^']+)'/.exec(sql.slice(sql.indexOf('insert into garbage'))) ?? []
      expect(Object.keys(fixture.payloads)).toEqual(
        expect.arrayContaining([`sotto/${stuck}`, expect.stringContaining(`results/${id}/`)]),
      )
      const left = (): readonly string[] =>
        cluster.s3.contents.filter((key) => key.includes(stuck) || key.includes(`results/${id}/`))
      await expect.poll(left).toEqual([])
    })
  },
)

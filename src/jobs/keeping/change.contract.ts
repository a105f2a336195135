import { describe, expect, test } from 'vitest'
import { jobIn, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { NewJob } from '../job-store.ts'
import { submitted } from '../new-job.fixture.ts'
import { UnsubmittedUploads } from './unsubmitted-uploads.ts'

/** What users call their jobs, and change of them: a part of the contract of `JobStore`. */
export function describeChanges(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: a job that nobody has named`, () => {
    test('is called as its recording is, by who uploaded it or by another job that has it', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const [payloadKey, other] = ['uploads/1.mp3', 'uploads/2.mp3']
      const uploads = new UnsubmittedUploads(database)
      await uploads.record(payloadKey, 'key-1', { bytes: 1, name: 'Of the upload.mp3' })
      await uploads.record(other, 'key-1', { bytes: 1, name: null })
      const named = async (given: Partial<NewJob>) => (await submitted(store, given)).name
      expect(await named({ payloadKey, name: 'Of the job.mp3' })).toBe('Of the job.mp3')
      expect(await named({ payloadKey })).toBe('Of the job.mp3')
      await uploads.record(payloadKey, 'key-1', { bytes: 1, name: 'Of the upload.mp3' })
      expect(await named({ payloadKey })).toBe('Of the upload.mp3')
      expect(await named({ payloadKey: other })).toBeNull()
      const { jobs } = await store.list('key-1', { limit: 9, text: 'OF THE' })
      expect(jobs.map((job) => job.name)).toEqual(['Of the upload.mp3', 'Of the job.mp3', 'Of the job.mp3'])
    })
  })

  describe(`${name}: change`, () => {
    test('changes what it names, and lists know of it', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { jobId } = await jobIn(store, 'success')
      const before = await store.find(jobId)
      const expiresAt = new Date('2091-01-02T03:04:05.678Z')
      const changes = { name: 'A talk.mp3', metadata: { a: '1', b: '2' }, expiresAt, removeAfterSeconds: 60 }
      const changed = await store.change(jobId, () => changes)
      expect(changed).toEqual({ ...before, ...changes })
      expect(await store.find(jobId)).toEqual(changed)
      await store.change(jobId, ({ metadata }) => ({ metadata: { ...metadata, a: '3' } }))
      expect(await store.find(jobId)).toEqual({ ...changed, metadata: { a: '3', b: '2' } })
      const ids = async (filter: object) =>
        (await store.list('key-1', { limit: 9, ...filter })).jobs.map(({ id }) => id)
      expect(await ids({ metadata: { a: '1' } })).toEqual([])
      expect(await ids({ metadata: { a: '3', b: '2' } })).toEqual([jobId])
      expect(await ids({ text: 'TALK' })).toEqual([jobId])
      await store.change(jobId, () => ({ name: null, metadata: {}, expiresAt: null, removeAfterSeconds: null }))
      expect(await store.find(jobId)).toEqual(before)
      expect([await ids({ metadata: { a: '3' } }), await ids({ text: 'talk' })]).toEqual([[], []])
    })

    test('of a running job takes nothing from its lease', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.change(lease.jobId, () => ({ name: 'x' }))
      expect(await store.succeed(lease, 'results/1.json')).toBe(true)
      expect(await store.find(lease.jobId)).toMatchObject({ status: 'success', name: 'x' })
    })

    test('by many at once loses none', async () => {
      await using fixture = await open()
      const { store } = fixture
      const other = await fixture.connect()
      const { id } = await submitted(store)
      const keys = Array.from({ length: 10 }, (_, n) => `key ${n}`)
      await Promise.all(
        keys.map((key, n) =>
          (n % 2 === 0 ? store : other).change(id, ({ metadata }) => ({ metadata: { ...metadata, [key]: 'x' } })),
        ),
      )
      expect(Object.keys((await store.find(id))?.metadata ?? {}).toSorted()).toEqual(keys)
    })

    test('that is refused leaves the job as it is; of one that is not there is none', async () => {
      await using fixture = await open()
      const { store } = fixture
      const job = await submitted(store, { name: 'x' })
      const refuse = (): never => {
        throw new Error('refused')
      }
      await expect(store.change(job.id, refuse)).rejects.toThrow('refused')
      expect(await store.find(job.id)).toEqual(job)
      expect(await store.change('no-such-job', refuse)).toBeUndefined()
    })
  })
}

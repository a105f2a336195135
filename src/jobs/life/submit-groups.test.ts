import { expect, test } from 'vitest'
import { JobStoreError } from '../errors.ts'
import { newJob } from '../new-job.fixture.ts'
import type { Job } from '../job.ts'
import type { NewJob } from '../job-store.ts'
import type { Outcome } from './submit.ts'
import { SubmitGroups } from './submit-groups.ts'

/** Of these tests, only the id counts. */
function done({ id }: NewJob): Outcome {
  return { job: { id } as Job, isNew: true }
}

const submitAll = (groups: SubmitGroups, jobs: readonly NewJob[]) =>
  Promise.allSettled(jobs.map((job) => groups.add(job)))

test('jobs that come together are committed together, a hundred at most, and each gets its own', async () => {
  const sizes: number[] = []
  const groups = new SubmitGroups(async (jobs) => {
    sizes.push(jobs.length)
    return jobs.map((job) => done(job))
  })
  const jobs = Array.from({ length: 230 }, () => newJob())
  const submitted = await Promise.all(jobs.map((job) => groups.add(job)))
  expect(submitted.map(({ job }) => job.id)).toEqual(jobs.map(({ id }) => id))
  expect(sizes).toEqual([100, 100, 30])
})

test('jobs that come while a group is committed are the next one', async () => {
  const committing = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const sizes: number[] = []
  const groups = new SubmitGroups(async (jobs) => {
    sizes.push(jobs.length)
    begun.resolve()
    await committing.promise
    return jobs.map((job) => done(job))
  })
  const first = groups.add(newJob())
  await begun.promise
  const others = submitAll(groups, [newJob(), newJob(), newJob()])
  committing.resolve()
  await Promise.all([first, others])
  expect(sizes).toEqual([1, 3])
  await groups.add(newJob())
  expect(sizes).toEqual([1, 3, 1])
})

test('a job that the database refuses is no error of those beside it', async () => {
  const [refused, other, another] = [newJob(), newJob(), newJob()]
  const groups = new SubmitGroups(async (jobs) => {
    if (jobs.includes(refused)) throw new JobStoreError('store.refused', 'A trigger refuses it.')
    return jobs.map((job) => done(job))
  })
  const [one, two, three] = await submitAll(groups, [other, refused, another])
  expect(one).toMatchObject({ status: 'fulfilled', value: { job: { id: other.id } } })
  expect(two).toMatchObject({ status: 'rejected', reason: { code: 'store.refused' } })
  expect(three).toMatchObject({ status: 'fulfilled', value: { job: { id: another.id } } })
})

test('a database that does not answer is the error of all, and is asked once', async () => {
  let asked = 0
  const groups = new SubmitGroups(async () => {
    asked += 1
    throw new JobStoreError('store.unavailable', 'The database does not answer.')
  })
  const outcomes = await submitAll(groups, [newJob(), newJob()])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(asked).toBe(1)
})

test('a job of a group may be refused for itself', async () => {
  const [full, other] = [newJob(), newJob()]
  const error = new JobStoreError('store.refused', 'Its key has too many.')
  const groups = new SubmitGroups(async (jobs) => jobs.map((job) => (job === full ? error : done(job))))
  const outcomes = await submitAll(groups, [full, other])
  expect(outcomes).toMatchObject([{ status: 'rejected', reason: error }, { status: 'fulfilled' }])
})

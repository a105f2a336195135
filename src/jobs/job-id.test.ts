import { expect, test } from 'vitest'
import { newJobId } from './job-id.ts'

test('ids grow, however many are made in one millisecond, and are UUIDs of version 7', () => {
  const ids = Array.from({ length: 20_000 }, () => newJobId())
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
})

test('ids begin with the time', () => {
  const before = Date.now()
  const written = Number.parseInt(newJobId().slice(0, 13).replace('-', ''), 16)
  // Many in one millisecond run ahead of it.
  expect(written).toBeGreaterThanOrEqual(before)
  expect(written).toBeLessThan(Date.now() + 60_000)
})

import { expect } from 'vitest'
import type { JobBody } from '../support/client.ts'
import { windowsOf } from '../support/window-log.ts'
import type { Server } from '../support/server.ts'
import { requireNamed } from './fixture.ts'
import type { UpgradeFixture } from './fixture.ts'
import { IDEMPOTENCY_KEY } from './visitor.ts'
import type { Visitor } from './visitor.ts'

/** How each of the jobs ends, and whose result it then has: the version before made that. */
const ENDS: Readonly<Record<string, readonly [status: string, resultOf?: string]>> = {
  success: ['success', 'success'],
  long: ['success', 'long'],
  undisturbed: ['success', 'undisturbed'],
  failed: ['failed'],
  cancelled: ['cancelled'],
  cancelling: ['cancelled'],
  running: ['success', 'undisturbed'],
  express: ['success', 'success'],
  ordinary: ['success', 'long'],
  crashed: ['success', 'success'],
  deferred: ['success', 'long'],
}
/** They are gone, or go. */
const GONE = ['removed', 'stuck', 'expiring']

export function jobsThatStay({ jobs }: UpgradeFixture): readonly string[] {
  return Object.keys(jobs).filter((name) => !GONE.includes(name))
}

export async function expectEnd(name: string, fixture: UpgradeFixture, visitor: Visitor): Promise<void> {
  const { id } = requireNamed(fixture.jobs, name)
  const [status, resultOf] = requireNamed(ENDS, name)
  const job = await visitor.client.finish(id)
  expect(job).toMatchObject({ id, status })
  expect(job.error?.code).toBe(status === 'failed' ? 'audio.not_media' : undefined)
  expect(job.result).toEqual(resultOf === undefined ? null : storedResult(fixture, resultOf))
}

/** A result as the version before stored it. */
export function storedResult({ jobs, payloads }: UpgradeFixture, name: string): JobBody['result'] {
  const { id } = requireNamed(jobs, name)
  const [, stored] = Object.entries(payloads).find(([key]) => key.includes(`results/${id}/`)) ?? []
  if (stored === undefined || !('text' in stored)) throw new Error(`the fixture has no result of ${name}`)
  return JSON.parse(stored.text) as JobBody['result']
}

/** Those behind what had been kept, and no others, in their order to the end. */
export function expectOnlyWindowsBehind(server: Server, id: string, sql: string): void {
  const kept = [...sql.matchAll(/^insert into job_windows \([^)]*\).* values \('([\da-f-]+)'/gm)].filter(
    ([, job]) => job === id,
  ).length
  expect(kept).toBeGreaterThan(2)
  const windows = windowsOf(server, id)
  expect(windows.length).toBeGreaterThan(0)
  expect(windows).toEqual(windows.map((_, index) => kept + index))
}

export async function expectReplayed({ jobs }: UpgradeFixture, visitor: Visitor, url: string): Promise<void> {
  expect(await visitor.submit('again', { url, idempotencyKey: IDEMPOTENCY_KEY })).toBe(requireNamed(jobs, 'success').id)
}

/** An upload of the short recording that was begun, or finished, with the version before. */
export async function expectSubmittable(fixture: UpgradeFixture, visitor: Visitor, url: string): Promise<void> {
  const job = await visitor.client.finish(await visitor.submit('uploaded', { url }))
  expect(job.result).toEqual(storedResult(fixture, 'success'))
}

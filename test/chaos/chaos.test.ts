import { describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres } from '../support/postgres.ts'
import { clusterChaos } from './cluster-chaos.ts'
import { embeddedChaos } from './embedded-chaos.ts'
import { restoredChaos } from './restored-chaos.ts'

/** Always the same choices; `npm run chaos` makes others, for longer. */
const OPTIONS = { seconds: 12, clients: 3, seed: 1, pauseMs: 2000 }
const CLEAN = { losses: [], takenForPoison: 0, leftOver: [], unexpectedErrors: [] }

describe('while things go wrong at random, no acknowledged job is lost, and nothing is left over', () => {
  test('embedded', { timeout: 400_000 }, async () => {
    const report = await embeddedChaos(OPTIONS)
    expect(report).toMatchObject(CLEAN)
    expect(report.acknowledged).toBeGreaterThan(0)
  })

  test('embedded, and the database is restored from a backup', async () => {
    expect(await restoredChaos(OPTIONS)).toMatchObject(CLEAN)
  })

  test.skipIf(!hasPostgres)(`on PostgreSQL and S3${NEEDS_POSTGRES}`, { timeout: 400_000 }, async () => {
    const report = await clusterChaos(OPTIONS)
    expect(report).toMatchObject(CLEAN)
    expect(report.acknowledged).toBeGreaterThan(0)
  })
})

import { describe, expect, test } from 'vitest'
import { SCOPES } from '../../contract/scope.ts'
import type { Database } from '../../jobs/sql/dialect.ts'
import type { KeyRules } from './api-key.ts'
import { ApiKeys } from './api-keys.ts'

export interface KeysFixture extends AsyncDisposable {
  readonly database: Database
  /** The keys by another connection, as another server has them. */
  readonly connect: () => Promise<ApiKeys>
}

const LATER = new Date('2199-01-01T00:00:00.000Z')
const RULES: Omit<KeyRules, 'name'> = {
  scopes: ['read'],
  models: ['openai/whisper-small', 'whisper-1'],
  expiresAt: LATER,
  limits: { queuedJobs: 5, runningJobs: null, requestsPerMinute: 60 },
}

/** What the keys in a database can do, whichever it is. */
export function describeKeys(name: string, open: () => Promise<KeysFixture>): void {
  describe(`${name}: the rules of a key`, () => {
    test('are kept as they were given, and are the usual ones otherwise', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const { secret, ...usual } = await keys.create('usual')
      expect(usual).toMatchObject({ scopes: ['transcribe', 'read'], models: null, expiresAt: null, limits: {} })
      const { secret: other, ...key } = await keys.create('other', RULES)
      expect(key).toMatchObject(RULES)
      expect([await keys.verify(secret), await keys.verify(other)]).toEqual([usual, key])
      expect([await keys.find(key.id), await keys.get(key.id)]).toEqual([key, key])
      expect(await keys.list()).toEqual([usual, key])
    })

    test('change one by one, at once for whoever asks here', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const { secret, ...key } = await keys.create('key', RULES)
      await keys.verify(secret)
      expect(await keys.update(key.id, {})).toEqual(key)
      const changes = [
        { name: 'another' },
        { scopes: ['admin'] },
        { models: null },
        { expiresAt: null },
        { limits: { audioSecondsPerDay: 9 } },
      ] as const satisfies readonly Partial<KeyRules>[]
      let expected: typeof key = key
      for (const change of changes) {
        expected = { ...expected, ...change, ...('scopes' in change ? { scopes: SCOPES } : {}) }
        expect(await keys.update(key.id, change)).toEqual(expected)
        expect(await keys.verify(secret)).toEqual(expected)
      }
      expect(await keys.update('another', { name: 'x' })).toBeUndefined()
    })

    test('end with their time: no URL that was signed for the key holds any more', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const { id, secret } = await keys.create('key')
      expect(await keys.generation(id)).toBe('')
      await keys.update(id, { expiresAt: new Date(Date.now() - 1) })
      expect(await keys.generation(id)).toBeUndefined()
      // Whoever asks is told that it has expired, not that there never was one.
      expect((await keys.verify(secret))?.id).toBe(id)
    })

    test('of the environment’s are what the environment says', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      await keys.setEnvironmentKey('a-secret-that-a-person-chose')
      expect((await keys.find('environment'))?.scopes).toEqual(['transcribe', 'read'])
      await keys.setEnvironmentKey('a-secret-that-a-person-chose', ['admin'])
      expect((await keys.find('environment'))?.scopes).toEqual(SCOPES)
      const { id, secret } = await keys.create('made', { scopes: ['read'] })
      await keys.setEnvironmentKey(secret, ['admin'])
      expect((await keys.verify(secret))?.scopes).toEqual(['read'])
      expect((await keys.list()).map((key) => key.id)).toEqual([id])
    })

    test('let the first key administer', async () => {
      await using fixture = await open()
      const first = await new ApiKeys(fixture.database).createFirst()
      expect(first?.scopes).toEqual(SCOPES)
    })
  })

  describe(`${name}: the last administrator`, () => {
    const refused = { code: 'key.last_admin' }

    test('stays, and does not become one that passes', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const { id } = await keys.create('one', { scopes: ['admin'] })
      await keys.create('passing', { scopes: ['admin'], expiresAt: LATER })
      await keys.create('other', { scopes: ['transcribe', 'read'] })
      await expect(keys.revoke(id, { keepAdmin: true })).rejects.toMatchObject(refused)
      await expect(keys.update(id, { scopes: ['read'] }, { keepAdmin: true })).rejects.toMatchObject(refused)
      await expect(keys.update(id, { expiresAt: LATER }, { keepAdmin: true })).rejects.toMatchObject(refused)
      expect(await keys.get(id)).toMatchObject({ scopes: SCOPES, expiresAt: null })
      await keys.create('another', { scopes: ['admin'] })
      expect(await keys.revoke(id, { keepAdmin: true })).toBe(true)
    })

    test('stays when those there are end each other at the same time', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const servers = await Promise.all([fixture.connect(), fixture.connect(), fixture.connect()])
      for (let round = 0; round < 5; round++) {
        const made = await Promise.all(servers.map((_, index) => keys.create(`admin ${index}`, { scopes: ['admin'] })))
        const outcomes = await Promise.allSettled(
          servers.map((server, index) => server.revoke(made[index]?.id ?? '', { keepAdmin: true })),
        )
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
        for (const { id } of await keys.list()) await keys.revoke(id)
      }
    })

    test('can be ended by whoever has the database', async () => {
      await using fixture = await open()
      const keys = new ApiKeys(fixture.database)
      const { id } = await keys.create('one', { scopes: ['admin'] })
      expect(await keys.revoke(id)).toBe(true)
    })
  })

  test(`${name}: when keys were used is written for all of them, and never goes back`, async () => {
    await using fixture = await open()
    const keys = new ApiKeys(fixture.database)
    const [one, other] = [await keys.create('one'), await keys.create('other')]
    expect([one.lastUsedAt, other.lastUsedAt]).toEqual([null, null])
    await keys.noteUses(new Map())
    await keys.noteUses(
      new Map([
        [one.id, 30],
        [other.id, 90],
        ['gone', 1],
      ]),
    )
    const used = async (id: string): Promise<number> => (await keys.get(id))?.lastUsedAt?.getTime() ?? Number.NaN
    const [first, second] = [await used(one.id), await used(other.id)]
    expect(first - second).toBeCloseTo(60_000, -1)
    await (await fixture.connect()).noteUses(new Map([[one.id, 3600]]))
    expect(await used(one.id)).toBe(first)
    await keys.noteUses(new Map([[one.id, 0]]))
    expect(await used(one.id)).toBeGreaterThan(first)
  })

  test(`${name}: pages are in the order of making, and go on behind a key that is gone`, async () => {
    await using fixture = await open()
    const keys = new ApiKeys(fixture.database)
    for (let made = 0; made < 7; made++) await keys.create(`key ${made}`)
    const all = await keys.list()
    const first = await keys.page(null, 3)
    expect(first.keys).toEqual(all.slice(0, 3))
    await keys.revoke(all[2]?.id ?? '')
    const second = await keys.page(first.last, 3)
    expect(second.keys).toEqual(all.slice(3, 6))
    expect(await keys.page(second.last, 3)).toEqual({ keys: all.slice(6), last: null })
  })
}

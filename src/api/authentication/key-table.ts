import { hash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Selectable, SqlBool } from 'kysely'
import type { Scope } from '../../contract/scope.ts'
import type { Database } from '../../jobs/sql/dialect.ts'
import type { ApiKeysTable } from '../../jobs/sql/schema.ts'
import { openSharedSecret } from '../../jobs/sql/shared-secret.ts'
import { ENVIRONMENT_ID, USUAL_SCOPES, apiKeyOf, columnsOf } from './api-key.ts'
import type { ApiKey, KeyChanges, KeyRules, NewApiKey } from './api-key.ts'
import { KeyError } from './key-errors.ts'

/** `sotto_` and 24 of the 256 bits. */
const PREFIX_LENGTH = 10

/** The secret that gives the first key its id: the same for servers that start at once, so that one of them makes it. */
const FIRST_KEY = 'first-key'

export type KeyRow = Selectable<ApiKeysTable>

/** Secrets have 256 random bits, so a plain hash is enough to keep them by. */
export function hashOf(secret: string): string {
  return hash('sha256', secret)
}

/** Undefined when the id is taken. */
export async function insertKey(
  { queries }: Database,
  id: string,
  rules: KeyChanges & Pick<KeyRules, 'name'>,
): Promise<NewApiKey | undefined> {
  const secret = `sotto_${randomBytes(32).toString('base64url')}`
  const row = await queries
    .insertInto('api_keys')
    .values({
      ...columnsOf({ scopes: USUAL_SCOPES, ...rules }),
      ...{ id, name: rules.name, prefix: secret.slice(0, PREFIX_LENGTH), hash: hashOf(secret) },
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returningAll()
    .executeTakeFirst()
  return row && { ...apiKeyOf(row), secret }
}

/** Puts the environment's key in the place of the one before. A secret that is a made key's stays that key's. */
export async function putEnvironmentKey(
  { queries }: Database,
  secret: string,
  scopes: readonly Scope[],
): Promise<void> {
  const secretHash = hashOf(secret)
  const columns = columnsOf({ scopes })
  await queries.deleteFrom('api_keys').where('id', '=', ENVIRONMENT_ID).where('hash', '<>', secretHash).execute()
  await queries
    .insertInto('api_keys')
    // Of a secret that a person chose, even the beginning is theirs to keep.
    .values({ ...columns, id: ENVIRONMENT_ID, name: 'SOTTO_API_KEY', prefix: '', hash: secretHash })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await queries.updateTable('api_keys').set(columns).where('id', '=', ENVIRONMENT_ID).execute()
}

/** A key's place in the order of their making, which it has though the key be gone. */
export interface KeyPosition {
  /** Seconds since 1970, as exact as the database has it. */
  readonly createdAt: number
  readonly id: string
}

/** The oldest first. */
export async function listKeys(
  { queries }: Database,
  after: KeyPosition | null = null,
  limit = Number.MAX_SAFE_INTEGER,
): Promise<readonly KeyRow[]> {
  let query = queries.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id')
  if (after !== null) {
    const { createdAt, id } = after
    query = query.where(sql<SqlBool>`created_at > ${createdAt} or (created_at = ${createdAt} and id > ${id})`)
  }
  return await query.limit(limit).execute()
}

/** Undefined when there is no such key. */
export async function changeKey({ queries }: Database, id: string, changes: KeyChanges): Promise<ApiKey | undefined> {
  const columns = columnsOf(changes)
  const row =
    Object.keys(columns).length === 0
      ? await queries.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
      : await queries.updateTable('api_keys').set(columns).where('id', '=', id).returningAll().executeTakeFirst()
  return row && apiKeyOf(row)
}

/** False when there is no such key. */
export async function deleteKey(database: Database, id: string): Promise<boolean> {
  const { queries } = database
  // The next first key is another one, and does not inherit this one's jobs. Before the key goes: it is not made while there is one.
  if (id === (await firstKeyId(database))) await queries.deleteFrom('secrets').where('name', '=', FIRST_KEY).execute()
  const result = await queries.deleteFrom('api_keys').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}

/**
 * Does this, unless no key with the scope `admin` would be left, or none that does not expire: then nothing could be administered over the
 * API any more.
 * @throws KeyError `key.last_admin`
 */
export async function keepingAnAdmin<T>(database: Database, work: (database: Database) => Promise<T>): Promise<T> {
  return await database.queries.transaction().execute(async (queries) => {
    const own = { ...database, queries }
    const before = await lockAdmins(own)
    const done = await work(own)
    const after = await lockAdmins(own)
    if ((before.valid > 0 && after.valid === 0) || (before.lasting > 0 && after.lasting === 0)) {
      throw new KeyError(
        'key.last_admin',
        'This is the last key with the scope admin that does not expire: without it no key could be managed over the API. Make another ' +
          'one first, or use sotto keys on the server.',
      )
    }
    return done
  })
}

/** Two administrators who end each other's key wait for each other here; SQLite has one writer at a time. */
async function lockAdmins({
  queries,
  dialect,
}: Database): Promise<{ readonly valid: number; readonly lasting: number }> {
  const { rows } = await sql<{ is_valid: number; is_lasting: number }>`
    select case when expires_at is null or expires_at > ${dialect.now} then 1 else 0 end as is_valid,
      case when expires_at is null then 1 else 0 end as is_lasting
    from api_keys where scopes like '%"admin"%' order by id ${dialect.name === 'postgres' ? sql`for update` : sql``}
  `.execute(queries)
  return {
    valid: rows.filter((row) => row.is_valid === 1).length,
    lasting: rows.filter((row) => row.is_lasting === 1).length,
  }
}

/** Notes when keys were last used, in seconds before now, unless they were used later than that. */
export async function noteUses(
  { queries, dialect }: Database,
  agesSeconds: ReadonlyMap<string, number>,
): Promise<void> {
  const rows = [...agesSeconds].map(([id, age]) => ({ id, age }))
  await sql`
    update api_keys set last_used_at = ${dialect.now} - given.age
    from ${dialect.rows(rows, { id: 'text', age: 'float8' })}
    where api_keys.id = given.id and (last_used_at is null or last_used_at < ${dialect.now} - given.age)
  `.execute(queries)
}

export async function firstKeyId(database: Database): Promise<string> {
  const secret = await openSharedSecret(database, FIRST_KEY)
  return uuidOf(secret.subarray(0, 16))
}

/** A UUID of version 4 (RFC 9562, section 5.4) whose other bits are these. */
function uuidOf(random: Uint8Array): string {
  const bits = Buffer.from(random)
  bits.writeUInt8((bits.readUInt8(6) & 0x0f) | 0x40, 6)
  bits.writeUInt8((bits.readUInt8(8) & 0x3f) | 0x80, 8)
  return bits.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

import { randomBytes } from 'node:crypto'
import type { Database } from './dialect.ts'
import { JobStoreError } from '../errors.ts'

const BYTES = 32

/** A secret that all servers on one database share: the first of them makes it. */
export async function openSharedSecret({ queries }: Database, name: string): Promise<Buffer> {
  await queries
    .insertInto('secrets')
    .values({ name, value: randomBytes(BYTES).toString('base64') })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const row = await queries.selectFrom('secrets').select('value').where('name', '=', name).executeTakeFirst()
  const secret = Buffer.from(row?.value ?? '', 'base64')
  if (secret.length === BYTES) return secret
  throw new JobStoreError(
    'store.damaged',
    `The secret ${name} in the database has ${secret.length} bytes instead of ${BYTES}.`,
  )
}

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config/config.ts'
import type { PayloadsConfig } from './config/payloads.ts'
import { SERVER_SETTINGS } from './config/server.ts'
import type { Database } from './jobs/sql/dialect.ts'
import { openSharedSecret } from './jobs/sql/shared-secret.ts'
import { SqlJobStore } from './jobs/sql/sql-store.ts'
import { lockOwner } from './jobs/sqlite/owner-lock.ts'
import { openSqlite } from './jobs/sqlite/database.ts'
import type { JobNewsBus, JobStore } from './jobs/job-store.ts'
import { FolderPayloadStore } from './payloads/folder/folder-store.ts'
import { openSigningSecret } from './payloads/signing-secret.ts'
import type { PayloadStore } from './payloads/payload-store.ts'
import { requireWritable } from './writable-folder.ts'

const PAYLOAD_CHECK_MS = 5000

/** What servers and workers keep everything in. Disposing it closes it. */
export interface Backend extends AsyncDisposable {
  readonly database: Database
  readonly jobs: JobStore
  readonly payloads: PayloadStore
  readonly signingSecret: Buffer
}

export interface BackendPlace {
  readonly temporaryFolder: string
  readonly logger: Logger
  /** Ends the wait for a database that does not answer. */
  readonly signal: AbortSignal
}

/**
 * Opens the database and the payload store that the configuration names. Embedded ones belong to this process alone: what the one before it
 * was running goes back to the queue.
 * @throws JobStoreError, PayloadError, the signal's reason
 */
export async function openBackend(config: Config, place: BackendPlace): Promise<Backend> {
  const { logger, signal } = place
  await using stack = new AsyncDisposableStack()
  const { dataDir } = config.server
  const { databaseUrl, retentionMs, limits } = config.jobs
  if (databaseUrl === null) stack.use(await lockOwner(dataDir))
  const { database, news } = stack.use(
    databaseUrl === null ? await openEmbedded(dataDir) : await openShared(databaseUrl, place),
  )
  const onKept = (id: string, error: unknown): void =>
    logger.error({ err: error, job: id }, 'a job that is due could not be removed; it is tried again in an hour')
  const jobs = new SqlJobStore(database, { retentionMs, limits, onKept }, news)
  if (databaseUrl === null) {
    const recovered = await jobs.recover()
    if (recovered > 0)
      logger.info({ jobs: recovered }, 'going on with jobs that were running when the last server ended')
  }
  signal.throwIfAborted()
  const payloads = await openPayloads(config.payloads, { ...place, dataDir }, stack)
  const signingSecret =
    databaseUrl === null ? await openSigningSecret(dataDir) : await openSharedSecret(database, 'signing')
  const parts = stack.move()
  return { database, jobs, payloads, signingSecret, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/**
 * The database alone, for commands that work beside a server.
 * @throws ConfigError, JobStoreError, the signal's reason
 */
export async function openDatabase({ server, jobs }: Config, signal: AbortSignal): Promise<Database> {
  const { databaseUrl } = jobs
  if (databaseUrl !== null) {
    // Imported lazily: an embedded start needs no PostgreSQL driver.
    const { openPostgresDatabase } = await import('./jobs/postgres/database.ts')
    return await openPostgresDatabase(databaseUrl, { signal })
  }
  await requireWritable(server.dataDir, SERVER_SETTINGS.dataDir)
  return await openSqlite(server.dataDir)
}

interface OpenDatabase extends AsyncDisposable {
  readonly database: Database
  readonly news: JobNewsBus | undefined
}

async function openEmbedded(dataDir: string): Promise<OpenDatabase> {
  const database = await openSqlite(dataDir)
  return { database, news: undefined, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() }
}

async function openShared(url: string, { logger, signal }: BackendPlace): Promise<OpenDatabase> {
  const { openPostgresDatabase } = await import('./jobs/postgres/database.ts')
  const { openSharedNews } = await import('./jobs/postgres/shared-news.ts')
  await using stack = new AsyncDisposableStack()
  const database = stack.use(await openPostgresDatabase(url, { signal }))
  const news = stack.use(await openSharedNews(url, database.queries, { logger, signal }))
  const parts = stack.move()
  return { database, news, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** An S3 that does not answer yet, or not as it should, is no reason not to start: its state is seen at each request. */
async function openPayloads(
  { store: place }: PayloadsConfig,
  { temporaryFolder, dataDir, logger, signal }: BackendPlace & { readonly dataDir: string },
  stack: AsyncDisposableStack,
): Promise<PayloadStore> {
  if (place.kind === 'folder') return await FolderPayloadStore.open(join(dataDir, 'payloads'))
  // Imported lazily: the SDK is slow to load.
  const { S3PayloadStore } = await import('./payloads/s3/s3-store.ts')
  const store = stack.use(await S3PayloadStore.open(place, temporaryFolder))
  try {
    await store.check(AbortSignal.any([signal, AbortSignal.timeout(PAYLOAD_CHECK_MS)]))
    logger.info({ bucket: place.bucket, prefix: place.prefix }, 'payloads lie in S3')
  } catch (error) {
    logger.error({ err: error }, 'the payload store does not work yet')
  }
  return store
}

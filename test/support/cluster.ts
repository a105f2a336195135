import { Client } from './client.ts'
import { startPostgres } from './postgres.ts'
import type { Postgres } from './postgres.ts'
import { BUCKET, S3 } from './s3.ts'
import { Server, temporaryFolder } from './server.ts'

export const KEY = 'a-key-that-every-server-is-given'

/** What servers and workers of one installation share: a PostgreSQL and an S3. Disposing it ends all that was started here. */
export class Cluster implements AsyncDisposable {
  readonly postgres: Postgres
  readonly s3: S3
  readonly databaseUrl: string
  readonly #stack: AsyncDisposableStack

  private constructor(postgres: Postgres, s3: S3, databaseUrl: string, stack: AsyncDisposableStack) {
    this.postgres = postgres
    this.s3 = s3
    this.databaseUrl = databaseUrl
    this.#stack = stack
  }

  static async start(options: { readonly fsync?: boolean } = {}): Promise<Cluster> {
    await using stack = new AsyncDisposableStack()
    const postgres = stack.use(await startPostgres({ fsync: options.fsync ?? false }))
    const s3 = stack.use(await S3.start())
    const url = await postgres.createDatabase()
    return new Cluster(postgres, s3, url, stack.move())
  }

  get environment(): Readonly<Record<string, string>> {
    return {
      ...this.s3.environment,
      DATABASE_URL: this.databaseUrl,
      SOTTO_PAYLOADS: `s3://${BUCKET}/sotto`,
      SOTTO_API_KEY: KEY,
      SOTTO_LEASE: '3',
    }
  }

  /** A machine of its own: nothing but the environment is shared. */
  async process(
    role: 'api' | 'worker',
    options: { readonly arguments?: readonly string[]; readonly environment?: Readonly<Record<string, string>> } = {},
  ): Promise<Server> {
    const { path: dataDir } = this.#stack.use(await temporaryFolder())
    const environment = { ...this.environment, ...options.environment }
    return this.#stack.use(await Server.start({ role, dataDir, environment, arguments: options.arguments ?? [] }))
  }

  client(server: Server): Client {
    return new Client(server.url, KEY)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

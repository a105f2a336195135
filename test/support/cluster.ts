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
  /** Of its objects in the bucket. */
  readonly #prefix: string
  readonly #stack: AsyncDisposableStack
  #installations = 1

  private constructor(
    parts: Pick<Cluster, 'postgres' | 's3' | 'databaseUrl'> & { readonly prefix: string },
    stack: AsyncDisposableStack,
  ) {
    this.postgres = parts.postgres
    this.s3 = parts.s3
    this.databaseUrl = parts.databaseUrl
    this.#prefix = parts.prefix
    this.#stack = stack
  }

  static async start(options: { readonly fsync?: boolean } = {}): Promise<Cluster> {
    await using stack = new AsyncDisposableStack()
    const postgres = stack.use(await startPostgres({ fsync: options.fsync ?? false }))
    const s3 = stack.use(await S3.start())
    const databaseUrl = await postgres.createDatabase()
    return new Cluster({ postgres, s3, databaseUrl, prefix: 'sotto' }, stack.move())
  }

  /** Another installation on the same PostgreSQL and S3, with a database and a folder of the bucket of its own; it ends before them. */
  async beside(): Promise<Cluster> {
    this.#installations += 1
    const { postgres, s3 } = this
    const prefix = `sotto-${this.#installations}`
    const databaseUrl = await postgres.createDatabase()
    return new Cluster({ postgres, s3, databaseUrl, prefix }, new AsyncDisposableStack())
  }

  get environment(): Readonly<Record<string, string>> {
    return {
      ...this.s3.environment,
      DATABASE_URL: this.databaseUrl,
      SOTTO_PAYLOADS: `s3://${BUCKET}/${this.#prefix}`,
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

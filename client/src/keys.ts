import { fieldsOf, listOf, numberOf, textOf } from './answers.ts'
import type { Http } from './http.ts'
import { Pages } from './pages.ts'

export type Scope = 'transcribe' | 'read' | 'admin'

/** An API key, without its secret. */
export interface ApiKey {
  readonly id: string
  readonly name: string
  /** What the key begins with. */
  readonly prefix: string
  readonly scopes: readonly Scope[]
  /** Null: any model. */
  readonly models: readonly string[] | null
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
  readonly createdAt: string
}

export interface KeyRules {
  readonly scopes?: readonly Scope[]
  readonly models?: readonly string[] | null
  readonly expiresAt?: string | null
  /** In the place of the server's; `off`: none, null: the server's. */
  readonly limits?: Readonly<
    Partial<Record<'queuedJobs' | 'runningJobs' | 'audioSecondsPerDay' | 'requestsPerMinute', number | 'off' | null>>
  >
}

export interface TokenOptions {
  readonly scopes?: readonly Exclude<Scope, 'admin'>[]
  readonly ttlSeconds?: number
  readonly models?: readonly string[]
  /** For this job alone. */
  readonly jobId?: string
  readonly uploadOnly?: boolean
}

/** API keys, for a key with the scope `admin`; and tokens, which any key makes of itself. */
export class Keys {
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  /** The oldest first. */
  list(): Pages<ApiKey> {
    return new Pages(async (after) => {
      const page = fieldsOf(await this.#http.json('/v1/keys', { query: { after } }), 'a page')
      const { next } = page
      return { items: listOf(page, 'keys').map(keyOf), next: typeof next === 'string' ? next : null }
    })
  }

  /** The key itself is in the answer, this once. */
  async create(name: string, rules: KeyRules = {}): Promise<ApiKey & { readonly key: string }> {
    const answer = await this.#http.json('/v1/keys', { method: 'POST', json: { name, ...rules }, maxRetries: 0 })
    return { ...keyOf(answer), key: textOf(fieldsOf(answer, 'a key'), 'key') }
  }

  async update(id: string, changes: KeyRules & { readonly name?: string }): Promise<ApiKey> {
    return keyOf(await this.#http.json(pathOf(id), { method: 'PATCH', json: changes }))
  }

  /** Ends the key, and all that was signed for it. */
  async revoke(id: string): Promise<void> {
    await this.#http.text(pathOf(id), { method: 'DELETE' })
  }

  /** A short-lived stand-in for the key that asks: for a page, whose user is not to have the key. */
  async token(options: TokenOptions = {}): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const answer = fieldsOf(await this.#http.json('/v1/tokens', { method: 'POST', json: options }), 'a token')
    return { token: textOf(answer, 'token'), expiresAt: textOf(answer, 'expiresAt') }
  }
}

/** What a key has used on one day, or on all of them, of one model. */
export interface Usage {
  /** Of UTC, as `2027-01-31`; absent where the days are summed up. */
  readonly day?: string
  readonly model: string
  readonly jobs: number
  readonly succeeded: number
  readonly failed: number
  readonly cancelled: number
  readonly audioSeconds: number
  readonly runSeconds: number
}

export function usageOf(answer: unknown): readonly Usage[] {
  return listOf(fieldsOf(answer, 'the answer'), 'usage').map((each) => {
    const fields = fieldsOf(each, 'usage')
    numberOf(fields, 'jobs')
    numberOf(fields, 'audioSeconds')
    return fields as unknown as Usage
  })
}

function pathOf(id: string): string {
  return `/v1/keys/${encodeURIComponent(id)}`
}

function keyOf(answer: unknown): ApiKey {
  const fields = fieldsOf(answer, 'a key')
  textOf(fields, 'id')
  listOf(fields, 'scopes')
  return fields as unknown as ApiKey
}

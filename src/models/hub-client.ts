import Type from 'typebox'
import { Check } from 'typebox/value'
import { ModelError } from './errors.ts'

export interface HubOptions {
  /** Without a slash at the end. */
  readonly endpoint: string
  readonly token: string | null
}

/** A file of a repository at one commit. */
export interface HubFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256 of a large file, SHA-1 of the git blob of any other; also the name of its blob in the cache. */
  readonly hash: { readonly kind: 'sha256' | 'git-sha1'; readonly hex: string }
}

export interface HubRevision {
  readonly commit: string
  readonly files: readonly HubFile[]
}

const ModelInfo = Type.Object({
  sha: Type.String({ pattern: '^[0-9a-f]{40}$' }),
  siblings: Type.Array(
    Type.Object({
      rfilename: Type.String({ maxLength: 1000 }),
      size: Type.Optional(Type.Integer({ minimum: 0 })),
      blobId: Type.Optional(Type.String({ pattern: '^[0-9a-f]{40}$' })),
      lfs: Type.Optional(
        Type.Object({ sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }), size: Type.Integer({ minimum: 0 }) }),
      ),
    }),
    { maxItems: 100_000 },
  ),
})

/** Whoever waits for a job shall learn soon that there is no network. */
const ANSWER_TIMEOUT_MS = 15_000

/** The Hugging Face hub's HTTP API, or that of a mirror. */
export class HubClient {
  readonly endpoint: string
  readonly #token: string | null

  constructor({ endpoint, token }: HubOptions) {
    this.endpoint = endpoint
    this.#token = token
  }

  /**
   * The commit that a revision stands for, and its files.
   * @throws ModelError `model.unreachable`, `model.not_found`, `model.forbidden`, `model.hub_invalid`
   */
  async revision(repository: string, revision: string, signal: AbortSignal): Promise<HubRevision> {
    const url = `${this.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`
    const response = await this.#get(url, {}, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]), signal)
    requireOk(response, repository)
    const info: unknown = await response.json().catch(() => undefined)
    if (!Check(ModelInfo, info)) {
      throw new ModelError('model.hub_invalid', `The hub's answer about ${repository} can’t be understood.`)
    }
    const files = info.siblings.flatMap(({ rfilename: name, size, blobId, lfs }): HubFile[] => {
      if (lfs !== undefined) return [{ name, bytes: lfs.size, hash: { kind: 'sha256', hex: lfs.sha256 } }]
      if (size === undefined || blobId === undefined) return []
      return [{ name, bytes: size, hash: { kind: 'git-sha1', hex: blobId } }]
    })
    return { commit: info.sha, files }
  }

  /**
   * A file's bytes from an offset on. The answer may begin at 0 all the same: then its status is 200. The token goes to the
   * hub alone: fetch drops it when it is redirected to another origin.
   */
  async download(
    repository: string,
    commit: string,
    file: HubFile,
    { from, signal }: { readonly from: number; readonly signal: AbortSignal },
  ): Promise<Response> {
    const path = file.name.split('/').map(encodeURIComponent).join('/')
    const range: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` }
    return await this.#get(`${this.endpoint}/${repository}/resolve/${commit}/${path}`, range, signal, signal)
  }

  async #get(url: string, headers: Record<string, string>, limit: AbortSignal, signal: AbortSignal): Promise<Response> {
    const authorization: Record<string, string> = this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }
    try {
      return await fetch(url, {
        headers: { 'accept-encoding': 'identity', ...headers, ...authorization },
        signal: limit,
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw new ModelError('model.unreachable', `The hub ${this.endpoint} can’t be reached.`, { cause })
    }
  }
}

/** @throws ModelError for what another try does not change */
export function requireOk(response: Response, repository: string): void {
  if (response.ok) return
  switch (response.status) {
    case 401:
    case 403:
      throw new ModelError(
        'model.forbidden',
        `The hub does not give out ${repository} (${response.status}): set HF_TOKEN to a token that may read it, and accept ` +
          'its licence on the hub if it is gated.',
      )
    case 404:
      throw new ModelError('model.not_found', `The hub has no model ${repository}, or not in this revision.`)
    default:
      throw new ModelError('model.unreachable', `The hub answered ${response.status} to a request for ${repository}.`)
  }
}

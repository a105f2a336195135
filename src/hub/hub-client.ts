import Type from 'typebox'
import { Check } from 'typebox/value'
import { ModelError } from './errors.ts'
import { isTransient, pauseBefore, retryAfterMs } from './hub-retry.ts'

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
const TRIES = 3
/** A repository of a thousand files takes half a megabyte; parsed, what was made to take memory takes fifty times as much. */
const MAX_ANSWER_BYTES = 4 * 2 ** 20

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
    const info = await this.#json(url, repository, signal)
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

  /** Undefined for what is no JSON. */
  async #json(url: string, repository: string, signal: AbortSignal): Promise<unknown> {
    for (let retry = 1; ; retry++) {
      const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
      try {
        const response = await this.#get(url, {}, AbortSignal.any([signal, timeout]), signal)
        await requireOk(response, repository)
        return parsed(await this.#textOf(response, repository, signal))
      } catch (error) {
        // A timeout: it is not tried again.
        if (!isTransient(error) || retry === TRIES || timeout.aborted) throw error
        await pauseBefore(retry, error, signal)
      }
    }
  }

  async #textOf(response: Response, repository: string, signal: AbortSignal): Promise<string> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of bodyOf(response, signal)) {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) {
        throw new ModelError(
          'model.hub_invalid',
          `The hub's answer about ${repository} has more than ${MAX_ANSWER_BYTES} bytes, which no list of files takes.`,
        )
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
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

/**
 * The body of an answer; what is not read of it is not sent.
 * @throws ModelError `model.unreachable` when the connection breaks
 */
export async function* bodyOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        signal.throwIfAborted()
        throw new ModelError('model.unreachable', 'The connection to the hub broke off.', { cause })
      })
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Statuses that say nothing of the request. */
const TRANSIENT = new Set([408, 425, 429])

/** @throws ModelError, `model.unreachable` for what may be otherwise in a moment */
export async function requireOk(response: Response, repository: string): Promise<void> {
  if (response.ok) return
  const { status, headers } = response
  await response.body?.cancel().catch(() => undefined)
  switch (status) {
    case 401:
    case 403:
      throw new ModelError(
        'model.forbidden',
        `The hub does not give out ${repository} (${status}): set HF_TOKEN to a token that may read it, and accept ` +
          'its licence on the hub if it is gated.',
      )
    case 404:
      throw new ModelError('model.not_found', `The hub has no model ${repository}, or not in this revision.`)
    default: {
      const code = status >= 500 || TRANSIENT.has(status) ? 'model.unreachable' : 'model.hub_invalid'
      throw new ModelError(code, `The hub answered ${status} to a request for ${repository}.`, {
        retryAfterMs: retryAfterMs(headers.get('retry-after')),
      })
    }
  }
}

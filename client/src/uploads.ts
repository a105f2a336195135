import { fieldsOf, textOf } from './answers.ts'
import { ConnectionError, SottoError, UploadInterrupted } from './errors.ts'
import type { Http } from './http.ts'
import { retryDelayMs, sleep } from './waiting.ts'

const TUS = { 'tus-resumable': '1.0.0' } as const
const MEBIBYTE = 2 ** 20
const [FIRST_PIECE_BYTES, MIN_PIECE_BYTES, MAX_PIECE_BYTES] = [4 * MEBIBYTE, MEBIBYTE, 32 * MEBIBYTE]
/** A piece is as long as takes about this, so that little is lost when it breaks off, and progress shows. */
const PIECE_MS = 1000
const PART_BYTES = 16 * MEBIBYTE
const PARTS_AT_ONCE = 4
/** Tries in a row without a byte that arrived. */
const MAX_FAILURES = 8
const PROGRESS_MS = 100

export interface Upload {
  /** Presigned; it is what to submit. */
  readonly url: string
  /** Where recordings go to an S3: presigned URLs for its parts. */
  readonly parts: readonly string[] | undefined
}

export interface SendOptions {
  readonly signal?: AbortSignal | undefined
  /** At most ten times a second, at 0 and at the end. */
  readonly onProgress?: ((sentBytes: number, totalBytes: number | null) => void) | undefined
  /** Whether some of it may be there already. */
  readonly isResumed?: boolean
}

/** Places to upload to, and the uploading, which goes on where the connection broke. */
export class Uploads {
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  /** @param bytes of the recording, if that is known */
  async create({
    extension = 'bin',
    bytes,
    signal,
  }: {
    readonly extension?: string
    readonly bytes?: number
    readonly signal?: AbortSignal | undefined
  } = {}): Promise<Upload> {
    const parts = bytes === undefined ? undefined : Math.max(1, Math.ceil(bytes / PART_BYTES))
    const query = { extension, parts }
    const answer = await this.#http.json('/v1/input/upload-url', { method: 'POST', query, json: {}, signal })
    const urls = fieldsOf(fieldsOf(answer, 'the answer')['uploadUrl'], 'uploadUrl')
    const given = urls['parts']
    return { url: textOf(urls, 'PUT'), parts: Array.isArray(given) ? given.map(String) : undefined }
  }

  /** @throws UploadInterrupted */
  async send(upload: Upload, audio: Blob | ReadableStream<Uint8Array>, options: SendOptions = {}): Promise<void> {
    if (audio instanceof Blob) {
      if (upload.parts === undefined) await this.#sendPieces(upload.url, audio, options)
      else await this.#sendParts(upload.parts, audio, options)
    } else if (await this.#isResumable(upload.url, options.signal)) {
      await this.#sendStream(upload.url, audio, options)
    } else {
      // An S3 takes nothing of unknown length.
      await this.#put(upload.url, await new Response(audio).blob(), options.signal)
    }
  }

  /** How many bytes are there for certain. */
  async status(url: string, signal?: AbortSignal): Promise<number> {
    const response = await this.#http.request(url, { method: 'HEAD', headers: TUS, isAuthorised: false, signal })
    this.#http.release(response)
    return Number(response.headers.get('upload-offset') ?? NaN)
  }

  /** Removes what was uploaded, which nobody has submitted. */
  async remove(url: string, signal?: AbortSignal): Promise<void> {
    await this.#http.text(url, { method: 'DELETE', headers: TUS, isAuthorised: false, signal })
  }

  async #isResumable(url: string, signal: AbortSignal | undefined): Promise<boolean> {
    const accepts = [400, 403, 404, 405, 501]
    const response = await this.#http.request(url, {
      method: 'HEAD',
      headers: TUS,
      isAuthorised: false,
      signal,
      accepts,
    })
    this.#http.release(response)
    return response.headers.has('upload-offset')
  }

  async #sendPieces(url: string, audio: Blob, options: SendOptions): Promise<void> {
    const { signal, isResumed = false } = options
    const tell = throttled(options, audio.size)
    const start = isResumed ? await this.status(url, signal) : 0
    let pieceBytes = FIRST_PIECE_BYTES
    tell(start)
    if (isResumed && start >= audio.size) return tell(start, true)
    const read = (offset: number): Blob => audio.slice(offset, offset + pieceBytes)
    let offset = start
    do {
      const startMs = Date.now()
      const piece = read(offset)
      const end = await this.#sendPiece({ url, offset, total: audio.size }, piece, signal)
      const fitting = ((end - offset) * PIECE_MS) / Math.max(1, Date.now() - startMs)
      pieceBytes = Math.min(MAX_PIECE_BYTES, Math.max(MIN_PIECE_BYTES, Math.round(fitting)))
      offset = end
      tell(offset)
    } while (offset < audio.size)
    tell(offset, true)
  }

  async #sendStream(url: string, audio: ReadableStream<Uint8Array>, options: SendOptions): Promise<void> {
    const tell = throttled(options, null)
    let offset = 0
    tell(0)
    for await (const { piece, isLast } of piecesOf(audio)) {
      let rest = piece
      const end = offset + piece.size
      do {
        const reached = await this.#sendPiece({ url, offset, total: isLast ? end : undefined }, rest, options.signal)
        rest = rest.slice(reached - offset)
        offset = reached
      } while (offset < end)
      tell(offset)
    }
    tell(offset, true)
  }

  /**
   * Sends one piece, as often as it takes for anything to arrive.
   * @returns the offset that was reached, which may lie within the piece
   */
  async #sendPiece(
    { url, offset, total }: { readonly url: string; readonly offset: number; readonly total: number | undefined },
    piece: Blob,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    for (let failures = 0; ; failures++) {
      try {
        if (failures > 0) {
          const reached = await this.status(url, signal)
          if (reached > offset || piece.size === 0) return reached
          if (reached < offset) throw new Error(`the server has ${reached} bytes, and told of ${offset}`)
        }
        const headers = { ...TUS, 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) }
        const length = total === undefined ? {} : { 'upload-length': String(total) }
        const call = {
          headers: { ...headers, ...length },
          body: piece,
          isAuthorised: false,
          signal,
          timeoutMs: 600_000,
        }
        const response = await this.#http.request(url, { ...call, method: 'PATCH', maxRetries: 0 })
        await response.text()
        this.#http.release(response)
        return Number(response.headers.get('upload-offset') ?? offset + piece.size)
      } catch (cause) {
        signal?.throwIfAborted()
        // Another request took the upload over, or the offset is not the server's: the next HEAD tells.
        const isHopeful =
          cause instanceof SottoError && (cause.retryable || ['http.409', 'http.423'].includes(cause.code))
        if (!isHopeful || failures >= MAX_FAILURES) throw interrupted(cause, offset, url)
        await sleep(retryDelayMs(failures), signal)
      }
    }
  }

  async #sendParts(parts: readonly string[], audio: Blob, options: SendOptions): Promise<void> {
    const tell = throttled(options, audio.size)
    const size = Math.ceil(audio.size / parts.length)
    let [next, sent] = [0, 0]
    tell(0)
    const one = async (): Promise<void> => {
      for (let index = next++; index < parts.length; index = next++) {
        const part = audio.slice(index * size, (index + 1) * size)
        await this.#put(parts[index] ?? '', part, options.signal)
        sent += part.size
        tell(sent)
      }
    }
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, one))
    tell(sent, true)
  }

  async #put(url: string, body: Blob, signal: AbortSignal | undefined): Promise<void> {
    await this.#http.text(url, { method: 'PUT', body, isAuthorised: false, signal, timeoutMs: 600_000 })
  }
}

function interrupted(cause: unknown, offset: number, url: string): unknown {
  const isBroken = cause instanceof ConnectionError || (cause instanceof SottoError && cause.retryable)
  return isBroken ? new UploadInterrupted({ offset, url, cause }) : cause
}

/** A stream in pieces of 8 MiB; which is the last shows only behind it. */
async function* piecesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<{ readonly piece: Blob; readonly isLast: boolean }, void, void> {
  const reader = stream.getReader()
  let [chunks, bytes] = [[] as Uint8Array<ArrayBuffer>[], 0]
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (bytes >= 2 * FIRST_PIECE_BYTES) {
        yield { piece: new Blob(chunks), isLast: false }
        ;[chunks, bytes] = [[], 0]
      }
      chunks.push(new Uint8Array(value))
      bytes += value.byteLength
    }
    yield { piece: new Blob(chunks), isLast: true }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function throttled({ onProgress }: SendOptions, total: number | null): (sent: number, isEnd?: boolean) => void {
  let toldAt = -Infinity
  return (sent, isEnd = false) => {
    if (!isEnd && Date.now() - toldAt < PROGRESS_MS) return
    toldAt = Date.now()
    onProgress?.(sent, isEnd ? sent : total)
  }
}

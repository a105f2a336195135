import { parseFromTokenizer } from 'music-metadata'
import { RangeTokenizer } from './range-tokenizer.ts'
import type { ReadRange } from './range-tokenizer.ts'

/** A submit does not wait longer for it. */
const LIMIT_MS = 2000

/** Of a file that does not say: usual rates for speech, so that its length is of the right order. */
const BYTES_PER_SECOND = 16_000
const OPUS_BYTES_PER_SECOND = 6000
const USUALLY_OPUS: ReadonlySet<string> = new Set(['ogg', 'oga', 'opus', 'webm'])

/** A length beyond this is no recording's but a header's that lies: a year. */
const MOST_SECONDS = 366 * 86_400

/**
 * How long a recording is, in seconds, from its headers: to put a job in its place among others, not to trust. Files that do not say it
 * are guessed by their size. The parser is written in JavaScript: whatever a hostile file makes it do, it can't reach beyond this call,
 * and it is given up after two seconds or four megabytes.
 */
export async function audioLength(
  object: { readonly bytes: number; readonly extension: string; readonly readRange: ReadRange },
  signal?: AbortSignal,
): Promise<number> {
  const rate = USUALLY_OPUS.has(object.extension) ? OPUS_BYTES_PER_SECOND : BYTES_PER_SECOND
  const guess = Math.max(1, object.bytes / rate)
  const told = await raced(headerLength(object), signal).catch(() => undefined)
  signal?.throwIfAborted()
  return told === undefined || !(told > 0) || told > MOST_SECONDS ? guess : told
}

async function headerLength({
  bytes,
  extension,
  readRange,
}: Parameters<typeof audioLength>[0]): Promise<number | undefined> {
  const tokenizer = new RangeTokenizer({ size: bytes, path: `recording.${extension}` }, readRange)
  const { format } = await parseFromTokenizer(tokenizer, {
    duration: false,
    skipCovers: true,
    mkvUseIndex: true,
  })
  return format.duration
}

async function raced<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  const limit = AbortSignal.any([AbortSignal.timeout(LIMIT_MS), ...(signal === undefined ? [] : [signal])])
  const { promise, reject } = Promise.withResolvers<never>()
  limit.addEventListener('abort', () => reject(limit.reason), { once: true })
  return await Promise.race([work, promise])
}

import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import { PayloadError } from '../errors.ts'
import type { PayloadKey } from '../payload-key.ts'
import type { S3Bucket } from './s3-bucket.ts'
import { answering, causeIs, translated } from './s3-errors.ts'
import type { FinishedUpload } from '../uploads/client-uploads.ts'

export interface S3Answer {
  /** Its errors are those of the connection; to be read to its end or destroyed. */
  readonly body: Readable
  /** Of the body. */
  readonly bytes: number | undefined
  /** Names the object's content. */
  readonly etag: string | undefined
  /** `bytes <first>-<last>/<size>` when the answer is a range. */
  readonly range: string | undefined
}

/** What is said of an object; undefined when there is none. */
export async function headObject(bucket: S3Bucket, key: PayloadKey): Promise<FinishedUpload | undefined> {
  const head = new HeadObjectCommand(bucket.at(key))
  try {
    const { ContentLength, ETag } = await bucket.call((client, options) => client.send(head, options))
    return ContentLength === undefined ? undefined : { bytes: ContentLength, version: ETag ?? null }
  } catch (error) {
    if (error instanceof PayloadError && error.code === 'payload.missing') return undefined
    throw error
  }
}

/** @throws PayloadError `payload.missing` when there is no such object */
export async function getObject(
  bucket: S3Bucket,
  key: PayloadKey,
  asked: Pick<GetObjectCommandInput, 'Range' | 'IfMatch'> = {},
  signal?: AbortSignal,
): Promise<S3Answer> {
  const get = new GetObjectCommand({ ...bucket.at(key), ...asked })
  const { Body, ContentLength, ETag, ContentRange } = await bucket.call(
    (client, options) => client.send(get, options),
    signal,
  )
  if (!(Body instanceof Readable)) throw new TypeError('the S3 client gave an object without a stream of its content')
  return { body: Body, bytes: ContentLength, etag: ETag, range: ContentRange }
}

/** A whole object, whose errors are `PayloadError`s. */
export async function readObject(bucket: S3Bucket, key: PayloadKey, signal?: AbortSignal): Promise<Readable> {
  const { body } = await getObject(bucket, key, {}, signal)
  const chunks = async function* (): AsyncGenerator {
    try {
      yield* body
    } catch (error) {
      throw translated(error)
    }
  }
  return Readable.from(chunks(), { objectMode: false })
}

/** The bytes of an object from `start` to before `end`, or to its end; there is at least one between them. */
export async function readObjectRange(bucket: S3Bucket, key: PayloadKey, start: number, end: number): Promise<Buffer> {
  try {
    const { body } = await getObject(bucket, key, { Range: `bytes=${start}-${end - 1}` })
    return await answering(() => readAtMost(body, end - start))
  } catch (error) {
    // The object ends before.
    if (causeIs(error, 'InvalidRange')) return Buffer.alloc(0)
    throw error
  }
}

/** Some servers send more than they are asked for. */
async function readAtMost(body: Readable, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= limit) break
  }
  return Buffer.concat(chunks).subarray(0, limit)
}

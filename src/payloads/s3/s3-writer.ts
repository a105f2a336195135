import { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import type { CompletedPart } from '@aws-sdk/client-s3'
import type { ByteSink } from '../receive.ts'
import type { S3Bucket } from './s3-bucket.ts'
import { abortUpload, beginUpload, completeUpload } from './s3-multipart.ts'
import type { PayloadKey } from '../payload-key.ts'

/** What is kept of a body until it is sent. S3 takes 10,000 parts, so that a body may have 78 GiB. */
const PART_BYTES = 8 * 2 ** 20

/**
 * An object that is written as its bytes come: by one request when they are few, else in parts. It appears with `commit`; until
 * then `discard` leaves nothing of it.
 */
export class S3Writer implements ByteSink {
  readonly #bucket: S3Bucket
  readonly #key: PayloadKey
  readonly #signal: AbortSignal | undefined
  readonly #parts: CompletedPart[] = []
  #chunks: Uint8Array[] = []
  #buffered = 0
  #uploadId: string | undefined

  constructor(bucket: S3Bucket, key: PayloadKey, signal?: AbortSignal) {
    this.#bucket = bucket
    this.#key = key
    this.#signal = signal
  }

  async write(chunk: Uint8Array, offset: number): Promise<{ readonly bytesWritten: number }> {
    const taken = chunk.subarray(offset, offset + PART_BYTES - this.#buffered)
    this.#chunks.push(taken)
    this.#buffered += taken.length
    if (this.#buffered === PART_BYTES) await this.#sendPart()
    return { bytesWritten: taken.length }
  }

  /** Sends what is left of a body in parts, so that little is to be done by `commit`. */
  async flush(): Promise<void> {
    if (this.#uploadId !== undefined && this.#buffered > 0) await this.#sendPart()
  }

  /** To be called once, after `flush`. */
  async commit(): Promise<void> {
    const uploadId = this.#uploadId
    if (uploadId !== undefined) {
      await completeUpload(this.#bucket, { key: this.#key, uploadId }, this.#parts, this.#signal)
      return
    }
    const put = new PutObjectCommand({ ...this.#bucket.at(this.#key), Body: Buffer.concat(this.#chunks) })
    await this.#bucket.call((client, options) => client.send(put, options), this.#signal)
  }

  async discard(): Promise<void> {
    const uploadId = this.#uploadId
    if (uploadId !== undefined) await abortUpload(this.#bucket, { key: this.#key, uploadId })
  }

  async #sendPart(): Promise<void> {
    const uploadId = (this.#uploadId ??= await beginUpload(this.#bucket, this.#key, this.#signal))
    const PartNumber = this.#parts.length + 1
    const part = { ...this.#bucket.at(this.#key), UploadId: uploadId, PartNumber, Body: Buffer.concat(this.#chunks) }
    this.#chunks = []
    this.#buffered = 0
    const { ETag } = await this.#bucket.call(
      (client, options) => client.send(new UploadPartCommand(part), options),
      this.#signal,
    )
    this.#parts.push({ PartNumber, ETag })
  }
}

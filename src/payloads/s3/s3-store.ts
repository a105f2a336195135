import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { PayloadError } from '../errors.ts'
import { checkKey } from '../payload-key.ts'
import type { PayloadKey } from '../payload-key.ts'
import { receive } from '../receive.ts'
import { S3Bucket } from './s3-bucket.ts'
import type { S3Location } from './s3-bucket.ts'
import { download } from './s3-download.ts'
import { headObject, readObject, readObjectRange } from './s3-object.ts'
import { S3Writer } from './s3-writer.ts'
import type { LocalPayload, PayloadStore, StoredPayload } from '../payload-store.ts'
import { S3Uploads } from '../uploads/s3-uploads.ts'
import type { WriteOptions } from '../write-options.ts'

/** Payloads as objects of a bucket, which many servers and workers share. Clients upload to the S3 itself. */
export class S3PayloadStore implements PayloadStore, Disposable {
  readonly uploads: S3Uploads
  readonly #bucket: S3Bucket
  /** For local copies. */
  readonly #temporaryFolder: string

  private constructor(bucket: S3Bucket, temporaryFolder: string) {
    this.#bucket = bucket
    this.uploads = new S3Uploads(bucket)
    this.#temporaryFolder = temporaryFolder
  }

  /**
   * Asks the S3 nothing yet: a server may start before it does.
   * @param temporaryFolder that recordings are copied to while they are read; it need not be there yet
   */
  static async open(location: S3Location, temporaryFolder: string): Promise<S3PayloadStore> {
    return new S3PayloadStore(await S3Bucket.open(location), temporaryFolder)
  }

  async write(key: PayloadKey, body: Readable, options: WriteOptions = {}): Promise<{ readonly bytes: number }> {
    checkKey(key)
    const writer = new S3Writer(this.#bucket, key, options.signal)
    try {
      const bytes = await receive(body, writer, options)
      await writer.flush()
      await options.beforeCommit?.()
      await writer.commit()
      return { bytes }
    } catch (error) {
      // What can't be removed now is for uploads.removeOlderThan; the first error says more.
      await writer.discard().catch(() => undefined)
      throw error
    }
  }

  async size(key: PayloadKey): Promise<number | undefined> {
    return (await headObject(this.#bucket, key))?.bytes
  }

  async read(key: PayloadKey): Promise<Readable> {
    return await readObject(this.#bucket, key)
  }

  async readRange(key: PayloadKey, start: number, end: number): Promise<Buffer> {
    if (end > start) return await readObjectRange(this.#bucket, key, start, end)
    if ((await this.size(key)) !== undefined) return Buffer.alloc(0)
    throw new PayloadError('payload.missing', 'The payload is not there, or not there any more.')
  }

  async openLocal(key: PayloadKey, signal?: AbortSignal, version: string | null = null): Promise<LocalPayload> {
    return await download(this.#bucket, { key, version }, this.#temporaryFolder, signal)
  }

  async remove(key: PayloadKey, signal?: AbortSignal): Promise<void> {
    const remove = new DeleteObjectCommand(this.#bucket.at(key))
    await this.#bucket.call((client, options) => client.send(remove, options), signal)
  }

  async *list(folder: string, signal?: AbortSignal): AsyncGenerator<StoredPayload> {
    const { Bucket, Key } = this.#bucket.at(folder)
    let token: { ContinuationToken?: string | undefined } = {}
    for (;;) {
      const list = new ListObjectsV2Command({ Bucket, Prefix: `${Key}/`, ...token })
      const page = await this.#bucket.call((client, options) => client.send(list, options), signal)
      for (const { Key: name, Size: bytes, LastModified: modifiedAt } of page.Contents ?? []) {
        const key = this.#bucket.keyOf(name)
        if (key !== undefined && bytes !== undefined && modifiedAt !== undefined) yield { key, bytes, modifiedAt }
      }
      if (page.IsTruncated !== true) return
      token = { ContinuationToken: page.NextContinuationToken }
    }
  }

  async check(signal?: AbortSignal): Promise<void> {
    const key = `checks/${randomUUID()}`
    await this.write(key, Readable.from([Buffer.from(key)]), signal === undefined ? {} : { signal })
    try {
      const found = await text(await readObject(this.#bucket, key, signal))
      if (found !== key) throw new PayloadError('payload.unavailable', 'The payload store returned other bytes.')
    } finally {
      // Also when the signal is aborted: nothing else would remove it.
      await this.remove(key)
    }
  }

  [Symbol.dispose](): void {
    this.uploads[Symbol.dispose]()
    this.#bucket[Symbol.dispose]()
  }
}

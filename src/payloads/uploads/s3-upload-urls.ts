import { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { setImmediate } from 'node:timers/promises'
import type { PayloadKey } from '../payload-key.ts'
import type { S3Bucket } from '../s3/s3-bucket.ts'
import { abortUpload, beginUpload } from '../s3/s3-multipart.ts'
import type { PresignedUpload, PresignOptions } from './client-uploads.ts'

/** Signed before the event loop is let go on: a URL takes a third of a millisecond, and other requests wait meanwhile. */
const URLS_PER_TICK = 32

/** The presigned URLs that clients upload to, and what they stand for when they come back. */
export class S3UploadUrls implements Disposable {
  readonly #bucket: S3Bucket
  readonly #other: S3Bucket
  /** What URLs of the bucket's objects begin with, in both styles. */
  #bases: readonly URL[] | undefined

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket
    this.#other = bucket.inOtherStyle()
  }

  /** Only parts need an answer of the S3. */
  async presign(key: PayloadKey, { expiresInSeconds, parts }: PresignOptions): Promise<PresignedUpload> {
    const url = await urlOf(this.#bucket, key, expiresInSeconds)
    if (parts === undefined) return { url }
    const uploadId = await beginUpload(this.#bucket, key)
    try {
      return { url, parts: await this.#partUrls(key, uploadId, parts, expiresInSeconds) }
    } catch (error) {
      await abortUpload(this.#bucket, { key, uploadId }).catch(() => undefined)
      throw error
    }
  }

  /** Undefined for the URL of anything but an object below the prefix, and for those of parts. */
  async keyOf(url: URL): Promise<PayloadKey | undefined> {
    return url.searchParams.has('partNumber') ? undefined : await this.#keyAt(url)
  }

  /** Whether a URL is of an object below the prefix, or of a part of one. */
  async isOwn(url: URL): Promise<boolean> {
    return (await this.#keyAt(url)) !== undefined
  }

  async #keyAt(url: URL): Promise<PayloadKey | undefined> {
    this.#bases ??= await Promise.all([this.#bucket, this.#other].map(baseOf))
    const base = this.#bases.find(({ host, pathname }) => url.host === host && url.pathname.startsWith(pathname))
    return base === undefined ? undefined : this.#bucket.keyOf(url.pathname.slice(base.pathname.length))
  }

  [Symbol.dispose](): void {
    this.#other[Symbol.dispose]()
  }

  async #partUrls(key: PayloadKey, uploadId: string, parts: number, expiresIn: number): Promise<readonly string[]> {
    const urls: string[] = []
    for (let number = 1; number <= parts; number++) {
      const part = new UploadPartCommand({ ...this.#bucket.at(key), UploadId: uploadId, PartNumber: number })
      urls.push(await this.#bucket.call((client) => getSignedUrl(client, part, { expiresIn })))
      if (number % URLS_PER_TICK === 0) await setImmediate()
    }
    return urls
  }
}

/** Neither Content-Type nor length is signed, so that any client can PUT. */
async function urlOf(bucket: S3Bucket, key: PayloadKey, expiresIn: number): Promise<string> {
  const put = new PutObjectCommand(bucket.at(key))
  return await bucket.call((client) => getSignedUrl(client, put, { expiresIn }))
}

/** The URL of the bucket itself, with a slash at its end. The SDK alone knows the rules of endpoints. */
async function baseOf(bucket: S3Bucket): Promise<URL> {
  const url = new URL(await urlOf(bucket, 'x', 60))
  const { Key } = bucket.at('x')
  return new URL(url.origin + url.pathname.slice(0, -Key.length))
}

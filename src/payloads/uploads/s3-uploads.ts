import { PayloadError } from '../errors.ts'
import { checkKey } from '../payload-key.ts'
import type { PayloadKey } from '../payload-key.ts'
import type { S3Bucket } from '../s3/s3-bucket.ts'
import { causeIs } from '../s3/s3-errors.ts'
import { abortUpload, completeUpload, partsFromStart, pendingUploads, uploadedParts } from '../s3/s3-multipart.ts'
import type { PendingUpload } from '../s3/s3-multipart.ts'
import { headObject } from '../s3/s3-object.ts'
import type {
  DirectUploads,
  FinishedUpload,
  PresignedUpload,
  PresignOptions,
  UploadProgress,
} from './client-uploads.ts'
import { S3UploadUrls } from './s3-upload-urls.ts'

/** Unfinished uploads as S3's multipart uploads: its own list of their parts says how far they are. */
export class S3Uploads implements DirectUploads, Disposable {
  readonly kind = 'direct'
  readonly #bucket: S3Bucket
  readonly #urls: S3UploadUrls
  /** Those that are being finished. */
  readonly #finishing = new Map<PayloadKey, Promise<FinishedUpload | undefined>>()

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket
    this.#urls = new S3UploadUrls(bucket)
  }

  async presign(key: PayloadKey, options: PresignOptions): Promise<PresignedUpload> {
    return await this.#urls.presign(key, options)
  }

  async keyOf(url: URL): Promise<PayloadKey | undefined> {
    return await this.#urls.keyOf(url)
  }

  async isOwn(url: URL): Promise<boolean> {
    return await this.#urls.isOwn(url)
  }

  async progress(key: PayloadKey): Promise<UploadProgress> {
    const whole = await headObject(this.#bucket, key)
    if (whole !== undefined) return { offset: whole.bytes, length: whole.bytes }
    const upload = await this.#pending(key)
    const parts = upload === undefined ? [] : partsFromStart(await uploadedParts(this.#bucket, upload))
    return { offset: parts.reduce((sum, { bytes }) => sum + bytes, 0), length: undefined }
  }

  async finish(key: PayloadKey): Promise<FinishedUpload | undefined> {
    const finishing = this.#finishing.get(key) ?? this.#finish(key).finally(() => this.#finishing.delete(key))
    this.#finishing.set(key, finishing)
    return await finishing
  }

  async discard(key: PayloadKey): Promise<void> {
    checkKey(key)
    for await (const upload of pendingUploads(this.#bucket, key)) {
      if (upload.key === key) await abortUpload(this.#bucket, upload)
    }
  }

  async removeOlderThan(date: Date): Promise<number> {
    let removed = 0
    for await (const upload of pendingUploads(this.#bucket, '')) {
      if (upload.beganAt >= date) continue
      await abortUpload(this.#bucket, upload)
      removed++
    }
    return removed
  }

  [Symbol.dispose](): void {
    this.#urls[Symbol.dispose]()
  }

  async #finish(key: PayloadKey): Promise<FinishedUpload | undefined> {
    const whole = await headObject(this.#bucket, key)
    if (whole !== undefined) return whole
    const upload = await this.#pending(key)
    if (upload !== undefined) await this.#complete(upload)
    return await headObject(this.#bucket, key)
  }

  /** @throws PayloadError `payload.incomplete` when there is a gap between its parts */
  async #complete(upload: PendingUpload): Promise<void> {
    const parts = await uploadedParts(this.#bucket, upload)
    if (parts.length === 0) return
    const { length } = partsFromStart(parts)
    if (length < parts.length) {
      throw new PayloadError(
        'payload.incomplete',
        `Part ${length + 1} of the recording is missing, though later ones are there. PUT it to its URL, then submit.`,
      )
    }
    await completeUpload(this.#bucket, upload, parts).catch((error: unknown) => {
      // Another process completed it, or an earlier try whose answer was lost.
      if (!causeIs(error, 'NoSuchUpload')) throw error
    })
  }

  async #pending(key: PayloadKey): Promise<PendingUpload | undefined> {
    for await (const upload of pendingUploads(this.#bucket, key)) {
      if (upload.key === key) return upload
    }
    return undefined
  }
}

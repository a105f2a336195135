import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

const require = createRequire(import.meta.url)

/** What s3rver hands to its store, and gets from it. */
interface S3Object {
  readonly bucket: string
  readonly key: string
  content: Readable | null
  readonly metadata: Readonly<Record<string, unknown>>
  range?: { readonly start: number; readonly end: number }
}

export const S3Object = require('@20minutes/s3rver/lib/models/object') as new (
  bucket: string,
  key: string,
  content: Readable | null,
  metadata: Readonly<Record<string, unknown>>,
) => S3Object
export const S3Error = require('@20minutes/s3rver/lib/models/error') as new (code: string, message: string) => Error

interface Stored {
  readonly bytes: Buffer
  readonly md5: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly modifiedAt: Date
}

export interface PendingUpload {
  readonly id: string
  readonly key: string
  readonly initiatedAt: Date
  readonly metadata: Readonly<Record<string, unknown>>
  readonly parts: Map<number, Stored>
}

/** All parts but the last. */
const MIN_PART_BYTES = 5 * 2 ** 20

/**
 * One bucket in memory behind s3rver, whose own store of files writes objects in place: here, as in S3, an object appears whole
 * or not at all, and an upload in parts is completed once.
 */
export class MemoryBucket {
  readonly objects = new Map<string, Stored>()
  readonly uploads = new Map<string, PendingUpload>()
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  async getBucket(name: string): Promise<{ readonly name: string; readonly creationDate: Date } | null> {
    return name === this.#name ? { name, creationDate: new Date(0) } : null
  }

  async putBucket(name: string): Promise<unknown> {
    return await this.getBucket(name)
  }

  async existsObject(_bucket: string, key: string): Promise<boolean> {
    return this.objects.has(key)
  }

  async putObject({ key, content, metadata }: S3Object): Promise<{ readonly size: number; readonly md5: string }> {
    return this.#store(key, await buffer(content ?? Readable.from([])), metadata)
  }

  /** Ends are included, as in HTTP. */
  async getObject(
    bucket: string,
    key: string,
    { start, end }: { readonly start?: number; readonly end?: number } = {},
  ): Promise<S3Object | null> {
    const stored = this.objects.get(key)
    if (stored === undefined) return null
    const { bytes, md5, modifiedAt } = stored
    const object = new S3Object(bucket, key, null, {
      ...stored.metadata,
      etag: JSON.stringify(md5),
      'last-modified': modifiedAt.toUTCString(),
      'content-length': bytes.length,
    })
    const range = { start: start ?? 0, end: Math.min(end ?? Infinity, bytes.length - 1) }
    if (start !== undefined) object.range = range
    if (start !== undefined && range.start > range.end) return object
    object.content = Readable.from([bytes.subarray(range.start, range.end + 1)], { objectMode: false })
    return object
  }

  async deleteObject(_bucket: string, key: string): Promise<void> {
    this.objects.delete(key)
  }

  async getSubresource(): Promise<null> {
    return null
  }

  async initiateUpload(_bucket: string, key: string, id: string, metadata: Record<string, unknown>): Promise<void> {
    this.uploads.set(id, { id, key, metadata, initiatedAt: new Date(), parts: new Map() })
  }

  async putPart(
    _bucket: string,
    id: string,
    number: string,
    content: Readable,
  ): Promise<{ readonly size: number; readonly md5: string }> {
    const bytes = await buffer(content)
    const part = { bytes, md5: md5Of(bytes), metadata: {}, modifiedAt: new Date() }
    this.upload(id).parts.set(Number(number), part)
    return { size: bytes.length, md5: part.md5 }
  }

  async putObjectMultipart(
    _bucket: string,
    id: string,
    parts: readonly { readonly number: number; readonly etag: string }[],
  ): Promise<{ readonly size: number; readonly md5: string }> {
    const upload = this.upload(id)
    const chosen = parts.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      if (part?.md5 !== etag) throw new S3Error('InvalidPart', 'One or more of the parts could not be found.')
      return part.bytes
    })
    if (chosen.slice(0, -1).some(({ length }) => length < MIN_PART_BYTES)) {
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size.')
    }
    this.uploads.delete(id)
    return this.#store(upload.key, Buffer.concat(chosen), upload.metadata)
  }

  /** @throws S3Error NoSuchUpload */
  upload(id: string): PendingUpload {
    const upload = this.uploads.get(id)
    if (upload !== undefined) return upload
    throw new S3Error('NoSuchUpload', 'The specified upload does not exist.')
  }

  #store(key: string, bytes: Buffer, metadata: Readonly<Record<string, unknown>>): { size: number; md5: string } {
    const md5 = md5Of(bytes)
    this.objects.set(key, { bytes, md5, metadata, modifiedAt: new Date() })
    return { size: bytes.length, md5 }
  }
}

function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}

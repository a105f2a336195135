import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'
import { S3Error } from './s3-memory.ts'
import type { MemoryBucket } from './s3-memory.ts'

const require = createRequire(import.meta.url)

/** What is used of Koa's context here. */
export interface S3Context {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string | undefined>>
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly res: ServerResponse
  params: { readonly bucket: string; readonly key?: string }
  status: number
  length: number | undefined
  body: Readable | object | string | null | undefined
}

export type S3Middleware = (context: S3Context, next: () => Promise<void>) => Promise<void>

const authenticate = (require('@20minutes/s3rver/lib/middleware/authentication') as () => S3Middleware)()

/**
 * What s3rver lacks. It lets pass what S3 refuses, anonymous requests and bodies of unannounced length, and knows no If-Match. It
 * can't list on, since it makes its tokens by a cipher that OpenSSL has given up. Of an upload in parts it can neither list nor
 * abort anything.
 * @param pageLength entries of a list's answer at most
 */
export function missingVerbs(bucket: MemoryBucket, pageLength: number): S3Middleware {
  return async (context, next) => {
    const { method, query } = context
    const [, name = '', ...rest] = context.path.split('/')
    const key = rest.map(decodeURIComponent).join('/')
    if (context.headers['authorization'] === undefined && query['X-Amz-Signature'] === undefined) {
      throw new S3Error('AccessDenied', 'Access Denied')
    }
    if (context.headers['transfer-encoding'] !== undefined) {
      throw new S3Error('NotImplemented', 'A header you provided implies functionality that is not implemented.')
    }
    const [expected, found] = [context.headers['if-match'], bucket.objects.get(key)?.md5]
    if (expected !== undefined && found !== undefined && expected !== JSON.stringify(found)) {
      throw new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.')
    }
    const answer = verbOf(method, key, query)
    if (answer === undefined || (await bucket.getBucket(name)) === null) return await next()
    // A bucket's path is signed with the slash at its end that the SDK gives it.
    context.params = key === '' ? { bucket: context.path.slice(1) } : { bucket: name, key }
    await authenticate(context, async () => {
      context.body = answer(bucket, query, pageLength)
      context.status = context.body === null ? 204 : 200
    })
  }
}

type Verb = (bucket: MemoryBucket, query: S3Context['query'], pageLength: number) => object | null

function verbOf(method: string, key: string, query: S3Context['query']): Verb | undefined {
  if (method === 'GET' && key === '' && query['list-type'] === '2') return listObjects
  if (method === 'GET' && key === '' && query['uploads'] !== undefined) return listUploads
  if (method === 'GET' && query['uploadId'] !== undefined) return listParts
  if (method === 'DELETE' && query['uploadId'] !== undefined) return abortUpload
  return undefined
}

const listObjects: Verb = ({ objects }, query, pageLength) => {
  const after = Buffer.from(query['continuation-token'] ?? '', 'base64url').toString()
  const found = [...objects.keys()].sort().filter((key) => key.startsWith(query['prefix'] ?? '') && key > after)
  const page = found.slice(0, pageLength)
  const isTruncated = page.length < found.length
  const next = Buffer.from(page.at(-1) ?? '').toString('base64url')
  const contents = page.map((key) => ({
    Key: key,
    LastModified: objects.get(key)?.modifiedAt.toISOString(),
    Size: objects.get(key)?.bytes.length,
  }))
  const truncation = isTruncated ? { NextContinuationToken: next } : {}
  return { ListBucketResult: { IsTruncated: isTruncated, ...truncation, KeyCount: page.length, Contents: contents } }
}

const listUploads: Verb = ({ uploads }, query, pageLength) => {
  const place = (key: string, id: string): string => `${key}\0${id}`
  const marker = place(query['key-marker'] ?? '', query['upload-id-marker'] ?? '')
  const found = [...uploads.values()]
    .filter(({ key, id }) => key.startsWith(query['prefix'] ?? '') && place(key, id) > marker)
    .sort((one, other) => (place(one.key, one.id) < place(other.key, other.id) ? -1 : 1))
  const page = found.slice(0, pageLength)
  return {
    ListMultipartUploadsResult: {
      IsTruncated: page.length < found.length,
      NextKeyMarker: page.at(-1)?.key ?? '',
      NextUploadIdMarker: page.at(-1)?.id ?? '',
      Upload: page.map(({ id, key, initiatedAt }) => ({
        Key: key,
        UploadId: id,
        Initiated: initiatedAt.toISOString(),
      })),
    },
  }
}

const listParts: Verb = (bucket, query, pageLength) => {
  const { parts } = bucket.upload(query['uploadId'] ?? '')
  const found = [...parts].filter(([number]) => number > Number(query['part-number-marker'] ?? 0))
  const page = found.sort(([one], [other]) => one - other).slice(0, pageLength)
  return {
    ListPartsResult: {
      IsTruncated: page.length < found.length,
      NextPartNumberMarker: page.at(-1)?.[0] ?? 0,
      Part: page.map(([number, { md5, bytes, modifiedAt }]) => ({
        ...{ PartNumber: number, ETag: JSON.stringify(md5), Size: bytes.length },
        LastModified: modifiedAt.toISOString(),
      })),
    },
  }
}

const abortUpload: Verb = (bucket, query) => {
  const { id } = bucket.upload(query['uploadId'] ?? '')
  bucket.uploads.delete(id)
  return null
}

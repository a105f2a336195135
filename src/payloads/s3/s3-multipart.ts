import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { PayloadError } from '../errors.ts'
import type { S3Bucket } from './s3-bucket.ts'
import { causeIs } from './s3-errors.ts'
import type { PayloadKey } from '../payload-key.ts'

/** An upload in parts that is not completed, by S3's name of it. */
export interface PendingUpload {
  readonly key: PayloadKey
  readonly uploadId: string
  readonly beganAt: Date
}

/** Says the upload's id. */
export async function beginUpload(bucket: S3Bucket, key: PayloadKey, signal?: AbortSignal): Promise<string> {
  const create = new CreateMultipartUploadCommand(bucket.at(key))
  const { UploadId } = await bucket.call((client, options) => client.send(create, options), signal)
  if (UploadId === undefined) throw new TypeError('the S3 began an upload without an id')
  return UploadId
}

/**
 * The object appears, whole.
 * @throws PayloadError `payload.incomplete` when a part but the last is smaller than S3 takes
 */
export async function completeUpload(
  bucket: S3Bucket,
  { key, uploadId }: Pick<PendingUpload, 'key' | 'uploadId'>,
  parts: readonly CompletedPart[],
  signal?: AbortSignal,
): Promise<void> {
  const complete = new CompleteMultipartUploadCommand({
    ...bucket.at(key),
    UploadId: uploadId,
    MultipartUpload: { Parts: parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag })) },
  })
  try {
    await bucket.call((client, options) => client.send(complete, options), signal)
  } catch (error) {
    if (!causeIs(error, 'EntityTooSmall')) throw error
    const message =
      'A part of the recording is too small: each but the last takes at least 5 MiB. PUT larger ones, then submit.'
    throw new PayloadError('payload.incomplete', message, { cause: error })
  }
}

/** Its parts go with it; one that is not there any more is no error. */
export async function abortUpload(
  bucket: S3Bucket,
  { key, uploadId }: Pick<PendingUpload, 'key' | 'uploadId'>,
): Promise<void> {
  const abort = new AbortMultipartUploadCommand({ ...bucket.at(key), UploadId: uploadId })
  try {
    await bucket.call((client, options) => client.send(abort, options))
  } catch (error) {
    if (!causeIs(error, 'NoSuchUpload')) throw error
  }
}

/** A part that was uploaded. */
export interface UploadedPart extends CompletedPart {
  readonly PartNumber: number
  readonly bytes: number
}

/** The parts that were uploaded, in their order; none when the upload is not there any more. */
export async function uploadedParts(bucket: S3Bucket, upload: PendingUpload): Promise<readonly UploadedPart[]> {
  try {
    return await Array.fromAsync(partsOf(bucket, upload))
  } catch (error) {
    if (causeIs(error, 'NoSuchUpload')) return []
    throw error
  }
}

/** Those before the first gap: where the numbers are 1, 2, 3, … */
export function partsFromStart(parts: readonly UploadedPart[]): readonly UploadedPart[] {
  const gap = parts.findIndex(({ PartNumber }, index) => PartNumber !== index + 1)
  return gap === -1 ? parts : parts.slice(0, gap)
}

/** Not by the SDK's own pages: a last one that names a marker all the same would be followed by the first. */
async function* partsOf(bucket: S3Bucket, { key, uploadId }: PendingUpload): AsyncGenerator<UploadedPart> {
  const upload = { ...bucket.at(key), UploadId: uploadId }
  let marker: string | undefined
  for (;;) {
    const list = new ListPartsCommand({ ...upload, ...(marker === undefined ? {} : { PartNumberMarker: marker }) })
    const page = await bucket.call((client, options) => client.send(list, options))
    for (const { PartNumber = 0, ETag, Size: bytes = 0 } of page.Parts ?? []) yield { PartNumber, ETag, bytes }
    if (page.IsTruncated !== true) return
    marker = page.NextPartNumberMarker
  }
}

/** Uploads in parts whose keys begin so, one page of them in memory at a time. */
export async function* pendingUploads(bucket: S3Bucket, keyPrefix: string): AsyncGenerator<PendingUpload> {
  const within = { Bucket: bucket.location.bucket, Prefix: bucket.prefix + keyPrefix }
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {}
  for (;;) {
    const list = new ListMultipartUploadsCommand({ ...within, ...marker })
    const page = await bucket.call((client, options) => client.send(list, options))
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      const key = bucket.keyOf(Key)
      if (key === undefined || UploadId === undefined || Initiated === undefined) continue
      yield { key, uploadId: UploadId, beganAt: Initiated }
    }
    if (page.IsTruncated !== true) return
    marker = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
  }
}

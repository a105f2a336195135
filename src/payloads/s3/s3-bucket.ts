import { S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { checkKey, isKey } from '../payload-key.ts'
import type { PayloadKey } from '../payload-key.ts'
import { answering } from './s3-errors.ts'

/** Where in an S3 payloads lie. */
export interface S3Location {
  readonly bucket: string
  /** What stands before each key, without a slash at its ends; empty: nothing. The bucket below it belongs to Sotto alone. */
  readonly prefix: string
  /** Whether the bucket is named in the path of URLs, as servers want it that have no name for each bucket. */
  readonly pathStyle: boolean
}

/** A connection is made within this time, or the machine is taken for gone. */
const CONNECTION_TIMEOUT_MS = 3000
/** A connection on which nothing comes or goes for so long is given up, be it amid a large object. */
const IDLE_TIMEOUT_MS = 10_000
/** Of each request, with the SDK's pauses in between: short, since a client waits for most of them. */
const MAX_ATTEMPTS = 3
/** What is signed for where nobody names a region: S3's first, and the usual one of other servers. */
const DEFAULT_REGION = 'us-east-1'

export type RequestOptions = { readonly abortSignal?: AbortSignal }

/** A bucket, and the client that requests to it go through. The SDK reads its own variables, `AWS_*`. */
export class S3Bucket implements Disposable {
  readonly client: S3Client
  readonly location: S3Location

  private constructor(client: S3Client, location: S3Location) {
    this.client = client
    this.location = location
  }

  /** Connects to nothing yet. */
  static async open(location: S3Location): Promise<S3Bucket> {
    const client = clientOf({ forcePathStyle: location.pathStyle })
    const region = await client.config.region().catch(() => DEFAULT_REGION)
    client.destroy()
    return new S3Bucket(clientOf({ region, forcePathStyle: location.pathStyle }), location)
  }

  /** As this one, but for how URLs name the bucket. */
  inOtherStyle(): S3Bucket {
    const { region, credentials } = this.client.config
    const location = { ...this.location, pathStyle: !this.location.pathStyle }
    return new S3Bucket(clientOf({ region, credentials, forcePathStyle: location.pathStyle }), location)
  }

  /**
   * What the SDK calls an object.
   * @throws PayloadError `payload.invalid_key`
   */
  at(key: PayloadKey): { readonly Bucket: string; readonly Key: string } {
    checkKey(key)
    return { Bucket: this.location.bucket, Key: this.prefix + key }
  }

  /** What keys begin with in the bucket. */
  get prefix(): string {
    return this.location.prefix === '' ? '' : `${this.location.prefix}/`
  }

  /** Undefined for what lies elsewhere in the bucket. */
  keyOf(name: string | undefined): PayloadKey | undefined {
    if (name?.startsWith(this.prefix) !== true) return undefined
    const key = name.slice(this.prefix.length)
    return isKey(key) ? key : undefined
  }

  /** @throws PayloadError for whatever goes wrong; the signal's reason when it is aborted */
  async call<T>(request: (client: S3Client, options: RequestOptions) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const options = signal === undefined ? {} : { abortSignal: signal }
    return await answering(() => request(this.client, options), signal)
  }

  [Symbol.dispose](): void {
    this.client.destroy()
  }
}

function clientOf(options: Pick<S3ClientConfig, 'region' | 'credentials' | 'forcePathStyle'>): S3Client {
  return new S3Client({
    ...options,
    // Checksums of their own are more than servers beside Amazon's understand, and would have to be part of presigned URLs.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
  })
}

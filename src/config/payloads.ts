import type { Settings, ValueType, Values } from './setting.ts'
import { bytes, integer, named, onOff, orOff, secondsAsMs } from './value-types.ts'

type PayloadPlace =
  | { readonly kind: 'folder' }
  /** `prefix` stands before each key, without a slash at its ends; empty: nothing. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

const BUCKET = /^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/
/** What keys may consist of; as long as leaves room for them within S3's 1,024 bytes. */
const PREFIX = /^(?:[\w-][\w.-]*(?:\/[\w-][\w.-]*)*)?$/
const MAX_PREFIX_LENGTH = 512

const payloadPlace: ValueType<PayloadPlace> = {
  takes: 'folder|s3://bucket/prefix',
  expects: 'folder, or s3://<bucket> or s3://<bucket>/<prefix>, such as s3://recordings/sotto',
  read: (value) => {
    if (value === 'folder') return { kind: 'folder' }
    const [, bucket = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(value) ?? []
    const prefix = path.replace(/\/$/, '')
    const isPlace = BUCKET.test(bucket) && PREFIX.test(prefix) && prefix.length <= MAX_PREFIX_LENGTH
    return isPlace ? { kind: 's3', bucket, prefix } : undefined
  },
}

/** Where recordings and results lie, and what may be uploaded. */
export const PAYLOADS_SETTINGS = {
  place: {
    variable: 'SOTTO_PAYLOADS',
    flag: 'payloads',
    type: payloadPlace,
    default: 'folder',
    meaning:
      'where recordings and results lie: in the data folder, or in a bucket of an S3, whose AWS_* variables then count',
    see: '[below](#payloads-in-s3)',
  },
  s3PathStyle: {
    variable: 'SOTTO_S3_PATH_STYLE',
    flag: 's3-path-style',
    type: onOff,
    default: 'off',
    meaning: "on: the bucket's name is in the path of URLs, not in their host, as MinIO and others want it",
  },
  maxUploadBytes: {
    variable: 'SOTTO_MAX_UPLOAD_BYTES',
    flag: 'max-upload-bytes',
    type: bytes,
    default: '5G',
    meaning: 'largest recording that may be uploaded',
  },
  /** Null: any amount. */
  maxUnsubmittedBytes: {
    variable: 'SOTTO_MAX_UNSUBMITTED_BYTES',
    flag: 'max-unsubmitted-bytes',
    type: orOff(bytes),
    default: '50G',
    meaning: 'what one API key may have uploaded to this server and not submitted yet; more is refused with 429',
    see: '[below](#limits)',
  },
  fetchTimeoutMs: {
    variable: 'SOTTO_FETCH_TIMEOUT',
    flag: 'fetch-timeout',
    type: secondsAsMs(integer(1, 604_800)),
    default: '3600',
    meaning: 'how long fetching a recording from somebody else’s URL may take',
    see: '[below](#urls-of-others)',
  },
  uploadUrlTtlSeconds: {
    variable: 'SOTTO_UPLOAD_URL_TTL',
    flag: 'upload-url-ttl',
    type: named('seconds', integer(1, 7 * 86_400)),
    default: '3600',
    meaning: 'how long an upload URL may be used',
  },
} as const satisfies Settings

type PayloadsValues = Values<typeof PAYLOADS_SETTINGS>

/** In the data folder, or in a bucket, which the AWS SDK is told of by its own variables. */
export type PayloadStoreConfig =
  | { readonly kind: 'folder' }
  | {
      readonly kind: 's3'
      readonly bucket: string
      /** What stands before each key, without a slash at its ends; empty: nothing. */
      readonly prefix: string
      readonly pathStyle: boolean
    }

export type PayloadsConfig = Omit<PayloadsValues, 'place' | 's3PathStyle'> & { readonly store: PayloadStoreConfig }

export function payloadsConfig({ place, s3PathStyle: pathStyle, ...others }: PayloadsValues): PayloadsConfig {
  return { ...others, store: place.kind === 's3' ? { ...place, pathStyle } : place }
}

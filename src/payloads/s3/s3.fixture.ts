import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { BUCKET, S3 } from '../../../test/support/s3.ts'
import type { S3Location } from './s3-bucket.ts'
import { S3PayloadStore } from './s3-store.ts'

export const PREFIX = 'deep/sotto'

export interface S3Fixture extends AsyncDisposable {
  readonly s3: S3
  readonly store: S3PayloadStore
  /** That it copies to. */
  readonly folder: string
  /** A store of another process: the same bucket, seen by a client of its own. */
  readonly another: (location?: Partial<S3Location>) => Promise<S3PayloadStore>
}

/** An S3 and a store in it, which is told of it by variables of this process. */
export async function openS3(
  options: { readonly pageLength?: number; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<S3Fixture> {
  await using stack = new AsyncDisposableStack()
  const s3 = stack.use(await S3.start(options))
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-s3-'))).path
  stack.defer(() => void vi.unstubAllEnvs())
  for (const [name, value] of Object.entries({ ...s3.environment, ...options.environment })) vi.stubEnv(name, value)
  const another: S3Fixture['another'] = async (location = {}) =>
    stores.use(await S3PayloadStore.open({ bucket: BUCKET, prefix: PREFIX, pathStyle: true, ...location }, folder))
  const stores = stack.use(new DisposableStack())
  const store = await another()
  const parts = stack.move()
  return { s3, store, folder, another, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

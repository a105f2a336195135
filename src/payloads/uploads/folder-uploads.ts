import type { FileHandle } from 'node:fs/promises'
import { readdir, rm, stat, unlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { DiskReserve } from '../folder/disk-reserve.ts'
import { fileBytes } from '../folder/file-size.ts'
import { absent, available } from '../folder/file-errors.ts'
import { filesBelow } from '../folder/files-below.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { checkKey } from '../payload-key.ts'
import type { PayloadKey } from '../payload-key.ts'
import { checkAppend, limitOf, tooLarge, wrongOffset } from './append-checks.ts'
import { arrivalsOf } from './arrivals.ts'
import type { ApiUploads, AppendOptions, FinishedUpload, UploadProgress } from './client-uploads.ts'
import type { UploadPaths, UploadState } from './partial-files.ts'
import { durableStateOf, openData, placeObject, removePartial, stateOf, writeLength } from './partial-files.ts'

export interface FolderUploadsOptions {
  /** Of unfinished uploads: `data/<key>` and `length/<key>`. Made when it is needed. */
  readonly folder: string
  readonly objects: string
  /** For what is being written; on the same file system as the others. */
  readonly temporary: string
  readonly reserve: DiskReserve
}

/**
 * Unfinished uploads as files of a folder. The offset that is told is the size of a file that was synchronised, so it survives the
 * process as well as the machine. After a power cut, bytes behind the last offset that was told are up to the file system: those
 * in use set the size when the bytes are on disk.
 */
export class FolderUploads implements ApiUploads {
  readonly kind = 'api'
  readonly #options: FolderUploadsOptions
  readonly #mutex = new KeyedMutex()
  /** Where the next byte goes of uploads whose body is arriving. */
  readonly #positions = new Map<PayloadKey, number>()

  constructor(options: FolderUploadsOptions) {
    this.#options = options
  }

  async progress(key: PayloadKey): Promise<UploadProgress> {
    const paths = this.#paths(key)
    const state = await available(() => durableStateOf(paths))
    if (!hasAll(state)) return progressOf(state)
    // All bytes are there, but whoever brought them is still at work, or could not finish it.
    using _ = await this.#mutex.acquire(key)
    return await available(async () => {
      const found = await durableStateOf(paths)
      if (hasAll(found)) await placeObject(paths)
      return progressOf(found)
    })
  }

  /** What was submitted is replaced by nobody: the API, which alone writes here, refuses it. So no version is needed. */
  async finish(key: PayloadKey): Promise<FinishedUpload | undefined> {
    const paths = this.#paths(key)
    const bytes = await available(async () => fileBytes(paths.object))
    if (bytes !== undefined) return { bytes, version: null }
    const { offset, length } = await this.progress(key)
    return offset === length ? { bytes: offset, version: null } : undefined
  }

  async append(key: PayloadKey, options: AppendOptions): Promise<UploadProgress> {
    const paths = this.#paths(key)
    options.signal?.throwIfAborted()
    const { reserve } = this.#options
    await reserve.check(options.bodyBytes)
    // Only an append at the right offset may preempt the one that is under way.
    const position = this.#positions.get(key)
    if (position !== undefined && position !== options.offset) throw wrongOffset(options.offset, position)
    using hold = await this.#mutex.acquire(key)
    const state = await available(() => stateOf(paths))
    const length = checkAppend(state, options)
    const signal = options.signal === undefined ? hold.signal : AbortSignal.any([hold.signal, options.signal])
    const offset = await available(async () => {
      await using file = await openData(paths)
      if (length !== state.length) await writeLength(paths.length, length ?? 0, this.#options.temporary)
      return await this.#receive(key, { ...options, signal }, file, limitOf(length, options))
    }, signal)
    if (offset === length) {
      await options.beforeCommit?.()
      await available(() => placeObject(paths))
    }
    return { offset, length }
  }

  async discard(key: PayloadKey): Promise<void> {
    const paths = this.#paths(key)
    using _ = await this.#mutex.acquire(key)
    await available(() => removePartial(paths))
  }

  /** Runs what makes an object of other bytes, while nothing is appended; discards what was unfinished. */
  async replace(key: PayloadKey, commit: () => Promise<void>): Promise<void> {
    const paths = this.#paths(key)
    using _ = await this.#mutex.acquire(key)
    await commit()
    // It means nothing beside the object, and goes with the old ones when it can't be removed now.
    await removePartial(paths).catch(() => undefined)
  }

  async removeOlderThan(date: Date): Promise<number> {
    return await available(async () => (await this.#removeWrites(date)) + (await this.#removePartials(date)))
  }

  async #removeWrites(date: Date): Promise<number> {
    let removed = 0
    for await (const { path, modifiedAt } of filesBelow(this.#options.temporary)) {
      if (modifiedAt >= date) continue
      await rm(path, { force: true })
      removed += 1
    }
    return removed
  }

  async #removePartials(date: Date): Promise<number> {
    let removed = 0
    for (const key of await keysBelow(this.#part('data'))) {
      if (this.#mutex.isHeld(key)) continue
      using _ = await this.#mutex.acquire(key)
      const paths = this.#paths(key)
      if (!(await isOlder(paths.data, date))) continue
      await removePartial(paths)
      removed += 1
    }
    for (const key of await keysBelow(this.#part('length'))) {
      const { data, length } = this.#paths(key)
      const isUsed = (await stat(data).catch(absent)) !== undefined
      if (!isUsed && (await isOlder(length, date))) await unlink(length).catch(absent)
    }
    return removed
  }

  /**
   * Adds a body behind the data, synchronised; says where it ends.
   * @throws PayloadError `payload.too_large` when it has more than `limit` allows; nothing of it stays then
   */
  async #receive(
    key: PayloadKey,
    { body, offset, signal }: AppendOptions & { readonly signal: AbortSignal },
    file: FileHandle,
    limit: number,
  ): Promise<number> {
    const meter = this.#options.reserve.meter()
    let end = offset
    try {
      this.#positions.set(key, end)
      for await (const chunk of arrivalsOf(body, signal)) {
        if (end + chunk.length > limit) {
          await file.truncate(offset)
          throw tooLarge(limit)
        }
        await meter(chunk.length)
        await file.appendFile(chunk)
        end += chunk.length
        this.#positions.set(key, end)
      }
    } finally {
      this.#positions.delete(key)
    }
    await file.sync()
    return end
  }

  #paths(key: PayloadKey): UploadPaths {
    checkKey(key)
    return {
      data: join(this.#part('data'), key),
      length: join(this.#part('length'), key),
      object: join(this.#options.objects, key),
    }
  }

  #part(name: 'data' | 'length'): string {
    return join(this.#options.folder, name)
  }
}

function hasAll({ offset, length, complete }: UploadState): boolean {
  return complete === undefined && offset !== undefined && offset === length
}

function progressOf({ offset = 0, length, complete }: UploadState): UploadProgress {
  return complete === undefined ? { offset, length } : { offset: complete, length: complete }
}

async function keysBelow(folder: string): Promise<readonly PayloadKey[]> {
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true }).catch(absent)) ?? []
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll(sep, '/'),
    )
}

async function isOlder(path: string, date: Date): Promise<boolean> {
  const found = await stat(path).catch(absent)
  return found !== undefined && found.mtime < date
}

import type { FileHandle } from 'node:fs/promises'
import { readdir, stat, unlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { checkAppend, limitOf, tooLarge, wrongOffset } from './append-checks.ts'
import { arrivalsOf } from './arrivals.ts'
import type { DiskReserve } from './disk-reserve.ts'
import { absent, available } from './file-errors.ts'
import type { UploadPaths, UploadState } from './partial-files.ts'
import { durableStateOf, finish, openData, removePartial, stateOf, writeLength } from './partial-files.ts'
import { checkKey } from './payload-key.ts'
import type { AppendOptions, ResumableUploads, UploadProgress } from './resumable-uploads.ts'
import type { PayloadKey } from './store.ts'
import type { Turn } from './turns.ts'
import { Turns } from './turns.ts'

export interface PartialUploadsOptions {
  /** Of incomplete uploads: `data/<key>` and `length/<key>`. Made when it is needed. */
  readonly folder: string
  readonly objects: string
  /** For what is being written; on the same file system as the others. */
  readonly temporary: string
  readonly reserve: DiskReserve
}

/**
 * Incomplete uploads as files of a folder. The offset that is told is the size of a file that was synchronised, so it survives the
 * process as well as the machine. What a power cut leaves of bytes that nobody was told of is up to the file system: those in use
 * set the size when the bytes are on disk.
 */
export class PartialUploads implements ResumableUploads {
  readonly #options: PartialUploadsOptions
  readonly #turns = new Turns()

  constructor(options: PartialUploadsOptions) {
    this.#options = options
  }

  async progress(key: PayloadKey): Promise<UploadProgress> {
    const paths = this.#paths(key)
    const state = await available(() => durableStateOf(paths))
    if (!hasAll(state)) return progressOf(state)
    // All bytes are there, but whoever brought them is still at work, or could not finish it.
    return await this.#turns.take(key, () =>
      available(async () => {
        const found = await durableStateOf(paths)
        if (hasAll(found)) await finish(paths)
        return progressOf(found)
      }),
    )
  }

  async append(key: PayloadKey, options: AppendOptions): Promise<UploadProgress> {
    const paths = this.#paths(key)
    options.signal?.throwIfAborted()
    const { reserve } = this.#options
    await reserve.check(options.bodyBytes)
    // Only who knows where it goes on may stop the append that is under way.
    const position = this.#turns.position(key)
    if (position !== undefined && position !== options.offset) throw wrongOffset(options.offset, position)
    return await this.#turns.take(key, async (turn) => {
      const state = await available(() => stateOf(paths))
      const length = checkAppend(state, options)
      const signal = options.signal === undefined ? turn.signal : AbortSignal.any([turn.signal, options.signal])
      const offset = await available(async () => {
        await using file = await openData(paths)
        if (length !== state.length) await writeLength(paths.length, length ?? 0, this.#options.temporary)
        return await receiveMore({ file, reserve }, options, limitOf(length, options), turn, signal)
      }, signal)
      if (offset === length) {
        await options.beforeCommit?.()
        await available(() => finish(paths))
      }
      return { offset, length }
    })
  }

  async discard(key: PayloadKey): Promise<void> {
    const paths = this.#paths(key)
    await this.#turns.take(key, () => available(() => removePartial(paths)))
  }

  /** Runs what makes an object of other bytes, while nothing is appended; discards what was incomplete. */
  async replace(key: PayloadKey, commit: () => Promise<void>): Promise<void> {
    const paths = this.#paths(key)
    await this.#turns.take(key, async () => {
      await commit()
      // It means nothing beside the object, and goes with the old ones when it can't be removed now.
      await removePartial(paths).catch(() => undefined)
    })
  }

  async removeOlderThan(date: Date): Promise<number> {
    return await available(async () => {
      let removed = 0
      for (const key of await keysBelow(this.#part('data'))) {
        if (this.#turns.isTaken(key)) continue
        await this.#turns.take(key, async () => {
          const paths = this.#paths(key)
          if (!(await isOlder(paths.data, date))) return
          await removePartial(paths)
          removed += 1
        })
      }
      for (const key of await keysBelow(this.#part('length'))) {
        const { data, length } = this.#paths(key)
        const isUsed = (await stat(data).catch(absent)) !== undefined
        if (!isUsed && (await isOlder(length, date))) await unlink(length).catch(absent)
      }
      return removed
    })
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

/**
 * Adds a body behind the data, synchronised; says where it ends.
 * @throws PayloadError `payload.too_large` when it has more than `limit` allows; nothing of it stays then
 */
async function receiveMore(
  { file, reserve }: { readonly file: FileHandle; readonly reserve: DiskReserve },
  { body, offset }: AppendOptions,
  limit: number,
  turn: Turn,
  signal: AbortSignal,
): Promise<number> {
  turn.position = offset
  let end = offset
  const meter = reserve.meter()
  for await (const chunk of arrivalsOf(body, signal)) {
    if (end + chunk.length > limit) {
      await file.truncate(offset)
      throw tooLarge(limit)
    }
    await meter(chunk.length)
    await file.appendFile(chunk)
    end += chunk.length
    turn.position = end
  }
  turn.position = undefined
  await file.sync()
  return end
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

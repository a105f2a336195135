import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { DiskReserve, isRecording } from './disk-reserve.ts'
import type { DiskReserveOptions } from './disk-reserve.ts'
import { DurableFile } from './durable-file.ts'
import { makeFolder, place, syncFolder } from './durable-folder.ts'
import { PayloadError } from '../errors.ts'
import { fileBytes } from './file-size.ts'
import { absent, available } from './file-errors.ts'
import { filesBelow } from './files-below.ts'
import { checkKey } from '../payload-key.ts'
import type { PayloadKey } from '../payload-key.ts'
import { receive } from '../receive.ts'
import type { LocalPayload, PayloadStore, StoredPayload } from '../payload-store.ts'
import { FolderUploads } from '../uploads/folder-uploads.ts'
import type { WriteOptions } from '../write-options.ts'

/**
 * Payloads as files of a folder that belongs to this process alone: `objects/<key>`, `tmp/` for what is being written, and
 * `partial/` for uploads that may go on after a restart.
 */
export class FolderPayloadStore implements PayloadStore {
  readonly uploads: FolderUploads
  readonly #objects: string
  /** On the same file system as the objects, so that a rename is atomic. */
  readonly #temporary: string
  readonly #reserve: DiskReserve

  private constructor(folder: string, reserve: DiskReserve) {
    this.#reserve = reserve
    this.#objects = join(folder, 'objects')
    this.#temporary = join(folder, 'tmp')
    this.uploads = new FolderUploads({
      folder: join(folder, 'partial'),
      objects: this.#objects,
      temporary: this.#temporary,
      reserve,
    })
  }

  /**
   * Makes the folder when it is not there, and removes what a killed process left unfinished.
   * @param options of the room that recordings leave on the disk
   * @throws PayloadError `payload.unavailable`
   */
  static async open(folder: string, options: DiskReserveOptions = {}): Promise<FolderPayloadStore> {
    const store = new FolderPayloadStore(resolve(folder), new DiskReserve(resolve(folder), options))
    await available(async () => {
      await rm(store.#temporary, { recursive: true, force: true })
      await rm(join(store.#objects, CHECKS), { recursive: true, force: true })
      await makeFolder(store.#temporary)
      await makeFolder(store.#objects)
    })
    return store
  }

  async write(key: PayloadKey, body: Readable, options: WriteOptions = {}): Promise<{ readonly bytes: number }> {
    const path = this.#path(key)
    const temporary = join(this.#temporary, randomUUID())
    try {
      const reserve = isRecording(key) ? this.#reserve : undefined
      await reserve?.check(options.bodyBytes)
      const bytes = await writeFile(temporary, body, options, reserve)
      await this.uploads.replace(key, async () => {
        await options.beforeCommit?.()
        await available(() => place(temporary, path))
      })
      return { bytes }
    } catch (error) {
      // What can't be removed now goes at the next start; the first error says more.
      await rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
  }

  async size(key: PayloadKey): Promise<number | undefined> {
    const path = this.#path(key)
    return await available(async () => fileBytes(path))
  }

  async read(key: PayloadKey): Promise<Readable> {
    const { path } = await this.openLocal(key)
    const file = await available(() => open(path).catch(absent))
    if (file === undefined) throw missing()
    return file.createReadStream()
  }

  async readRange(key: PayloadKey, start: number, end: number): Promise<Buffer> {
    const { path } = await this.openLocal(key)
    return await available(async () => {
      const file = await open(path).catch(absent)
      if (file === undefined) throw missing()
      await using _ = file
      const { size } = await file.stat()
      const bytes = Buffer.alloc(Math.max(0, Math.min(end, size) - start))
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start)
      return bytes.subarray(0, bytesRead)
    })
  }

  async openLocal(key: PayloadKey, signal?: AbortSignal): Promise<LocalPayload> {
    signal?.throwIfAborted()
    if ((await this.size(key)) === undefined) throw missing()
    return { path: this.#path(key), [Symbol.asyncDispose]: async () => undefined }
  }

  async remove(key: PayloadKey, signal?: AbortSignal): Promise<void> {
    const path = this.#path(key)
    signal?.throwIfAborted()
    await available(async () => {
      await unlink(path).catch(absent)
      await syncFolder(await pruned(dirname(path), this.#objects)).catch(absent)
    })
  }

  async *list(folder: string, signal?: AbortSignal): AsyncGenerator<StoredPayload> {
    const files = filesBelow(this.#path(folder))
    try {
      for (;;) {
        signal?.throwIfAborted()
        const { done, value } = await available(() => files.next())
        if (done === true) return
        const key = relative(this.#objects, value.path).replaceAll(sep, '/')
        yield { key, bytes: value.bytes, modifiedAt: value.modifiedAt }
      }
    } finally {
      await files.return(undefined)
    }
  }

  async check(signal?: AbortSignal): Promise<void> {
    const key = `${CHECKS}/${randomUUID()}`
    await this.write(key, Readable.from([Buffer.from(key)]), signal === undefined ? {} : { signal })
    try {
      const found = await text(await this.read(key))
      if (found !== key) throw new PayloadError('payload.unavailable', 'The payload store returned other bytes.')
    } finally {
      await this.remove(key)
    }
  }

  #path(key: PayloadKey): string {
    checkKey(key)
    return join(this.#objects, key)
  }
}

/** Where `check` writes. */
const CHECKS = 'checks'

/** Writes the whole body, durable, into a new file. */
async function writeFile(
  path: string,
  body: Readable,
  options: WriteOptions,
  reserve: DiskReserve | undefined,
): Promise<number> {
  const file = await available(() => open(path, 'wx', 0o600))
  const durable = new DurableFile(file)
  try {
    // A foreign error in here can only be the file's.
    return await available(async () => {
      const bytes = await receive(body, reserve?.watched(durable) ?? durable, options)
      await durable.sync()
      return bytes
    }, options.signal)
  } finally {
    await durable.settle()
    await close(file)
  }
}

async function close(file: FileHandle): Promise<void> {
  await available(() => file.close())
}

/** Removes a folder and those above it below `root` as far as they are empty; says which one is the lowest that stays. */
async function pruned(folder: string, root: string): Promise<string> {
  let lowest = folder
  while (lowest !== root) {
    try {
      await rmdir(lowest)
    } catch {
      break
    }
    lowest = dirname(lowest)
  }
  return lowest
}

function missing(): PayloadError {
  return new PayloadError('payload.missing', 'The payload is not there, or not there any more.')
}

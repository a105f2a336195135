import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, readFile, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder, place, syncFolder } from '../folder/durable-folder.ts'
import { absent } from '../folder/file-errors.ts'

/** Where an upload lies. */
export interface UploadPaths {
  /** The bytes so far. */
  readonly data: string
  /** How many there will be, as digits; means nothing without `data`. */
  readonly length: string
  /** All of them, when it is complete; then `data` means nothing. */
  readonly object: string
}

/** What lies there. */
export interface UploadState {
  /** Undefined: it has not begun. */
  readonly offset: number | undefined
  readonly length: number | undefined
  /** Bytes of the object; undefined: it is not complete. */
  readonly complete: number | undefined
}

/** The data is looked at first: it becomes the object, never the other way round. */
export async function stateOf(paths: UploadPaths): Promise<UploadState> {
  const data = await stat(paths.data).catch(absent)
  const digits = data === undefined ? undefined : await readFile(paths.length, 'utf8').catch(absent)
  const object = await stat(paths.object).catch(absent)
  return {
    offset: data?.size,
    length: digits === undefined ? undefined : Number(digits),
    complete: object?.isFile() === true ? object.size : undefined,
  }
}

/** As `stateOf`, with an offset that is durable, also while the file grows. */
export async function durableStateOf(paths: UploadPaths): Promise<UploadState> {
  const file = await open(paths.data, 'r+').catch(absent)
  if (file === undefined) return await stateOf(paths)
  await using _ = file
  const { size } = await file.stat()
  await file.sync()
  return { ...(await stateOf(paths)), offset: size }
}

/** The data's file, to be added to; its name is durable, also when a process was killed right after it made the file. */
export async function openData({ data }: UploadPaths): Promise<FileHandle> {
  await makeFolder(dirname(data))
  const file = await open(data, 'a', 0o600)
  await syncFolder(dirname(data))
  return file
}

/** The file appears whole or not at all. */
export async function writeLength(path: string, length: number, temporaryFolder: string): Promise<void> {
  const temporary = join(temporaryFolder, randomUUID())
  try {
    {
      await using file = await open(temporary, 'wx', 0o600)
      await file.writeFile(String(length))
      await file.sync()
    }
    await place(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Makes an object of data that are all there and synchronised. */
export async function placeObject(paths: UploadPaths): Promise<void> {
  await place(paths.data, paths.object)
  // It means nothing any more, and goes with the old ones when it can't be removed now.
  await unlink(paths.length).catch(() => undefined)
}

export async function removePartial(paths: UploadPaths): Promise<void> {
  const wasThere = await unlink(paths.data).then(() => true, absent)
  await unlink(paths.length).catch(absent)
  if (wasThere === true) await syncFolder(dirname(paths.data))
}

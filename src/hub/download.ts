import { createHash } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { ModelError } from './errors.ts'
import { bodyOf, requireOk } from './hub-client.ts'
import type { HubClient, HubFile } from './hub-client.ts'
import { isTransient, pauseBefore } from './hub-retry.ts'
import { openPartial } from './partial-file.ts'

/** Breaks in a row, without a byte in between, after which a download ends. */
const MAX_BREAKS = 5
/** A connection that carries nothing for so long is taken for broken. */
const IDLE_MS = 30_000

export interface DownloadOptions {
  readonly hub: HubClient
  readonly repository: string
  readonly commit: string
  readonly signal: AbortSignal
  /** Gets the bytes that are there, those of an earlier try included. */
  readonly onProgress: (receivedBytes: number) => void
}

/** Where what was received before a break is kept. */
export function partialPath(path: string): string {
  return `${path}.incomplete`
}

/**
 * Fetches a file to `path`, where it appears whole and checked or not at all. What was received before a break, in this process or
 * an earlier one, is kept in `<path>.incomplete`, and the rest asked for.
 * @throws ModelError `model.corrupt`, and those of the hub; errors of the file system as they are
 */
export async function downloadFile(file: HubFile, path: string, options: DownloadOptions): Promise<void> {
  const partial = partialPath(path)
  await using output = await openPartial(partial)
  // What an earlier process left may have been damaged by a crash of the machine: once more, from the beginning.
  const isGood = (await isReceived(file, output, options)) || (await isReceivedAnew(file, output, options))
  if (!isGood) {
    await rm(partial, { force: true })
    throw new ModelError(
      'model.corrupt',
      `${file.name} of ${options.repository} arrives with other content than announced.`,
    )
  }
  await rename(partial, path)
}

async function isReceivedAnew(file: HubFile, output: FileHandle, options: DownloadOptions): Promise<boolean> {
  await output.truncate(0)
  return await isReceived(file, output, options)
}

/** Whether all of it is there in the end, with the content that was announced. */
async function isReceived(file: HubFile, output: FileHandle, options: DownloadOptions): Promise<boolean> {
  await receiveWhole(file, output, options)
  return (await hashOf(file, output)) === file.hash.hex
}

async function receiveWhole(file: HubFile, output: FileHandle, options: DownloadOptions): Promise<void> {
  for (let breaks = 1; ; breaks++) {
    const from = await usableBytes(file, output)
    options.onProgress(from)
    if (from === file.bytes && from > 0) return
    try {
      await receive(file, output, from, options)
      if ((await sizeOf(output)) === file.bytes) return
      throw new ModelError('model.unreachable', `The connection to the hub ended within ${file.name}.`)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isTransient(error)) throw error
      if ((await sizeOf(output)) > from) breaks = 1
      if (breaks > MAX_BREAKS) throw error
      await pauseBefore(breaks, error, options.signal)
    }
  }
}

async function receive(file: HubFile, output: FileHandle, from: number, options: DownloadOptions): Promise<void> {
  const { hub, repository, commit, signal, onProgress } = options
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error('idle')), IDLE_MS)
  try {
    const limit = AbortSignal.any([signal, idle.signal])
    const response = await hub.download(repository, commit, file, { from, signal: limit })
    await requireOk(response, repository)
    // Without support for ranges the whole file comes again.
    let at = response.status === 206 ? from : 0
    if (at === 0) await output.truncate(0)
    const announced = at + lengthOf(response)
    if (announced < file.bytes) {
      throw new ModelError('model.corrupt', `${file.name} of ${repository} is shorter than announced.`)
    }
    for await (const chunk of bodyOf(response, signal)) {
      timer.refresh()
      if (at + chunk.length > file.bytes) {
        throw new ModelError('model.corrupt', `${file.name} of ${repository} is longer than announced.`)
      }
      await writeAll(output, chunk, at)
      at += chunk.length
      onProgress(at)
    }
    await output.sync()
  } finally {
    clearTimeout(timer)
  }
}

/** NaN where it can't be told. */
function lengthOf({ headers }: Response): number {
  const length = headers.get('content-length')
  // Of what is packed it is another one.
  return length === null || headers.has('content-encoding') ? Number.NaN : Number(length)
}

/** A write may take less than it is given, as when the disk is about to be full. */
async function writeAll(output: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await output.write(bytes, done, bytes.length - done, at + done)
    done += bytesWritten
  }
}

/** A file that is longer than announced is another one. */
async function usableBytes(file: HubFile, output: FileHandle): Promise<number> {
  const bytes = await sizeOf(output)
  if (bytes <= file.bytes) return bytes
  await output.truncate(0)
  return 0
}

async function sizeOf(output: FileHandle): Promise<number> {
  return (await output.stat()).size
}

async function hashOf(file: HubFile, output: FileHandle): Promise<string> {
  const hash = file.hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1')
  if (file.hash.kind === 'git-sha1') hash.update(`blob ${file.bytes}\0`)
  for await (const chunk of output.createReadStream({ start: 0, autoClose: false })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

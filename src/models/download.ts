import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { ModelError } from './errors.ts'
import { requireOk } from './hub-client.ts'
import type { HubClient, HubFile } from './hub-client.ts'

/** Breaks in a row, without a byte in between, after which a download ends. */
const MAX_BREAKS = 5
const FIRST_PAUSE_MS = 500
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

/**
 * Fetches a file to `path`, where it appears whole and checked or not at all. What was received before a break, in this process or
 * an earlier one, is kept in `<path>.incomplete`, and the rest asked for.
 * @throws ModelError `model.corrupt`, `model.disk_full`, and those of the hub
 */
export async function downloadFile(file: HubFile, path: string, options: DownloadOptions): Promise<void> {
  const partial = `${path}.incomplete`
  await receiveWhole(file, partial, options)
  if ((await hashOf(file, partial)) !== file.hash.hex) {
    // What an earlier process left may have been damaged by a crash of the machine: once more, from the beginning.
    await rm(partial, { force: true })
    await receiveWhole(file, partial, options)
    if ((await hashOf(file, partial)) !== file.hash.hex) {
      await rm(partial, { force: true })
      throw new ModelError(
        'model.corrupt',
        `${file.name} of ${options.repository} arrives with other content than announced.`,
      )
    }
  }
  await rename(partial, path)
}

async function receiveWhole(file: HubFile, partial: string, options: DownloadOptions): Promise<void> {
  for (let breaks = 0; ; breaks++) {
    const from = await usableBytes(file, partial)
    options.onProgress(from)
    if (from === file.bytes && from > 0) return
    try {
      await receive(file, partial, from, options)
      if ((await sizeOf(partial)) === file.bytes) return
      throw new ModelError('model.unreachable', `The connection to the hub ended within ${file.name}.`)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!(error instanceof ModelError) || error.code !== 'model.unreachable') throw error
      if ((await sizeOf(partial)) > from) breaks = 0
      if (breaks >= MAX_BREAKS) throw error
      const pauseMs = FIRST_PAUSE_MS * 2 ** breaks * (0.5 + Math.random())
      await delay(pauseMs, undefined, { signal: options.signal })
    }
  }
}

async function receive(file: HubFile, partial: string, from: number, options: DownloadOptions): Promise<void> {
  const { hub, repository, commit, signal, onProgress } = options
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error('idle')), IDLE_MS)
  try {
    const limit = AbortSignal.any([signal, idle.signal])
    const response = await hub.download(repository, commit, file, { from, signal: limit })
    requireOk(response, repository)
    // Without support for ranges the whole file comes again.
    let at = response.status === 206 ? from : 0
    await using output = await open(partial, at === 0 ? 'w' : 'r+', 0o644)
    for await (const chunk of response.body ?? []) {
      timer.refresh()
      if (at + chunk.length > file.bytes) {
        throw new ModelError('model.corrupt', `${file.name} of ${repository} is longer than announced.`)
      }
      await output.write(chunk, 0, chunk.length, at)
      at += chunk.length
      onProgress(at)
    }
    await output.sync()
  } catch (error) {
    throw translate(error, file)
  } finally {
    clearTimeout(timer)
  }
}

function translate(error: unknown, file: HubFile): unknown {
  if (error instanceof ModelError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ModelError('model.disk_full', `The disk is full: ${file.name} takes ${file.bytes} bytes.`, {
      cause: error,
    })
  }
  return new ModelError('model.unreachable', `The connection to the hub broke off within ${file.name}.`, {
    cause: error,
  })
}

/** A file that is longer than announced is another one. */
async function usableBytes(file: HubFile, partial: string): Promise<number> {
  const bytes = await sizeOf(partial)
  if (bytes <= file.bytes) return bytes
  await rm(partial, { force: true })
  return 0
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0
}

async function hashOf(file: HubFile, path: string): Promise<string> {
  const hash: Hash = file.hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1')
  if (file.hash.kind === 'git-sha1') hash.update(`blob ${file.bytes}\0`)
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

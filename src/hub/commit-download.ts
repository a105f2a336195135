import { downloadFile } from './download.ts'
import type { DownloadOptions } from './download.ts'
import type { CachedRepository } from './hub-cache.ts'
import type { HubFile } from './hub-client.ts'

export interface DownloadProgress {
  readonly model: string
  readonly receivedBytes: number
  readonly totalBytes: number
}

export interface CommitDownloadOptions extends Omit<DownloadOptions, 'onProgress'> {
  readonly cached: CachedRepository
  readonly onProgress: (progress: DownloadProgress) => void
}

/** Files of one commit on their way from the hub into the cache. Progress counts all that were asked for so far. */
export class CommitDownload {
  readonly #options: CommitDownloadOptions
  #doneBytes = 0

  constructor(options: CommitDownloadOptions) {
    this.#options = options
  }

  /** Fetches those that are not here; says the folder that they are in, empty when there are none. */
  async fetch(files: readonly HubFile[]): Promise<string> {
    const { cached, onProgress, ...options } = this.#options
    const totalBytes = this.#doneBytes + totalOf(files)
    let folder = ''
    for (const file of files) {
      const before = this.#doneBytes
      const report = (bytes: number): void =>
        onProgress({ model: options.repository, receivedBytes: before + bytes, totalBytes })
      if (await cached.hasBlob(file)) report(file.bytes)
      else await downloadFile(file, cached.blob(file.hash.hex), { ...options, onProgress: report })
      this.#doneBytes += file.bytes
      folder = await cached.link(options.commit, file.name, file.hash.hex)
    }
    return folder
  }
}

function totalOf(files: readonly HubFile[]): number {
  return files.reduce((total, file) => total + file.bytes, 0)
}

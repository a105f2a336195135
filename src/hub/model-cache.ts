import { statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FilesRule } from '../contract/model-files.ts'
import { CommitDownload } from './commit-download.ts'
import type { DownloadProgress } from './commit-download.ts'
import { partialPath } from './download.ts'
import { ModelError } from './errors.ts'
import { CachedRepository, isShardIndex } from './hub-cache.ts'
import { HubClient } from './hub-client.ts'
import type { HubFile, HubOptions } from './hub-client.ts'
import { partialBytes } from './partial-file.ts'
import { SharedTask } from './shared-task.ts'

/** Where a model's files come from. */
export interface ModelSource {
  /** The repository, `org/name`. */
  readonly id: string
  readonly name: string
  /** Comes with Sotto, or is fetched from the hub at first use. */
  readonly source: 'bundled' | 'hub'
  /** Branch, tag or commit on the hub. */
  readonly revision: string
}

export interface ModelCacheOptions extends HubOptions {
  readonly catalogue: {
    /** @throws Error when there is no such model */
    require(id: string): ModelSource
  }
  /** Which files a model needs. */
  readonly files: FilesRule
  /** `HF_HOME`. */
  readonly home: string
  /** Never ask the hub. */
  readonly offline: boolean
}

/** A tokenizer takes a few megabytes; engines take no more. */
const MAX_SMALL_BYTES = 16 * 2 ** 20

/** Of the models that come with the program. */
export const BUNDLED_FOLDER = resolve(import.meta.dirname, '../../models')

/** The models' files on this machine; what is not here is fetched from the hub when it is asked for. */
export class ModelCache {
  readonly #options: ModelCacheOptions
  readonly #hub: HubClient
  readonly #downloads = new Map<string, SharedTask<string, DownloadProgress>>()

  constructor(options: ModelCacheOptions) {
    this.#options = options
    this.#hub = new HubClient(options)
  }

  async isPresent(id: string): Promise<boolean> {
    return (await this.folderOf(id)) !== undefined
  }

  /** Of a model that is here, with all that it needs; no network is asked. */
  async folderOf(id: string): Promise<string | undefined> {
    const model = this.#options.catalogue.require(id)
    if (model.source === 'bundled') return resolve(BUNDLED_FOLDER, model.name)
    return await this.#repository(model).snapshot(model.revision, this.#options.files)
  }

  /**
   * The folder of a model's files, fetched first when it is not here: once, however many ask. Who aborts stops waiting; when
   * nobody waits any more, the download stops, and goes on from there the next time.
   * @throws ModelError
   */
  async open(
    id: string,
    options: { readonly signal: AbortSignal; readonly onProgress?: (progress: DownloadProgress) => void },
  ): Promise<{ readonly folder: string }> {
    const model = this.#options.catalogue.require(id)
    const present = await this.folderOf(id)
    if (present !== undefined) return { folder: present }
    if (this.#options.offline) throw this.#unreachable(model, new Error('HF_HUB_OFFLINE is set'), false)

    let download = this.#downloads.get(id)
    if (download === undefined || download.isAbandoned) {
      const started = new SharedTask((signal, report: (progress: DownloadProgress) => void) =>
        this.#fetch(model, signal, report),
      )
      this.#downloads.set(id, started)
      void started.settled.then(() => this.#downloads.get(id) === started && this.#downloads.delete(id))
      download = started
    }
    return { folder: await download.join(options.signal, options.onProgress) }
  }

  async #fetch(model: ModelSource, signal: AbortSignal, report: (p: DownloadProgress) => void): Promise<string> {
    const repository = this.#repository(model)
    try {
      using _ = await repository.lock(signal)
      // Another process may have fetched it meanwhile.
      const present = await repository.snapshot(model.revision, this.#options.files)
      return present ?? (await this.#fetchLocked(model, repository, signal, report))
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ModelError)) throw cacheError(error, model)
      if (error.code === 'model.unreachable') throw this.#unreachable(model, error)
      throw error
    }
  }

  async #fetchLocked(
    model: ModelSource,
    repository: CachedRepository,
    signal: AbortSignal,
    report: (progress: DownloadProgress) => void,
  ): Promise<string> {
    const { commit, files: all } = await this.#hub.revision(model.id, model.revision, signal)
    const byName = new Map(all.map((file) => [file.name, file]))
    const find = (name: string): HubFile => byName.get(name) ?? incomplete(model, name)
    const options = { hub: this.#hub, repository: model.id, cached: repository, commit, signal }
    const fetchSmall = async (names: readonly string[], download: CommitDownload): Promise<string> => {
      const small = names.map(find)
      requireSmall(small, model)
      await this.#requireSpace(repository, model, small)
      return await download.fetch(small)
    }
    await repository.prepare()
    const { files, weights, missing } = await this.#options.files(new Set(byName.keys()), async (name) => {
      const folder = await fetchSmall([name], new CommitDownload({ ...options, onProgress: () => undefined }))
      return await repository.readJson(folder, name)
    })
    if (missing !== undefined) incomplete(model, missing)

    const download = new CommitDownload({ ...options, onProgress: report })
    const indexes = weights.filter(isShardIndex)
    const folder = await fetchSmall([...files, ...indexes], download)
    const shards = await Promise.all(indexes.map((index) => repository.shards(folder, index)))
    const large = [...weights.filter((name) => !isShardIndex(name)), ...shards.flat()].map(find)
    await this.#requireSpace(repository, model, large)
    await download.fetch(large)
    await repository.setRef(model.revision, commit)
    return folder
  }

  /** For what is not here yet. */
  async #requireSpace(repository: CachedRepository, model: ModelSource, files: readonly HubFile[]): Promise<void> {
    let bytes = 0
    for (const file of files) {
      if (await repository.hasBlob(file)) continue
      bytes += Math.max(0, file.bytes - (await partialBytes(partialPath(repository.blob(file.hash.hex)))))
    }
    const { bavail, bsize } = await statfs(this.#options.home)
    if (bavail * bsize > bytes) return
    const free = Math.floor((bavail * bsize) / 1e6)
    throw new ModelError(
      'model.disk_full',
      `What is still to be fetched of ${model.id} takes ${Math.ceil(bytes / 1e6)} MB, and the disk of HF_HOME has ${free} MB left.`,
    )
  }

  #repository(model: ModelSource): CachedRepository {
    return new CachedRepository(this.#options.home, model.id)
  }

  #unreachable(model: ModelSource, cause: Error, retryable = true): ModelError {
    return new ModelError(
      'model.unreachable',
      `The weights of ${model.id} are not here, and the hub ${this.#hub.endpoint} can’t be asked for them: ${sentence(cause.message)} ` +
        `Put them in place by hand: on a machine with a network, run "hf download ${model.id}" and copy its folder ` +
        `hub/models--${model.id.replace('/', '--')} from that machine's HF_HOME (~/.cache/huggingface) to this server's; or set ` +
        'HF_ENDPOINT to a mirror that can be reached.',
      { cause, retryable },
    )
  }
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

/** What the file system says; the log has its path. */
function cacheError(cause: unknown, model: ModelSource): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ModelError('model.disk_full', `The disk of HF_HOME is full; ${model.id} is not all there.`, { cause })
    default: {
      const shown = typeof code === 'string' ? ` (${code})` : ''
      return new ModelError(
        'model.cache_unusable',
        `The weights of ${model.id} can't be kept in HF_HOME${shown}: see to it that the server may write there.`,
        { cause },
      )
    }
  }
}

/** All but the weights are read whole. */
function requireSmall(files: readonly HubFile[], model: ModelSource): void {
  const large = files.find(({ bytes }) => bytes > MAX_SMALL_BYTES)
  if (large === undefined) return
  throw new ModelError(
    'model.hub_invalid',
    `${large.name} of ${model.id} is said to have ${large.bytes} bytes; such a file has up to ${MAX_SMALL_BYTES}.`,
  )
}

function incomplete(model: ModelSource, file: string): never {
  throw new ModelError('model.incomplete', `The repository ${model.id} has no ${file}, which is needed to run it.`)
}

import { statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Catalogue, ModelDescription } from '../models/catalogue.ts'
import { downloadFile, partialPath } from './download.ts'
import { ModelError } from './errors.ts'
import { CachedRepository, WEIGHTS, engineFiles } from './hub-cache.ts'
import { HubClient } from './hub-client.ts'
import type { HubFile, HubOptions } from './hub-client.ts'
import { partialBytes } from './partial-file.ts'
import { SharedTask } from './shared-task.ts'

export interface DownloadProgress {
  readonly model: string
  readonly receivedBytes: number
  readonly totalBytes: number
}

export interface ModelCacheOptions extends HubOptions {
  readonly catalogue: Catalogue
  /** `HF_HOME`. */
  readonly home: string
  /** Never ask the hub. */
  readonly offline: boolean
}

/** A tokenizer takes a few megabytes; the engine takes no more. */
const MAX_SMALL_BYTES = 16 * 2 ** 20

/** Of the models that come with the program. */
export const BUNDLED_FOLDER = resolve(import.meta.dirname, '../../models')

/** The checkpoints on this machine; what is not here is fetched from the hub when it is asked for. */
export class ModelCache {
  readonly #options: ModelCacheOptions
  readonly #hub: HubClient
  readonly #downloads = new Map<string, SharedTask<string, DownloadProgress>>()

  constructor(options: ModelCacheOptions) {
    this.#options = options
    this.#hub = new HubClient(options)
  }

  /** @throws ModelError `model.unknown`, naming what there is */
  find(id: string): ModelDescription {
    const model = this.#options.catalogue.find(id)
    if (model !== undefined) return model
    const known = this.#options.catalogue.list().map((other) => other.id)
    throw new ModelError('model.unknown', `There is no model ${id.slice(0, 200)}. Known are ${known.join(', ')}.`)
  }

  async isPresent(id: string): Promise<boolean> {
    return (await this.folder(id)) !== undefined
  }

  /**
   * The folder of a model's checkpoint; undefined when it is not here.
   * @throws ModelError `model.unknown`
   */
  async folder(id: string): Promise<string | undefined> {
    const model = this.find(id)
    if (model.source === 'bundled') return resolve(BUNDLED_FOLDER, model.name)
    return await this.#repository(model).snapshot(model.revision)
  }

  /**
   * The folder of a model's checkpoint, fetched first when it is not here: once, however many ask. Who aborts stops waiting; when
   * nobody waits any more, the download stops, and goes on from there the next time.
   * @throws ModelError
   */
  async open(
    id: string,
    options: { readonly signal: AbortSignal; readonly onProgress?: (progress: DownloadProgress) => void },
  ): Promise<{ readonly folder: string }> {
    const present = await this.folder(id)
    if (present !== undefined) return { folder: present }
    const model = this.find(id)
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

  async #fetch(model: ModelDescription, signal: AbortSignal, report: (p: DownloadProgress) => void): Promise<string> {
    const repository = this.#repository(model)
    try {
      using _ = await repository.lock(signal)
      // Another process may have fetched it meanwhile.
      const present = await repository.snapshot(model.revision)
      return present ?? (await this.#fetchLocked(model, repository, signal, report))
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ModelError)) throw cacheError(error, model)
      if (error.code === 'model.unreachable') throw this.#unreachable(model, error)
      throw error
    }
  }

  async #fetchLocked(
    model: ModelDescription,
    repository: CachedRepository,
    signal: AbortSignal,
    report: (progress: DownloadProgress) => void,
  ): Promise<string> {
    const { commit, files } = await this.#hub.revision(model.id, model.revision, signal)
    const byName = new Map(files.map((file) => [file.name, file]))
    const { files: names, missing } = engineFiles(new Set(byName.keys()))
    if (missing !== undefined) incomplete(model, missing)
    await repository.prepare()

    let doneBytes = 0
    const fetchAll = async (wanted: readonly HubFile[], totalBytes: number): Promise<string> => {
      let folder = ''
      for (const file of wanted) {
        const onProgress = (bytes: number): void =>
          report({ model: model.id, receivedBytes: doneBytes + bytes, totalBytes })
        if (await repository.hasBlob(file)) {
          onProgress(file.bytes)
        } else {
          const options = { hub: this.#hub, repository: model.id, commit, signal, onProgress }
          await downloadFile(file, repository.blob(file.hash.hex), options)
        }
        doneBytes += file.bytes
        folder = await repository.link(commit, file.name, file.hash.hex)
      }
      return folder
    }

    const small = names.flatMap((name) => byName.get(name) ?? [])
    requireSmall(small, model)
    await this.#requireSpace(repository, model, small)
    const folder = await fetchAll(small, sum(small))
    const shardNames = byName.has(WEIGHTS) ? [WEIGHTS] : await repository.shards(folder)
    const weights = shardNames.map((name) => byName.get(name) ?? incomplete(model, name))
    await this.#requireSpace(repository, model, weights)
    await fetchAll(weights, doneBytes + sum(weights))
    await repository.setRef(model.revision, commit)
    return folder
  }

  /** For what is not here yet. */
  async #requireSpace(repository: CachedRepository, model: ModelDescription, files: readonly HubFile[]): Promise<void> {
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

  #repository(model: ModelDescription): CachedRepository {
    return new CachedRepository(this.#options.home, model.id)
  }

  #unreachable(model: ModelDescription, cause: Error, retryable = true): ModelError {
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
function cacheError(cause: unknown, model: ModelDescription): unknown {
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
function requireSmall(files: readonly HubFile[], model: ModelDescription): void {
  const large = files.find(({ bytes }) => bytes > MAX_SMALL_BYTES)
  if (large === undefined) return
  throw new ModelError(
    'model.hub_invalid',
    `${large.name} of ${model.id} is said to have ${large.bytes} bytes; such a file has up to ${MAX_SMALL_BYTES}.`,
  )
}

function incomplete(model: ModelDescription, file: string): never {
  throw new ModelError('model.incomplete', `The repository ${model.id} has no ${file}, which is needed to run it.`)
}

function sum(files: readonly HubFile[]): number {
  return files.reduce((total, file) => total + file.bytes, 0)
}

import { copyFile, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import Type from 'typebox'
import { Check } from 'typebox/value'
import type { FilesRule } from '../contract/model-files.ts'
import { ModelError } from './errors.ts'
import type { HubFile } from './hub-client.ts'

const ShardIndex = Type.Object({
  weight_map: Type.Record(Type.String(), Type.String({ pattern: '^\\w[\\w.-]*\\.safetensors$' }), { minProperties: 1 }),
})
/** Indexes of the largest models have a tenth of it. */
const MAX_JSON_BYTES = 2 ** 20

const SQLITE_BUSY = 5
/** How often another process's download is looked after. */
const LOCK_POLL_MS = 250

/** Whether a file names the shards that the weights lie in. */
export function isShardIndex(name: string): boolean {
  return name.endsWith('.index.json')
}

/**
 * One repository in the hub's cache on disk, in the layout that all of the hub's tools share:
 * `models--<org>--<name>/{blobs/<hash>, refs/<revision>, snapshots/<commit>/<file>}`, files being links to blobs.
 */
export class CachedRepository {
  readonly #folder: string
  readonly #lockPath: string

  /** @param home `HF_HOME` */
  constructor(home: string, repository: string) {
    const name = `models--${repository.replace('/', '--')}`
    this.#folder = join(home, 'hub', name)
    this.#lockPath = join(home, 'hub', '.locks', name, 'sotto.lock')
  }

  blob(hash: string): string {
    return join(this.#folder, 'blobs', hash)
  }

  /** The folder of a revision's files when all that are needed are there; no network is asked. */
  async snapshot(revision: string, rule: FilesRule): Promise<string | undefined> {
    const ref = await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => revision)
    const commit = ref.trim()
    if (!/^[0-9a-f]{40}$/.test(commit)) return undefined
    const folder = this.#snapshotFolder(commit)
    const names = new Set(await readdir(folder).catch(() => []))
    const { files, weights, missing } = await rule(names, (name) => this.readJson(folder, name))
    if (missing !== undefined) return undefined
    const shards = await Promise.all(weights.filter(isShardIndex).map((index) => this.#shardsOf(folder, index)))
    if (shards.includes(undefined)) return undefined
    // A link may lead to a blob that is not there yet.
    const found = await Promise.all(
      [...files, ...weights, ...shards.flatMap((each) => each ?? [])].map((file) =>
        stat(join(folder, file)).catch(() => undefined),
      ),
    )
    return found.every((entry) => entry?.isFile() === true) ? folder : undefined
  }

  /**
   * Names of the shards that an index names.
   * @throws ModelError `model.corrupt` when it is none
   */
  async shards(snapshot: string, index: string): Promise<readonly string[]> {
    const shards = await this.#shardsOf(snapshot, index)
    if (shards !== undefined) return shards
    throw new ModelError(
      'model.corrupt',
      `${index} of the repository can't be used: it has to name the .safetensors files, beside it, of at least one tensor, in at ` +
        `most ${MAX_JSON_BYTES} bytes.`,
    )
  }

  async #shardsOf(snapshot: string, name: string): Promise<readonly string[] | undefined> {
    const index = await this.readJson(snapshot, name)
    return Check(ShardIndex, index) ? [...new Set(Object.values(index.weight_map))] : undefined
  }

  /** A small file of a snapshot; undefined when it is no JSON, or much larger than such files are. */
  async readJson(snapshot: string, name: string): Promise<unknown> {
    try {
      const path = join(snapshot, name)
      if ((await stat(path)).size > MAX_JSON_BYTES) return undefined
      return JSON.parse(await readFile(path, 'utf8'))
    } catch {
      return undefined
    }
  }

  /** Whether a file's content is here already, as of another revision or of a download that broke off behind it. */
  async hasBlob({ hash, bytes }: HubFile): Promise<boolean> {
    const found = await stat(this.blob(hash.hex)).catch(() => undefined)
    return found?.isFile() === true && found.size === bytes
  }

  async prepare(): Promise<void> {
    await mkdir(join(this.#folder, 'blobs'), { recursive: true })
  }

  /** Puts a blob under its name into a snapshot; says the snapshot's folder. */
  async link(commit: string, file: string, hash: string): Promise<string> {
    const folder = this.#snapshotFolder(commit)
    const path = join(folder, file)
    await mkdir(dirname(path), { recursive: true })
    await rm(path, { force: true })
    // Where links are not allowed, as on Windows without the right to make them, a copy does the same.
    await symlink(relative(dirname(path), this.blob(hash)), path).catch(() => copyFile(this.blob(hash), path))
    return folder
  }

  /** Notes which commit a revision stood for. */
  async setRef(revision: string, commit: string): Promise<void> {
    const path = join(this.#folder, 'refs', revision)
    await mkdir(dirname(path), { recursive: true })
    await rm(`${path}.new`, { force: true })
    // Where others may write too, a link could lead elsewhere.
    await writeFile(`${path}.new`, commit, { flag: 'wx' })
    await rename(`${path}.new`, path)
  }

  /**
   * A mutex between processes, one for each repository: a lock of the operating system on a SQLite file, so that it
   * goes with its process however that ends.
   */
  async lock(signal: AbortSignal): Promise<Disposable> {
    await mkdir(dirname(this.#lockPath), { recursive: true })
    for (;;) {
      const lock = new DatabaseSync(this.#lockPath, { timeout: 0 })
      try {
        lock.exec('BEGIN EXCLUSIVE')
        return { [Symbol.dispose]: () => lock.close() }
      } catch (error) {
        lock.close()
        if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)) throw error
        await delay(LOCK_POLL_MS, undefined, { signal })
      }
    }
  }

  #snapshotFolder(commit: string): string {
    return join(this.#folder, 'snapshots', commit)
  }
}

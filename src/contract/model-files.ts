/** What of a repository's files a model needs, by their names. */
export interface ModelFiles {
  /** Small ones, which are read whole. */
  readonly files: readonly string[]
  /** The weights; an index (`….index.json`) stands for the shards that it names. */
  readonly weights: readonly string[]
  /** One that is needed and not there. */
  readonly missing?: string
}

/**
 * Says it of a repository.
 * @param names of all its files
 * @param read parses one of the small ones, which is JSON; undefined: it is not
 */
export type FilesRule = (names: ReadonlySet<string>, read: (name: string) => Promise<unknown>) => Promise<ModelFiles>

import Type from 'typebox'
import { missingFile, readJsonFile, readTextFile } from '../json-file.ts'

const TokenId = Type.Integer({ minimum: 0 })
const TokenIds = Type.Record(Type.String(), TokenId)
const Merges = Type.Array(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 2, maxItems: 2 })]))

const TokenizerFile = Type.Object({
  added_tokens: Type.Array(Type.Object({ id: TokenId, content: Type.String() })),
  model: Type.Object({ vocab: TokenIds, merges: Merges }),
})

/** Entries are written in the characters of byte-level BPE. */
export interface Vocabulary {
  /** Ids of the pieces of text. */
  readonly text: ReadonlyMap<string, number>
  /** Pairs that become one piece, the most frequent first. */
  readonly merges: readonly (string | readonly string[])[]
  /** Ids of what is no text, such as `<|endoftext|>`. */
  readonly special: ReadonlyMap<string, number>
}

const SPECIAL = /^<\|.*\|>$/

/**
 * Reads `tokenizer.json`, or the files that older fine-tunes have in its place: `vocab.json`, `merges.txt` and `added_tokens.json`.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readVocabulary(folder: string): Promise<Vocabulary> {
  const file = await readJsonFile(folder, 'tokenizer.json', TokenizerFile)
  if (file !== undefined) {
    const added = file.added_tokens.map(({ content, id }) => [content, id] as const)
    return vocabularyOf(file.model.vocab, file.model.merges, added)
  }
  const vocab = await readJsonFile(folder, 'vocab.json', TokenIds)
  if (vocab === undefined) throw missingFile('tokenizer.json')
  const added = await readJsonFile(folder, 'added_tokens.json', TokenIds)
  const merges = await readTextFile(folder, 'merges.txt')
  if (merges === undefined) throw missingFile('merges.txt')
  const pairs = merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version'))
  return vocabularyOf(vocab, pairs, Object.entries(added ?? {}))
}

function vocabularyOf(
  vocab: Readonly<Record<string, number>>,
  merges: Vocabulary['merges'],
  added: readonly (readonly [content: string, id: number])[],
): Vocabulary {
  const entries = Object.entries(vocab)
  const special = new Map([...entries.filter(([content]) => SPECIAL.test(content)), ...added])
  const specialIds = new Set(special.values())
  return { text: new Map(entries.filter(([, id]) => !specialIds.has(id))), merges, special }
}

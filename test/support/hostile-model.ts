import { execFile } from 'node:child_process'
import { mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SMALL_LAYOUT, writeRandomModel } from './random-model.ts'

/** A model that somebody made to do harm, or by mistake. */
export interface HostileModel {
  readonly name: string
  /** What its load ends with. */
  readonly code: string
  /** Spoils a good model of `SMALL_LAYOUT`. */
  readonly spoil: (folder: string) => Promise<void>
}

const INVALID = 'checkpoint.invalid'
const MISSING = 'checkpoint.missing_file'
const WEIGHTS = 'model.safetensors'
const MIB = 2 ** 20

/** Writes a small model, spoiled. */
export async function writeHostileModel(folder: string, { spoil }: HostileModel): Promise<void> {
  await writeRandomModel(folder, SMALL_LAYOUT, { type: 'F32' })
  await spoil(folder)
}

const text = (file: string, content: string | Buffer) => (folder: string) => writeFile(join(folder, file), content)

const json =
  (file: string, change: (value: Record<string, unknown>) => unknown) =>
  async (folder: string): Promise<void> => {
    const path = join(folder, file)
    await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>)))
  }

const config = (fields: Readonly<Record<string, unknown>>) => json('config.json', (value) => ({ ...value, ...fields }))

/** Writes a header before what tensors there are, or so many bytes without content. */
const header =
  (change: (value: Record<string, Entry>) => unknown) =>
  async (folder: string): Promise<void> => {
    const path = join(folder, WEIGHTS)
    const bytes = await readFile(path)
    const length = Number(bytes.readBigUInt64LE())
    const changed = change(JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, Entry>)
    const made = Buffer.from(typeof changed === 'string' ? changed : JSON.stringify(changed))
    await writeFile(path, Buffer.concat([lengthOf(made.length), made, bytes.subarray(8 + length)]))
  }

interface Entry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

const FIRST = 'model.encoder.conv1.weight'

/** Changes what is said of one tensor. */
const entry = (change: (tensor: Entry) => Partial<Entry>) =>
  header((value) => {
    const tensor = value[FIRST]
    if (tensor === undefined) throw new TypeError(`the model has no ${FIRST}`)
    return { ...value, [FIRST]: { ...tensor, ...change(tensor) } }
  })

function lengthOf(bytes: number | bigint): Buffer {
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(bytes))
  return prefix
}

export const HOSTILE_MODELS: readonly HostileModel[] = [
  { name: 'config: empty', code: INVALID, spoil: text('config.json', '') },
  { name: 'config: nested', code: INVALID, spoil: text('config.json', '['.repeat(MIB)) },
  { name: 'config: of 2 GB', code: INVALID, spoil: (folder) => truncate(join(folder, 'config.json'), 2 ** 31) },
  {
    name: 'config: a folder',
    code: INVALID,
    spoil: replaced('config.json', (path) => mkdir(path).then(() => undefined)),
  },
  { name: 'config: of another model', code: INVALID, spoil: config({ model_type: 'bert' }) },
  { name: 'config: a million layers', code: INVALID, spoil: config({ decoder_layers: 1_000_000 }) },
  { name: 'config: a million heads', code: INVALID, spoil: config({ decoder_attention_heads: 1_000_000 }) },
  { name: 'config: heads that do not divide the width', code: INVALID, spoil: config({ decoder_attention_heads: 5 }) },
  { name: 'config: a width of 2^53', code: INVALID, spoil: config({ d_model: 2 ** 53 }) },
  { name: 'config: a width that does not fit', code: INVALID, spoil: config({ d_model: 64 }) },
  { name: 'config: more layers than there are', code: INVALID, spoil: config({ encoder_layers: 200 }) },
  { name: 'config: a negative size', code: INVALID, spoil: config({ vocab_size: -1 }) },
  { name: 'config: a fraction', code: INVALID, spoil: config({ num_mel_bins: 8.5 }) },
  { name: 'config: a vocabulary that is too short', code: INVALID, spoil: config({ vocab_size: 100 }) },
  {
    name: 'generation config: three million alignment heads',
    code: INVALID,
    spoil: text('generation_config.json', `{"alignment_heads":[${'[0,0],'.repeat(3_000_000)}[0,0]]}`),
  },
  {
    name: 'generation config: 100,000 alignment heads',
    code: INVALID,
    spoil: text('generation_config.json', `{"alignment_heads":[${'[0,0],'.repeat(100_000)}[0,0]]}`),
  },
  {
    name: 'generation config: a head that is not there',
    code: INVALID,
    spoil: text('generation_config.json', '{"alignment_heads":[[0,4]]}'),
  },
  { name: 'weights: none', code: MISSING, spoil: replaced(WEIGHTS, () => Promise.resolve()) },
  { name: 'weights: empty', code: INVALID, spoil: text(WEIGHTS, '') },
  { name: 'weights: four bytes', code: INVALID, spoil: text(WEIGHTS, Buffer.alloc(4)) },
  { name: 'weights: a folder', code: INVALID, spoil: replaced(WEIGHTS, (path) => mkdir(path).then(() => undefined)) },
  {
    name: 'weights: a pipe',
    code: INVALID,
    spoil: replaced(WEIGHTS, async (path) => void (await promisify(execFile)('mkfifo', [path]))),
  },
  { name: 'weights: cut off', code: INVALID, spoil: (folder) => truncate(join(folder, WEIGHTS), 50_000) },
  { name: 'header: longer than the file', code: INVALID, spoil: text(WEIGHTS, Buffer.alloc(64, 255)) },
  { name: 'header: of 90 MB', code: INVALID, spoil: (folder) => sparseHeader(folder, 90 * MIB) },
  { name: 'header: of 4 GB', code: INVALID, spoil: (folder) => sparseHeader(folder, 2 ** 32) },
  { name: 'header: zeros', code: INVALID, spoil: (folder) => sparseHeader(folder, 9 * MIB) },
  { name: 'header: null', code: INVALID, spoil: header(() => 'null') },
  { name: 'header: nested', code: INVALID, spoil: header(() => '['.repeat(MIB)) },
  { name: 'header: half a million lists', code: INVALID, spoil: header(() => `{"a":[${'[],'.repeat(500_000)}[]]}`) },
  {
    name: 'header: 80,000 tensors of nothing',
    code: INVALID,
    spoil: header(() =>
      Object.fromEntries(
        Array.from({ length: 80_000 }, (_, index) => [`t${index}`, { dtype: 'F32', shape: [0], data_offsets: [0, 0] }]),
      ),
    ),
  },
  {
    name: 'header: without one tensor',
    code: INVALID,
    spoil: header((value) => Object.fromEntries(Object.entries(value).filter(([name]) => name !== FIRST))),
  },
  { name: 'tensor: of an unknown type', code: INVALID, spoil: entry(() => ({ dtype: 'F64' })) },
  {
    name: 'tensor: of a thousand dimensions',
    code: INVALID,
    spoil: entry(() => ({ shape: Array<number>(1000).fill(1) })),
  },
  { name: 'tensor: of 2^60 values', code: INVALID, spoil: entry(() => ({ shape: [2 ** 30, 2 ** 30] })) },
  { name: 'tensor: of too many values to count', code: INVALID, spoil: entry(() => ({ shape: [1e300, 1e300] })) },
  {
    name: 'tensor: beyond the file',
    code: INVALID,
    spoil: entry(({ data_offsets: [from, to] }) => ({ data_offsets: [from + 1e9, to + 1e9] })),
  },
  {
    name: 'tensor: backwards',
    code: INVALID,
    spoil: entry(({ data_offsets: [from, to] }) => ({ data_offsets: [to, from] })),
  },
  { name: 'tensor: of another shape', code: INVALID, spoil: entry(({ shape }) => ({ shape: shape.toReversed() })) },
  { name: 'index: of the folder above', code: INVALID, spoil: shardIndex('..') },
  { name: 'index: of a file elsewhere', code: INVALID, spoil: shardIndex('../../etc/passwd') },
  { name: 'index: of a shard that is not there', code: MISSING, spoil: shardIndex('model-00001-of-00002.safetensors') },
  { name: 'index: of nothing', code: INVALID, spoil: shardIndex() },
  { name: 'tokenizer: none', code: MISSING, spoil: replaced('tokenizer.json', () => Promise.resolve()) },
  { name: 'tokenizer: of 1 GB', code: INVALID, spoil: (folder) => truncate(join(folder, 'tokenizer.json'), 2 ** 30) },
  {
    name: 'tokenizer: without special tokens',
    code: INVALID,
    spoil: json('tokenizer.json', (value) => ({ ...value, added_tokens: [] })),
  },
  {
    name: 'tokenizer: ids that the model does not have',
    code: INVALID,
    spoil: json('tokenizer.json', (value) => ({
      ...value,
      added_tokens: (value['added_tokens'] as { id: number }[]).map((token) => ({
        ...token,
        id: token.id + 1_000_000,
      })),
    })),
  },
  {
    name: 'tokenizer: an entry that stands for no bytes',
    code: INVALID,
    spoil: json('tokenizer.json', (value) => ({ ...value, model: { vocab: { 日本: 0 }, merges: [] } })),
  },
  {
    name: 'tokenizer: negative ids',
    code: INVALID,
    spoil: json('tokenizer.json', (value) => ({ ...value, model: { vocab: { a: -1 }, merges: [] } })),
  },
]

/** Another thing in a file's place. */
function replaced(file: string, make: (path: string) => Promise<void>): HostileModel['spoil'] {
  return async (folder) => {
    const path = join(folder, file)
    await rm(path)
    await make(path)
  }
}

/** A header without content, which takes no room on the disk. */
async function sparseHeader(folder: string, bytes: number): Promise<void> {
  await using file = await open(join(folder, WEIGHTS), 'w')
  await file.write(lengthOf(bytes))
  await file.truncate(8 + bytes)
}

function shardIndex(...shards: readonly string[]): HostileModel['spoil'] {
  return async (folder) => {
    await rm(join(folder, WEIGHTS))
    const map = Object.fromEntries(shards.map((shard, number) => [`tensor${number}`, shard]))
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
  }
}

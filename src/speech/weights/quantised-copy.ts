import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, isDiskFull } from '../errors.ts'
import { createQuantiser, Q4_BLOCK } from './quantiser.ts'
import type { Quantisation } from './quantiser.ts'
import { BYTES_PER_VALUE, readSafetensors } from './safetensors.ts'
import type { TensorLocation, Tensors, TensorType } from './safetensors.ts'
import { TensorReader } from './tensor-reader.ts'

/** Goes into the names of the copies: a newer layout is made anew. */
const LAYOUT = 1

/** The projection of the last states to the vocabulary: the embedding, which is also kept as it is, to be looked up. */
export const OUTPUT_PROJECTION = 'decoder.output_projection.weight'
export const EMBEDDING = 'decoder.embed_tokens.weight'
/** Ends the names of the scales of quantised weights. */
export const SCALE_SUFFIX = '_scale'

const LINEAR = /\.(?:[qkv]_proj|out_proj|fc1|fc2)\.weight$/
/** The cross-attention's keys and values are made of what the encoder gives, together with it. */
const OF_ENCODED = /\.encoder_attn\.[kv]_proj\.weight$/
/** Bytes that are read at once. */
const CHUNK_BYTES = 16 * 2 ** 20

/** Weights that lie in a folder. */
export interface StoredWeights {
  /** Absolute path. */
  readonly folder: string
  readonly tensors: Tensors
}

/** How the linear layers of each half are kept; null: as they are. */
export interface QuantisationPlan {
  readonly encoder: Quantisation | null
  readonly decoder: Quantisation | null
}

/**
 * A copy of weights whose linear layers are quantised, in a file of its own, which is made at the first use and made anew
 * when the weights have changed.
 * @param options.cacheFolder is made where it is not there; may be left out where nothing is quantised
 * @throws EngineError `engine.disk_full`, `engine.cache_unusable`
 */
export async function openQuantisedCopy<Weights extends StoredWeights>(
  stored: Weights,
  plan: QuantisationPlan,
  options: { readonly cacheFolder: string | undefined; readonly signal: AbortSignal | undefined },
): Promise<Weights> {
  const { cacheFolder, signal } = options
  if (plan.encoder === null && plan.decoder === null) return stored
  if (cacheFolder === undefined) throw new TypeError('quantised weights need a folder to be kept in')
  const place = digest(stored.folder)
  const name = `${place}-${digest(await versionOf(stored, plan))}.safetensors`
  const path = join(cacheFolder, name)
  if ((await stat(path).catch(() => undefined)) === undefined) {
    const temporary = join(cacheFolder, `${name}.${randomUUID()}.tmp`)
    try {
      await mkdir(cacheFolder, { recursive: true })
      await writeCopy(stored, plan, temporary, signal)
      await rename(temporary, path)
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined)
      signal?.throwIfAborted()
      throw translated(cause)
    }
    await removeOthers(cacheFolder, place, name)
  }
  return { ...stored, tensors: await readSafetensors(path) }
}

/** What somebody has to repair before another try makes sense. */
const UNUSABLE = new Set<unknown>(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT', 'EISDIR'])

function translated(cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (isDiskFull(cause)) {
    return new EngineError(
      'engine.disk_full',
      'The server can’t keep the quantised weights: its cache folder is full.',
      {
        cause,
      },
    )
  }
  if (!UNUSABLE.has(code)) return cause
  return new EngineError(
    'engine.cache_unusable',
    `The server can’t keep the quantised weights: its cache folder (SOTTO_CACHE_DIR) can’t be written (${String(code)}).`,
    { cause },
  )
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

async function versionOf({ tensors }: StoredWeights, plan: QuantisationPlan): Promise<string> {
  const files = [...new Set([...tensors.values()].map(({ file }) => file))].toSorted()
  const facts = await Promise.all(
    files.map(async (file) => {
      const { size, mtimeMs } = await stat(file)
      return [file, size, mtimeMs]
    }),
  )
  return JSON.stringify([LAYOUT, plan, facts])
}

/** Copies of what the weights were before, older than a program that still reads one may be. */
async function removeOthers(folder: string, place: string, kept: string): Promise<void> {
  const weekAgoMs = Date.now() - 7 * 86_400_000
  for (const name of await readdir(folder)) {
    if (!name.startsWith(place) || name === kept) continue
    const path = join(folder, name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (mtimeMs < weekAgoMs) await rm(path, { force: true })
  }
}

interface Entry {
  readonly name: string
  readonly type: TensorType
  readonly shape: readonly number[]
  readonly bytes: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>
}

async function writeCopy(
  stored: StoredWeights,
  plan: QuantisationPlan,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using reader = new TensorReader()
  const embedding = stored.tensors.get(EMBEDDING)
  const projects = embedding !== undefined && plan.decoder !== null
  const sources = [...stored.tensors, ...(projects ? ([[OUTPUT_PROJECTION, embedding]] as const) : [])]
  const entries: Entry[] = sources.flatMap(([name, tensor]) => {
    const quantisation = quantisationOf(name, tensor, plan)
    return quantisation === null ? [copied(name, tensor, reader)] : quantised(name, tensor, quantisation, reader)
  })
  const header: Record<string, unknown> = {}
  let end = 0
  for (const { name, type, shape } of entries) {
    const length = shape.reduce((product, extent) => product * extent, BYTES_PER_VALUE[type])
    header[name] = { dtype: type, shape, data_offsets: [end, end + length] }
    end += length
  }
  // Tensors that begin at multiples of eight bytes are mapped, not copied.
  const json = JSON.stringify(header)
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(text.length))
  await using file = await open(path, 'wx', 0o600)
  const write = async (bytes: Uint8Array): Promise<void> => {
    signal?.throwIfAborted()
    await writeAll(file, bytes)
  }
  await write(prefix)
  await write(text)
  for (const { bytes } of entries) await bytes(write)
  await file.sync()
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done)).bytesWritten
}

function quantisationOf(name: string, { shape }: TensorLocation, plan: QuantisationPlan): Quantisation | null {
  const isLinear = LINEAR.test(name) || name === OUTPUT_PROJECTION
  if (!isLinear || (shape[1] ?? 0) % Q4_BLOCK !== 0) return null
  return name.startsWith('encoder.') || OF_ENCODED.test(name) ? plan.encoder : plan.decoder
}

function copied(name: string, tensor: TensorLocation, reader: TensorReader): Entry {
  return {
    name,
    type: tensor.type,
    shape: tensor.shape,
    bytes: async (write) => {
      for (let from = 0; from < tensor.length; from += CHUNK_BYTES) {
        await write(await reader.bytes(tensor, from, Math.min(tensor.length, from + CHUNK_BYTES)))
      }
    },
  }
}

/** The integers and, behind them, their scales. */
function quantised(name: string, tensor: TensorLocation, quantisation: Quantisation, reader: TensorReader): Entry[] {
  const [outputs = 0, inputs = 0] = tensor.shape
  const shapes = createQuantiser(quantisation, 1, inputs)
  const perRow = shapes.scales.length
  let scales: Float32Array = new Float32Array(0)
  const shape = quantisation.type === 'q8' ? [inputs, outputs] : [outputs, ...shapes.shape.slice(1)]
  const integers: Entry = {
    name,
    type: shapes.type,
    shape,
    bytes: async (write) => {
      const quantiser = createQuantiser(quantisation, outputs, inputs)
      const rowsAtOnce = Math.max(1, Math.floor(CHUNK_BYTES / (4 * inputs)))
      for (let first = 0; first < outputs; first += rowsAtOnce) {
        quantiser.add(await reader.rows(tensor, first, Math.min(outputs, first + rowsAtOnce)), first)
      }
      ;({ scales } = quantiser)
      await write(quantiser.integers)
    },
  }
  const ofScales: Entry = {
    name: `${name}${SCALE_SUFFIX}`,
    type: 'F32',
    shape: [outputs * perRow],
    bytes: (write) => write(new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength)),
  }
  return [integers, ofScales]
}

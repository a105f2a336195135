import { InferenceSession, Tensor } from 'onnxruntime-node'
import { readCheckpoint } from './checkpoint/checkpoint.ts'
import type { Checkpoint, Dimensions } from './checkpoint/checkpoint.ts'
import { EngineError } from './errors.ts'
import { ALIGNMENT_PREFIX, buildDecoder } from './graph/decoder.ts'
import { buildEncoder } from './graph/encoder.ts'
import type { BuiltGraph } from './graph/graph-builder.ts'
import { Tokenizer } from './tokenizer/tokenizer.ts'

/** What the decoder needs of an encoded window: the cross-attention's keys and values of each layer. */
export interface EncodedWindow {
  /** [nAudioCtx, nState], row-major. */
  readonly encoded: Float32Array
  readonly cross: Readonly<Record<string, Tensor>>
}

export interface Alignment {
  /** [logitsAt.length, nVocab], row-major. */
  readonly logits: Float32Array
  /** Cross-attention of each alignment head before the softmax, [tokens, nAudioCtx], row-major. */
  readonly heads: readonly Float32Array[]
}

/** A checkpoint, loaded and ready to run. */
export class WhisperModel implements AsyncDisposable {
  readonly dimensions: Dimensions
  readonly isMultilingual: boolean
  readonly tokenizer: Tokenizer
  readonly #encoder: InferenceSession
  readonly #decoder: InferenceSession

  private constructor(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    encoder: InferenceSession,
    decoder: InferenceSession,
  ) {
    this.dimensions = checkpoint.dimensions
    this.isMultilingual = checkpoint.isMultilingual
    this.tokenizer = tokenizer
    this.#encoder = encoder
    this.#decoder = decoder
  }

  /**
   * @param folder a checkpoint in the Hugging Face layout
   * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`, `checkpoint.unsupported`
   */
  static async load(
    folder: string,
    options: { readonly threads: number; readonly signal?: AbortSignal },
  ): Promise<WhisperModel> {
    const checkpoint = await readCheckpoint(folder)
    const tokenizer = await Tokenizer.load(folder, checkpoint)
    options.signal?.throwIfAborted()
    const encoder = await createSession(buildEncoder(checkpoint), options.threads)
    options.signal?.throwIfAborted()
    const decoder = await createSession(buildDecoder(checkpoint), options.threads)
    return new WhisperModel(checkpoint, tokenizer, encoder, decoder)
  }

  get melBands(): number {
    return this.dimensions.nMels
  }

  /** @param mel [nMels, 3000], row-major */
  async encode(mel: Float32Array): Promise<EncodedWindow> {
    const { nMels } = this.dimensions
    const input = new Tensor('float32', mel, [1, nMels, mel.length / nMels])
    const { encoded, ...cross } = await this.#encoder.run({ mel: input })
    return { encoded: floats(encoded), cross }
  }

  /** Begins sequences over an encoded window. */
  sequences(window: EncodedWindow, count: number): DecoderState {
    return new DecoderState(this.#decoder, this.dimensions, window, count)
  }

  /**
   * Reads a whole sequence at once, to see where in the audio it looks.
   * @param logitsAt indices among the tokens
   */
  async align(window: EncodedWindow, tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment> {
    return await this.sequences(window, 1).align(tokens, logitsAt)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#encoder.release()
    await this.#decoder.release()
  }
}

/** Sequences of equal length over one window, with the keys and values of what was read so far. */
export class DecoderState {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #window: EncodedWindow
  #count: number
  #past: Readonly<Record<string, Tensor>>
  #length = 0

  constructor(session: InferenceSession, dimensions: Dimensions, window: EncodedWindow, count: number) {
    this.#session = session
    this.#dimensions = dimensions
    this.#window = window
    this.#count = count
    this.#past = emptyPast(dimensions, count)
  }

  /** Tokens read so far, by each sequence. */
  get length(): number {
    return this.#length
  }

  /** Goes on with other sequences: each takes over what its parent, by index, has read. */
  rearrange(parents: readonly number[]): void {
    const isSame = parents.length === this.#count && parents.every((parent, index) => parent === index)
    if (isSame) return
    this.#past = Object.fromEntries(Object.entries(this.#past).map(([name, past]) => [name, gather(past, parents)]))
    this.#count = parents.length
  }

  /**
   * Reads the next tokens.
   * @param tokens [count, t], row-major
   * @param logitsAt indices among the t tokens
   * @returns logits behind those tokens, [count, logitsAt.length, nVocab], row-major
   */
  async read(tokens: readonly number[], logitsAt: readonly number[]): Promise<Float32Array> {
    const stepOutputs = this.#session.outputNames.filter((name) => !name.startsWith(ALIGNMENT_PREFIX))
    const { logits, ...caches } = await this.#run(tokens, logitsAt, stepOutputs)
    this.#past = Object.fromEntries(Object.entries(caches).map(([name, tensor]) => [`past_${name}`, tensor]))
    this.#length += tokens.length / this.#count
    if (this.#length > this.#dimensions.nTextCtx) throw new RangeError(`more than ${this.#dimensions.nTextCtx} tokens`)
    return floats(logits)
  }

  /** Reads the next tokens of one sequence, which is not to be gone on with, for `WhisperModel.align`. */
  async align(tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment> {
    const names = this.#session.outputNames.filter((name) => name.startsWith(ALIGNMENT_PREFIX))
    const { logits, ...byLayer } = await this.#run(tokens, logitsAt, ['logits', ...names])
    const length = tokens.length * this.#dimensions.nAudioCtx
    const heads = Object.values(byLayer).flatMap((tensor) => split(floats(tensor), length))
    return { logits: floats(logits), heads }
  }

  async #run(
    tokens: readonly number[],
    logitsAt: readonly number[],
    outputs: readonly string[],
  ): Promise<InferenceSession.ReturnType> {
    const t = tokens.length / this.#count
    const past = this.#length
    const feeds = {
      tokens: integers(tokens, [this.#count, t]),
      positions: integers(
        Array.from({ length: t }, (_, index) => past + index),
        [t],
      ),
      mask: causalMask(t, past),
      logits_at: integers(logitsAt, [logitsAt.length]),
      ...this.#past,
      ...this.#window.cross,
    }
    return await this.#session.run(feeds, outputs)
  }
}

async function createSession(graph: BuiltGraph, threads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(graph.model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: graph.weightsFolder } },
    })
  } catch (cause) {
    throw new EngineError('checkpoint.unsupported', 'ONNX Runtime can’t load the checkpoint.', { cause })
  }
}

function emptyPast({ nState, nTextHead, nTextLayer }: Dimensions, count: number): Record<string, Tensor> {
  const headWidth = nState / nTextHead
  const layers = Array.from({ length: nTextLayer }, (_, layer) => [
    [`past_key_${layer}`, new Tensor('float32', new Float32Array(0), [count, nTextHead, headWidth, 0])] as const,
    [`past_value_${layer}`, new Tensor('float32', new Float32Array(0), [count, nTextHead, 0, headWidth])] as const,
  ])
  return Object.fromEntries(layers.flat())
}

/** [t, past + t]: 0 for what a token may see, −∞ for what comes after it. */
function causalMask(t: number, past: number): Tensor {
  const all = past + t
  const mask = new Float32Array(t * all)
  for (let row = 0; row < t; row++) mask.fill(Number.NEGATIVE_INFINITY, row * all + past + row + 1, (row + 1) * all)
  return new Tensor('float32', mask, [t, all])
}

/** Rows of the first axis. */
function gather(tensor: Tensor, rows: readonly number[]): Tensor {
  const [count = 1, ...shape] = tensor.dims
  const data = floats(tensor)
  const length = data.length / count
  const gathered = new Float32Array(rows.length * length)
  for (const [index, row] of rows.entries())
    gathered.set(data.subarray(row * length, (row + 1) * length), index * length)
  return new Tensor('float32', gathered, [rows.length, ...shape])
}

/** Consecutive parts of equal length. */
function split(values: Float32Array, length: number): readonly Float32Array[] {
  return Array.from({ length: values.length / length }, (_, part) =>
    values.subarray(part * length, (part + 1) * length),
  )
}

function integers(values: readonly number[], shape: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), shape)
}

function floats(tensor: { readonly data: unknown } | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError('the session returned no float32 tensor')
  return tensor.data
}

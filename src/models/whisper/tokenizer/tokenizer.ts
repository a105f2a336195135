import { Tokenizer as BytePairEncoder } from '@huggingface/tokenizers'
import { EngineError } from '../../../speech/errors.ts'
import { tokenBytes } from '../../../speech/tokenizer/bytes.ts'
import { nonSpeechTokens } from './non-speech.ts'
import { readVocabulary } from '../../../speech/tokenizer/vocabulary.ts'
import type { Vocabulary } from '../../../speech/tokenizer/vocabulary.ts'

export type Task = 'transcribe' | 'translate'

const LANGUAGE_TOKEN = /^<\|([a-z]{2,3})\|>$/
const TIMESTAMP_TOKEN = /^<\|\d+\.\d\d\|>$/

/** Text ↔ token ids of one model, and the ids of Whisper's special tokens. */
export class Tokenizer {
  /** End of text; ids below are text. */
  readonly eot: number
  readonly sot: number
  readonly sotLm: number
  readonly sotPrev: number
  readonly transcribe: number
  readonly translate: number
  readonly noSpeech: number
  readonly noTimestamps: number
  /** `<|0.00|>`; each further id is 0.02 s later. */
  readonly timestampBegin: number
  /** Language code → id, in the order of the ids; empty when the model knows English only. */
  readonly languages: ReadonlyMap<string, number>
  /** What stands for sounds and annotations rather than speech, in ascending order. */
  readonly nonSpeechTokens: readonly number[]
  readonly isMultilingual: boolean
  readonly #encoder: BytePairEncoder
  readonly #bytes: ReadonlyMap<number, Uint8Array>

  private constructor(vocabulary: Vocabulary, isMultilingual: boolean) {
    const { special } = vocabulary
    const idOf = (...names: readonly string[]): number => {
      const id = names.map((name) => special.get(name)).find((found) => found !== undefined)
      if (id === undefined) throw new EngineError('checkpoint.invalid', `The model has no token ${names.join(' or ')}.`)
      return id
    }
    this.isMultilingual = isMultilingual
    this.eot = idOf('<|endoftext|>')
    this.sot = idOf('<|startoftranscript|>')
    this.sotLm = idOf('<|startoflm|>')
    this.sotPrev = idOf('<|startofprev|>')
    this.transcribe = idOf('<|transcribe|>')
    this.translate = idOf('<|translate|>')
    this.noSpeech = idOf('<|nospeech|>', '<|nocaptions|>')
    this.noTimestamps = idOf('<|notimestamps|>')
    // Models of before 2023 do not list the timestamps; they follow the last special token.
    this.timestampBegin = special.get('<|0.00|>') ?? this.noTimestamps + 1
    this.languages = new Map(isMultilingual ? languagesOf(special) : [])
    this.#encoder = byteLevelEncoder(vocabulary)
    this.#bytes = bytesById(vocabulary)
    this.nonSpeechTokens = nonSpeechTokens((text) => this.encode(text))
  }

  /** @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid` */
  static async load(folder: string, options: { readonly isMultilingual: boolean }): Promise<Tokenizer> {
    return new Tokenizer(await readVocabulary(folder), options.isMultilingual)
  }

  /**
   * The tokens that every transcript is prompted by have to be among those that the model knows.
   * @throws EngineError `checkpoint.invalid`
   */
  requireWithin(nVocab: number): void {
    const used = [this.eot, this.sot, this.sotPrev, this.transcribe, this.translate, this.noSpeech, this.timestampBegin]
    const largest = Math.max(...used, ...this.languages.values())
    if (largest < nVocab) return
    throw new EngineError(
      'checkpoint.invalid',
      `The tokenizer has a token ${largest}; the model knows ${nVocab}, from 0 on.`,
    )
  }

  /** Special tokens that the text spells out are taken as text. */
  encode(text: string): readonly number[] {
    if (text === '') return []
    return this.#encoder.encode(text, { add_special_tokens: false }).ids
  }

  /** Without timestamps; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[]): string {
    return this.#text(ids.filter((id) => id < this.timestampBegin))
  }

  /** With timestamps written as `<|1.08|>`. */
  decodeWithTimestamps(ids: readonly number[]): string {
    return this.#text(ids)
  }

  /** The prompt that asks for a task in a language; English-only models know neither. */
  sotSequence(language: string, task: Task): readonly number[] {
    if (!this.isMultilingual) return [this.sot]
    const languageToken = this.languages.get(language)
    if (languageToken === undefined) throw new RangeError(`the model does not know the language ${language}`)
    return [this.sot, languageToken, task === 'transcribe' ? this.transcribe : this.translate]
  }

  #text(ids: readonly number[]): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(ids.map((id) => this.#bytesOf(id))))
  }

  #bytesOf(id: number): Uint8Array {
    const bytes = this.#bytes.get(id)
    if (bytes !== undefined) return bytes
    if (id >= this.timestampBegin) return Buffer.from(`<|${((id - this.timestampBegin) * 0.02).toFixed(2)}|>`)
    throw new RangeError(`no token has the id ${id}`)
  }
}

function languagesOf(special: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...special]
    .flatMap(([content, id]) => {
      const code = LANGUAGE_TOKEN.exec(content)?.[1]
      return code === undefined ? [] : [[code, id] as const]
    })
    .toSorted(([, one], [, other]) => one - other)
}

/** GPT-2's encoding, which Whisper's is, whatever else a tokenizer.json asks for. */
function byteLevelEncoder({ text, merges }: Vocabulary): BytePairEncoder {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const file = {
    ...{ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, post_processor: null },
    ...{ pre_tokenizer: byteLevel, decoder: byteLevel },
    model: { type: 'BPE', vocab: Object.fromEntries(text), merges },
  }
  return new BytePairEncoder(file, {})
}

/** @throws EngineError `checkpoint.invalid` */
function bytesById({ text, special }: Vocabulary): ReadonlyMap<number, Uint8Array> {
  const pieces = [...text].map(([entry, id]) => [id, tokenBytes(entry)] as const)
  const others = [...special].filter(([content]) => !TIMESTAMP_TOKEN.test(content))
  return new Map([...pieces, ...others.map(([content, id]) => [id, Buffer.from(content)] as const)])
}

import { CatalogueError } from './errors.ts'
import type { Catalogue, ModelDescription } from './catalogue.ts'

/** OpenAI's names of models that transcribe. Many clients send one of them, and leave no choice. */
const OPENAI_NAMES = [
  'whisper-1',
  'gpt-4o-transcribe',
  'gpt-4o-mini-transcribe',
  'gpt-4o-mini-transcribe-2025-12-15',
  'gpt-transcribe',
] as const

/** Names of the same weights elsewhere: the reference's (`small`), Groq's (`whisper-small`), those of CTranslate2's conversions. */
const SIZE_NAME =
  /^(?:(?:(?:systran|guillaumekln|deepdml|mobiuslabsgmbh)\/)?faster-whisper-|whisper-)?([a-z\d][a-z\d.-]{0,30}?)(?:-ct2)?$/i

/** What the reference has moved on to; `whisper-large` names the first one here. */
const REFERENCE_SIZES: Readonly<Record<string, string>> = { large: 'large-v3', turbo: 'large-v3-turbo' }

export interface ModelNamesOptions {
  /** The id of a model; null: the largest whose weights are here. */
  readonly defaultModel: string | null
  /** Names, and the ids of the models that they stand for. */
  readonly aliases: ReadonlyMap<string, string>
  readonly isPresent: (id: string) => Promise<boolean>
}

export interface NamedModel {
  readonly name: string
  readonly model: ModelDescription
}

/** What models may be called beside their ids, by clients that were made for other servers. */
export class ModelNames {
  readonly #catalogue: Catalogue
  readonly #aliases: ReadonlyMap<string, ModelDescription>
  readonly #default: ModelDescription | undefined
  readonly #isPresent: ModelNamesOptions['isPresent']

  /** @throws CatalogueError `model.unknown` when the default model, or one that an alias stands for, is none */
  constructor(catalogue: Catalogue, { defaultModel, aliases, isPresent }: ModelNamesOptions) {
    const require = (variable: string, id: string): ModelDescription => {
      const model = catalogue.find(id)
      if (model !== undefined) return model
      const known = catalogue.list().map((each) => each.id)
      throw new CatalogueError(
        'model.unknown',
        `${variable} names the model ${id}, which is none of ${known.join(', ')} (SOTTO_MODELS).`,
      )
    }
    this.#catalogue = catalogue
    this.#isPresent = isPresent
    this.#default = defaultModel === null ? undefined : require('SOTTO_DEFAULT_MODEL', defaultModel)
    this.#aliases = new Map([...aliases].map(([name, id]) => [name, require('SOTTO_MODEL_ALIASES', id)]))
  }

  /** The model of this id or name. */
  async find(name: string): Promise<ModelDescription | undefined> {
    const known = this.#aliases.get(name) ?? this.#catalogue.find(name)
    if (known !== undefined) return known
    if (OPENAI_NAMES.some((each) => each === name)) return await this.defaultModel()
    const [, size] = SIZE_NAME.exec(name) ?? []
    if (size === undefined) return undefined
    const isBare = size.length === name.length
    const published = isBare && Object.hasOwn(REFERENCE_SIZES, size) ? REFERENCE_SIZES[size] : size
    return this.#catalogue.find(`openai/whisper-${published?.toLowerCase()}`)
  }

  /** The names that are shown to whoever asks which models there are. */
  async listed(): Promise<readonly NamedModel[]> {
    const byDefault = await this.defaultModel()
    const names = OPENAI_NAMES.filter((name) => !this.#aliases.has(name))
    return [
      ...[...this.#aliases].map(([name, model]) => ({ name, model })),
      ...names.map((name) => ({ name, model: byDefault })),
    ]
  }

  /** What comes along is the last resort, and models whose size is not known are of somebody's choice: they come before it alone. */
  async defaultModel(): Promise<ModelDescription> {
    if (this.#default !== undefined) return this.#default
    const models = this.#catalogue.list()
    const presence = await Promise.all(models.map(({ id }) => this.#isPresent(id)))
    const present = models.filter((_, index) => presence[index])
    const [largest] = (present.length > 0 ? present : models).toSorted((one, two) => rankOf(two) - rankOf(one))
    if (largest === undefined) throw new CatalogueError('model.unknown', 'There is no model at all.')
    return largest
  }
}

function rankOf({ source, parameters }: ModelDescription): number {
  return source === 'bundled' ? -1 : (parameters ?? 0)
}

import { CatalogueError } from './errors.ts'
import { LANGUAGES } from './whisper/parameters/languages.ts'

/** What is known of a model that can be served; null: not known before it is fetched. */
export interface ModelDescription {
  /** `publisher/name`. */
  readonly id: string
  readonly publisher: string
  readonly name: string
  /** Whose code runs it, where that is known. */
  readonly family: string | null
  readonly description: string
  /** How many. */
  readonly parameters: number | null
  /** Of the weights' file. */
  readonly sizeBytes: number | null
  /** Codes. */
  readonly languages: readonly string[] | null
  readonly isMultilingual: boolean
  readonly license: string | null
  readonly publishedAt: Date
  /** Comes with Sotto, or is fetched from the hub at first use. */
  readonly source: 'bundled' | 'hub'
  /** Branch, tag or commit on the hub. */
  readonly revision: string
}

export interface Catalogue {
  list(): readonly ModelDescription[]
  find(id: string): ModelDescription | undefined
  /** @throws CatalogueError `model.unknown`, naming what there is */
  require(id: string): ModelDescription
}

const ALL = Object.keys(LANGUAGES)
/** Before large-v3, Cantonese was part of Chinese. */
const NINETY_NINE = ALL.filter((code) => code !== 'yue')

interface Published {
  readonly name: string
  readonly description: string
  readonly parameters: number
  readonly sizeBytes: number
  readonly publishedOn: string
  readonly languages?: readonly string[]
  readonly license?: string
}

/** OpenAI's models; sizes are those of `model.safetensors` on the hub. */
const PUBLISHED: readonly Published[] = [
  {
    name: 'whisper-tiny',
    description: 'The smallest and fastest.',
    parameters: 37_760_640,
    sizeBytes: 151_061_672,
    publishedOn: '2022-09-21',
  },
  {
    name: 'whisper-base',
    description: 'Small and fast.',
    parameters: 72_593_920,
    sizeBytes: 290_403_936,
    publishedOn: '2022-09-21',
  },
  {
    name: 'whisper-small',
    description: 'A good compromise on a CPU.',
    parameters: 241_734_912,
    sizeBytes: 966_995_080,
    publishedOn: '2022-09-21',
  },
  {
    name: 'whisper-medium',
    description: 'More exact, three times the work of small.',
    parameters: 763_857_920,
    sizeBytes: 3_055_544_304,
    publishedOn: '2022-09-21',
  },
  {
    name: 'whisper-large',
    description: 'The first large model.',
    parameters: 1_543_304_960,
    sizeBytes: 6_173_370_152,
    publishedOn: '2022-09-21',
  },
  {
    name: 'whisper-large-v2',
    description: 'The large model, trained longer.',
    parameters: 1_543_304_960,
    sizeBytes: 6_173_370_152,
    publishedOn: '2022-12-05',
  },
  {
    name: 'whisper-large-v3',
    description: 'The most exact.',
    parameters: 1_543_490_560,
    sizeBytes: 3_087_130_976,
    publishedOn: '2023-11-07',
    languages: ALL,
    license: 'apache-2.0',
  },
  {
    name: 'whisper-large-v3-turbo',
    description: 'Nearly as exact as large-v3 with a decoder of 4 layers instead of 32; it does not translate.',
    parameters: 808_878_080,
    sizeBytes: 1_617_824_864,
    publishedOn: '2024-10-01',
    languages: ALL,
    license: 'mit',
  },
]

const DEMO: ModelDescription = {
  id: 'sotto/whisper-demo',
  publisher: 'sotto',
  name: 'whisper-demo',
  family: 'whisper',
  description: 'Comes along, to try everything without a network. It knows a few hundred words, in synthetic voices.',
  parameters: 1_761_664,
  sizeBytes: 3_531_184,
  languages: ['en', 'es', 'de'],
  isMultilingual: true,
  license: 'cc0-1.0',
  publishedAt: new Date('2026-11-01'),
  source: 'bundled',
  revision: 'main',
}

/** What is used where nobody names a model, and what people are told of who want more. */
export const DEFAULT_MODEL = DEMO.id
export const SUGGESTED_MODEL = { id: 'openai/whisper-small', publisher: 'openai', name: 'whisper-small' } as const

/**
 * The models that can be served.
 * @param extra further repositories of the hub, `org/name` or `org/name@revision`
 * @throws CatalogueError `model.name_invalid`
 */
export function createCatalogue(extra: readonly string[]): Catalogue {
  const known = [DEMO, ...PUBLISHED.map(published)]
  const ids = new Set(known.map(({ id }) => id))
  const models = [...known, ...extra.filter((entry) => !ids.has(entry)).map(named)]
  const byId = new Map(models.map((model) => [model.id, Object.freeze(model)]))
  const list = [...byId.values()]
  return {
    list: () => list,
    find: (id) => byId.get(id),
    require: (id) => byId.get(id) ?? unknown(id, list),
  }
}

function unknown(id: string, models: readonly ModelDescription[]): never {
  const known = models.map((model) => model.id).join(', ')
  throw new CatalogueError('model.unknown', `There is no model ${id.slice(0, 200)}. Known are ${known}.`)
}

function published({ name, publishedOn, ...facts }: Published): ModelDescription {
  return {
    languages: NINETY_NINE,
    license: 'apache-2.0',
    ...facts,
    id: `openai/${name}`,
    publisher: 'openai',
    name,
    family: 'whisper',
    isMultilingual: true,
    publishedAt: new Date(publishedOn),
    source: 'hub',
    revision: 'main',
  }
}

const PART = '[A-Za-z0-9][\\w.-]{0,95}'
const REPOSITORY = new RegExp(`^(${PART})/(${PART})(?:@([\\w./-]{1,100}))?$`)

function named(entry: string): ModelDescription {
  const [, publisher, name, revision = 'main'] = REPOSITORY.exec(entry) ?? []
  if (publisher === undefined || name === undefined || /\.\.|\/\/|^\/|\/$/.test(`${name} ${revision}`)) {
    throw new CatalogueError(
      'model.name_invalid',
      `SOTTO_MODELS takes a list of org/name or org/name@revision; got ${JSON.stringify(entry)}.`,
    )
  }
  return {
    id: `${publisher}/${name}`,
    publisher,
    name,
    family: null,
    description: 'A model of the hub.',
    parameters: null,
    sizeBytes: null,
    languages: null,
    // English-only models carry it in their names, and fine-tunes of them do as a rule.
    isMultilingual: !/\.en\b/.test(name),
    license: null,
    publishedAt: new Date(0),
    source: 'hub',
    revision,
  }
}

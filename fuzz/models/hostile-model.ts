import { cp, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { choose } from '../../test/support/random.ts'
import { mutate } from '../media/mutate.ts'
import { HOSTILE_HEADERS, HOSTILE_WEIGHTS } from './hostile-weights.ts'

/** Changes one file of a model's folder. */
interface Attack {
  readonly name: string
  readonly run: (folder: string, random: () => number) => Promise<void>
}

/** Where a number is expected. */
const NUMBERS: readonly unknown[] = [0, -1, 1.5, 3, 1e9, 2 ** 31, 2 ** 53, 1e300, '128', null, [], {}, true]
const FIELDS = [
  ...[
    'd_model',
    'encoder_layers',
    'decoder_layers',
    'encoder_attention_heads',
    'decoder_attention_heads',
    'vocab_size',
  ],
  ...[
    'num_mel_bins',
    'max_source_positions',
    'max_target_positions',
    'encoder_ffn_dim',
    'model_type',
    'activation_function',
  ],
  ...['eos_token_id', 'decoder_start_token_id', 'median_filter_width'],
]

const config = (
  name: string,
  change: (fields: Record<string, unknown>, random: () => number) => void,
  file = 'config.json',
): Attack => ({
  name,
  run: async (folder, random) => {
    const path = join(folder, file)
    const fields = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    change(fields, random)
    await writeFile(path, JSON.stringify(fields))
  },
})

const text = (name: string, file: string, make: (random: () => number) => string): Attack => ({
  name,
  run: (folder, random) => writeFile(join(folder, file), make(random)),
})

const GENERATION = 'generation_config.json'
const TOKENIZER = 'tokenizer.json'

const ATTACKS: readonly Attack[] = [
  config('a number of config.json', (fields, random) => {
    fields[choose(FIELDS, random)] = choose(NUMBERS, random)
  }),
  config('two numbers of config.json', (fields, random) => {
    for (let n = 0; n < 2; n++) fields[choose(FIELDS, random)] = choose(NUMBERS, random)
  }),
  config('a field of config.json is missing', (fields, random) => {
    delete fields[choose(Object.keys(fields), random)]
  }),
  config(
    'a million alignment heads',
    (fields) => {
      fields['alignment_heads'] = Array.from({ length: 1_000_000 }, (_, n) => [n % 2, n % 2])
    },
    GENERATION,
  ),
  config(
    'alignment heads that are not there',
    (fields, random) => {
      fields['alignment_heads'] = [[choose([-1, 99, 2 ** 31, 0.5], random), 0]]
    },
    GENERATION,
  ),
  config(
    'all tokens suppressed',
    (fields) => {
      fields['suppress_tokens'] = Array.from({ length: 2397 }, (_, n) => n)
    },
    GENERATION,
  ),
  config(
    'tokens suppressed that are not there',
    (fields) => {
      fields['suppress_tokens'] = [-5, 1e9, 2397, 2 ** 53]
    },
    GENERATION,
  ),
  config(
    'languages that are no tokens',
    (fields) => {
      fields['lang_to_id'] = { '<|en|>': -1, '<|constructor|>': 1e9, __proto__: 3 }
    },
    GENERATION,
  ),
  config(
    'a number of generation_config.json',
    (fields, random) => {
      fields[choose(Object.keys(fields), random)] = choose(NUMBERS, random)
    },
    GENERATION,
  ),
  config(
    'a field of tokenizer.json',
    (fields, random) => {
      fields[choose(Object.keys(fields), random)] = choose(NUMBERS, random)
    },
    TOKENIZER,
  ),
  config(
    'no special tokens',
    (fields) => {
      fields['added_tokens'] = []
    },
    TOKENIZER,
  ),
  config(
    'special tokens with numbers of their own',
    (fields, random) => {
      fields['added_tokens'] = [{ id: choose([-1, 1e9, 0.5], random), content: '<|endoftext|>', special: true }]
    },
    TOKENIZER,
  ),
  ...['config.json', GENERATION, TOKENIZER, 'preprocessor_config.json'].flatMap((file) => [
    text(`${file} is not JSON`, file, (random) => choose(['', '{', '\0', 'null', '[]', '"x"', '1e999'], random)),
    text(`${file} is nested deeply`, file, (random) => '{"a":'.repeat(1 + 100_000 * random())),
    text(`${file} is large`, file, () => `{"a":"${'x'.repeat(20_000_000)}"}`),
  ]),
  {
    name: 'bytes of a file are changed',
    run: async (folder, random) => {
      const path = join(folder, choose(await readdir(folder), random))
      await writeFile(path, mutate(random, await readFile(path)))
    },
  },
  ...HOSTILE_HEADERS.map(({ name, change }) => weights(name, change)),
  ...HOSTILE_WEIGHTS.map(({ name, change }) => weights(name, change)),
]

function weights(name: string, change: (bytes: Buffer, random: () => number) => Buffer): Attack {
  return {
    name,
    run: async (folder, random) => {
      const path = join(folder, 'model.safetensors')
      await writeFile(path, change(await readFile(path), random))
    },
  }
}

/** Writes a model that lies, into a folder that is not there yet; says what about. */
export async function writeHostileModel(folder: string, model: string, random: () => number): Promise<string> {
  await cp(model, folder, { recursive: true })
  const { name, run } = choose(ATTACKS, random)
  await run(folder, random)
  return name
}

import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createCatalogue } from './catalogue.ts'
import { familyIn, familyOf, loadFamilies, loadFamily, modelFiles } from './index.ts'

const [first] = await loadFamilies()
const WHISPER = { model_type: 'whisper' }

async function folderWith(config: unknown) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'sotto-family-'))
  await writeFile(join(folder.path, 'config.json'), typeof config === 'string' ? config : JSON.stringify(config))
  return folder
}

test('each family is known by its own name', async () => {
  for (const family of await loadFamilies()) expect(await loadFamily(family.name)).toBe(family)
  await expect(loadFamily('nothing')).rejects.toThrow(RangeError)
})

test('a model’s config says its family', async () => {
  await using folder = await folderWith({ ...WHISPER, d_model: 'of no use' })
  expect((await familyIn(folder.path)).name).toBe('whisper')
})

test.each([
  ['of no family', { model_type: 'wav2vec2' }, 'none of the families'],
  ['without a type', {}, 'none of the families'],
  ['of nothing', null, 'none of the families'],
  ['that is no JSON', '{', 'not JSON'],
])('a config %s can’t be run', async (_, config, message) => {
  await using folder = await folderWith(config)
  const found = familyIn(folder.path)
  await expect(found).rejects.toMatchObject({ code: 'checkpoint.invalid', message: expect.stringContaining(message) })
})

test('a folder without a config can’t be run', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-family-'))
  await expect(familyIn(folder.path)).rejects.toMatchObject({ code: 'checkpoint.missing_file' })
})

test('what the catalogue knows is not looked for', async () => {
  const known = createCatalogue([]).list()
  const never = (): never => expect.unreachable()
  for (const model of known) expect((await familyOf(model, never)).name).toBe(model.family)
})

test('what it does not know is of the first family until a config says otherwise', async () => {
  const model = createCatalogue(['acme/model']).require('acme/model')
  expect(model.family).toBeNull()
  expect(await familyOf(model, () => Promise.resolve(undefined))).toBe(first)
  await using strange = await folderWith({ model_type: 'wav2vec2' })
  expect(await familyOf(model, () => Promise.resolve(strange.path))).toBe(first)
})

test('files are chosen by the family that the config says', async () => {
  const names = new Set(['config.json', 'tokenizer.json', 'model.safetensors', 'README.md'])
  const read = (config: unknown) => (name: string) => Promise.resolve(name === 'config.json' ? config : undefined)
  const expected = { files: ['config.json', 'tokenizer.json'], weights: ['model.safetensors'] }
  expect(await modelFiles(names, read(WHISPER))).toEqual(expected)
  expect(await modelFiles(names, read(undefined))).toEqual(expected)
  expect(await modelFiles(new Set(['README.md']), read(WHISPER))).toMatchObject({ missing: 'config.json' })
})

import Type from 'typebox'
import type { FilesRule } from '../contract/model-files.ts'
import { EngineError } from '../speech/errors.ts'
import { missingFile, readJsonFile } from '../speech/json-file.ts'
import type { ModelDescription } from './catalogue.ts'
import type { Family, MemoryPlan, MemoryShare } from './family.ts'

/** What says which family a model is of. */
const CONFIG = 'config.json'

/** Each family by its name, loaded when it is asked for. */
const FAMILIES: Readonly<Record<string, () => Promise<Family>>> = {
  whisper: async () => (await import('./whisper/family.ts')).whisper,
}

/** What a model is taken for until its config says otherwise, and what left resume points before these named their family. */
export const FIRST_FAMILY = 'whisper'

/** @throws RangeError when there is none of this name */
export async function loadFamily(name: string): Promise<Family> {
  const load = FAMILIES[name]
  if (load === undefined) throw new RangeError(`there is no family ${name}`)
  return await load()
}

export async function loadFamilies(): Promise<readonly Family[]> {
  return await Promise.all(Object.keys(FAMILIES).map(loadFamily))
}

/**
 * The family of the model in a folder, as its config says.
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function familyIn(modelFolder: string): Promise<Family> {
  const config = await readJsonFile(modelFolder, CONFIG, Type.Unknown())
  if (config === undefined) throw missingFile(CONFIG)
  const family = await familyOfConfig(config)
  if (family !== undefined) return family
  const known = Object.keys(FAMILIES).join(', ')
  throw new EngineError(
    'checkpoint.invalid',
    `${CONFIG}: the model is of none of the families that run here: ${known}.`,
  )
}

/** Where a model's files are; undefined: not here, or not all. */
export type FolderOf = (id: string) => Promise<string | undefined>

/** The family of a model of the catalogue, which need not be here: what the catalogue does not say, its config does where that is here. */
export async function familyOf({ id, family }: ModelDescription, folderOf: FolderOf): Promise<Family> {
  if (family !== null) return await loadFamily(family)
  const folder = await folderOf(id)
  const found = folder === undefined ? undefined : await familyIn(folder).catch(() => undefined)
  return found ?? (await loadFamily(FIRST_FAMILY))
}

/** @throws EngineError as `familyIn` */
export async function planModel(modelFolder: string, share: MemoryShare): Promise<MemoryPlan> {
  return await (await familyIn(modelFolder)).plan(modelFolder, share)
}

/** What of a repository's files is needed to run its model, for whoever fetches them. */
export const modelFiles: FilesRule = async (names, read) => {
  if (!names.has(CONFIG)) return { files: [], weights: [], missing: CONFIG }
  // What is of no family is an engine's to refuse, whose job can say so.
  const family = (await familyOfConfig(await read(CONFIG))) ?? (await loadFamily(FIRST_FAMILY))
  return family.files(names)
}

async function familyOfConfig(config: unknown): Promise<Family | undefined> {
  const families = await loadFamilies()
  return families.find((family) => family.matches(config))
}

import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PROJECT } from './server.ts'

/** What is laid over the copy. */
const ADDITIONS = join(PROJECT, 'test/support/additions')
const FIRST_ENTRY = /^ {2}\w+: async \(\) => .*\n/m

/**
 * Copies the program and adds the family `speller` to it, as whoever writes a family does: by its folder and a line in the index.
 * @returns what to run
 */
export async function copyWithSpeller(folder: string): Promise<string> {
  for (const part of ['src', 'bin', 'package.json'])
    await cp(join(PROJECT, part), join(folder, part), { recursive: true })
  for (const part of ['models', 'node_modules']) await symlink(join(PROJECT, part), join(folder, part))
  await cp(ADDITIONS, join(folder, 'src'), { recursive: true })
  const index = join(folder, 'src/models/index.ts')
  const text = await readFile(index, 'utf8')
  const line = "  speller: async () => (await import('./speller/family.ts')).speller,\n"
  await writeFile(
    index,
    text.replace(FIRST_ENTRY, (first) => `${first}${line}`),
  )
  return join(folder, 'bin/sotto.js')
}

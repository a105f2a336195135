import { mkdir, mkdtempDisposable, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeFolder, place } from './durable-folder.ts'

vi.mock('node:fs/promises', { spy: true })
afterEach(() => void vi.clearAllMocks())

/** A file that is to be put into a folder of its own. */
async function open() {
  const folder = await mkdtempDisposable(join(tmpdir(), 'sotto-place-'))
  const temporary = join(folder.path, 'new')
  await writeFile(temporary, 'sound')
  const path = join(folder.path, 'objects', 'a', 'b.mp3')
  /** As often, a removal prunes the folder between its making and the renaming. */
  const prune = (times: number): void => {
    for (let n = 0; n < times; n++) {
      vi.mocked(rename).mockImplementationOnce(async () => {
        await rm(dirname(path), { recursive: true })
        throw Object.assign(new Error('ENOENT: no such file or directory, rename'), { code: 'ENOENT' })
      })
    }
  }
  return { temporary, path, prune, [Symbol.asyncDispose]: () => folder.remove() }
}

describe('a file is put into its place', () => {
  test.each([0, 1, 2])('though its folder is pruned meanwhile %d times', async (times) => {
    await using fixture = await open()
    const { temporary, path, prune } = fixture
    prune(times)
    await place(temporary, path)
    expect(await readFile(path, 'utf8')).toBe('sound')
    await expect(stat(temporary)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('but not without end', async () => {
    await using fixture = await open()
    const { temporary, path, prune } = fixture
    prune(3)
    await expect(place(temporary, path)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(rename).toHaveBeenCalledTimes(3)
    expect(await readFile(temporary, 'utf8')).toBe('sound')
  })

  test('or fails at once for what no further try would change', async () => {
    await using fixture = await open()
    const { temporary, path } = fixture
    await mkdir(path, { recursive: true })
    await expect(place(temporary, path)).rejects.toMatchObject({ syscall: 'rename' })
    expect(rename).toHaveBeenCalledTimes(1)
  })
})

test('a folder is made for this user alone, with those above it', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-place-'))
  const deep = join(folder.path, 'a', 'b', 'c')
  await makeFolder(deep)
  await makeFolder(deep)
  for (const made of [deep, dirname(deep), dirname(dirname(deep))]) expect((await stat(made)).mode & 0o777).toBe(0o700)
})

import { mkdir, mkdtempDisposable, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { fileBytes } from './file-size.ts'
import { filesBelow } from './files-below.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-files-'))

test('the files at any depth are found, with sizes and times, and nothing else', async () => {
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'a/b/empty'), { recursive: true })
  const modifiedAt = new Date('2026-01-02T03:04:05Z')
  for (const [name, text] of Object.entries({ one: '1', 'a/two': '22', 'a/b/three': '' })) {
    await writeFile(join(folder.path, name), text)
    await utimes(join(folder.path, name), modifiedAt, modifiedAt)
  }
  const found = await Array.fromAsync(filesBelow(folder.path))
  const expected = [
    { path: join(folder.path, 'a/b/three'), bytes: 0, modifiedAt },
    { path: join(folder.path, 'a/two'), bytes: 2, modifiedAt },
    { path: join(folder.path, 'one'), bytes: 1, modifiedAt },
  ]
  expect(found.toSorted((one, other) => one.path.localeCompare(other.path))).toEqual(expected)
})

test('where there is no folder there are no files, nor a size', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'file'), 'text')
  for (const path of ['nothing', 'file', 'file/below']) {
    expect(await Array.fromAsync(filesBelow(join(folder.path, path)))).toEqual([])
  }
  expect(fileBytes(join(folder.path, 'file'))).toBe(4)
  expect(fileBytes(join(folder.path, 'nothing'))).toBeUndefined()
  expect(fileBytes(join(folder.path, 'file/below'))).toBeUndefined()
  expect(fileBytes(folder.path)).toBeUndefined()
})

test.skipIf(process.platform === 'win32')('a folder that can’t be read is no empty one', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'loop')
  await symlink(path, path)
  await expect(Array.fromAsync(filesBelow(path))).rejects.toMatchObject({ code: 'ELOOP' })
  expect(() => fileBytes(path)).toThrow(expect.objectContaining({ code: 'ELOOP' }))
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtempDisposable, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { openWorkFolder } from './work-folder.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-work-'))

test('a work folder is of one process alone and goes with it', async () => {
  await using parent = await temporaryFolder()
  {
    await using one = await openWorkFolder(parent.path)
    await using other = await openWorkFolder(parent.path)
    await writeFile(join(one.path, 'log-mel'), 'x')
    expect(new Set(await readdir(parent.path))).toEqual(new Set([basename(one.path), basename(other.path)]))
  }
  expect(await readdir(parent.path)).toEqual([])
})

test('what a killed process has left is removed by the next one', async () => {
  await using parent = await temporaryFolder()
  const program = `
    const { openWorkFolder } = await import(${JSON.stringify(join(import.meta.dirname, 'work-folder.ts'))})
    console.log((await openWorkFolder(process.argv[1])).path)
    setInterval(() => undefined, 60_000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, parent.path])
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const left = line.toString().trim()
  await using during = await openWorkFolder(parent.path)
  expect(await readdir(parent.path)).toContain(basename(left))
  child.kill('SIGKILL')
  await once(child, 'exit')
  await using after = await openWorkFolder(parent.path)
  expect(new Set(await readdir(parent.path))).toEqual(new Set([basename(during.path), basename(after.path)]))
})

test('folders of earlier versions are removed too', async () => {
  await using parent = await temporaryFolder()
  await mkdir(join(parent.path, 'old'))
  await using folder = await openWorkFolder(parent.path)
  expect(await readdir(parent.path)).toEqual([basename(folder.path)])
})

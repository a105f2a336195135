import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadFamilies } from '../src/models/index.ts'
import { PROJECT } from './support/server.ts'

const SRC = join(PROJECT, 'src')
/** Where a family may be named: where it is chosen, and where models are listed. */
const MAY_NAME = ['models/catalogue.ts', 'models/index.ts', 'models/model-names.ts']
/** What others call theirs, and is no family. */
const OTHERS = /whisper-1\b|whisper-asr-webservice/g

const run = promisify(execFile)

/** A program's text, without its comments: they may refer to anything, such as where an algorithm is from. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}

/** Sources that run in production, below `src/`; beside them lie their tests, which name models. */
async function sources(): Promise<readonly string[]> {
  const files = await readdir(SRC, { recursive: true })
  return files.filter((file) => file.endsWith('.ts') && !/\.(?:test|contract|fixture|child)\.ts$/.test(file))
}

/** Files that a program loads, itself included, as URLs. */
async function loadedBy(file: string): Promise<readonly string[]> {
  const program = `
    import { registerHooks } from 'node:module'
    registerHooks({
      load: (url, context, next) => {
        console.log(url)
        return next(url, context)
      },
    })
    await import(${JSON.stringify(pathToFileURL(join(SRC, file)).href)})
  `
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
  return stdout.trim().split('\n')
}

const NATIVE = /onnxruntime-node|node-av|\.node$|\/src\/speech\/(?:audio|graph|inference)\//

describe.each(await loadFamilies())('$name', ({ name }) => {
  test('is named by no file outside its folder but the index and the catalogue', async () => {
    const named = new RegExp(name, 'i')
    const naming: string[] = []
    for (const file of await sources()) {
      if (file.startsWith(`models/${name}/`)) continue
      const text = withoutComments(await readFile(join(SRC, file), 'utf8')).replaceAll(OTHERS, '')
      if (named.test(text)) naming.push(file)
    }
    expect(naming.toSorted()).toEqual(MAY_NAME)
  })

  test('loads nothing native to be known', async () => {
    const loaded = await loadedBy(`models/${name}/family.ts`)
    expect(loaded.some((url) => url.endsWith(`models/${name}/family.ts`))).toBe(true)
    expect(loaded.filter((url) => NATIVE.test(url))).toEqual([])
  })

  test('loads what is native with a model', async () => {
    expect((await loadedBy(`models/${name}/recogniser.ts`)).some((url) => NATIVE.test(url))).toBe(true)
  })
})

test('the index loads no family before it is asked for', async () => {
  const loaded = await loadedBy('models/index.ts')
  expect(loaded.filter((url) => NATIVE.test(url) || url.endsWith('/family.ts'))).toEqual([])
})

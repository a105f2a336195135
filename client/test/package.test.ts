import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../test/support/clips.ts'
import { PROJECT, Server, temporaryFolder } from '../../test/support/server.ts'

const run = promisify(execFile)
const CLIENT = resolve(import.meta.dirname, '..')

const stack = new AsyncDisposableStack()
let server: Server
/** Where a project of a user's is, who has installed the client. */
let folder: string
let dist: string

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path
  const installed = join(folder, 'node_modules/sotto-client')
  dist = join(installed, 'dist')
  await mkdir(installed, { recursive: true })
  await copyFile(join(CLIENT, 'package.json'), join(installed, 'package.json'))
  const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', CLIENT, '--outDir', dist])
  server = stack.use(await Server.start({ dataDir: folder }))
})

afterAll(async () => await stack.disposeAsync())

async function program(name: string, text: string, node = process.execPath): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, text)
  const env = { PATH: process.env['PATH'], SOTTO_SERVER: server.url, SOTTO_API_KEY: server.newKey }
  return (await run(node, [file], { cwd: folder, env })).stdout
}

/** The Node that people have, rather than the one that comes along; undefined: there is none. */
async function installedNode(): Promise<string | undefined> {
  for (const path of (process.env['PATH'] ?? '').split(delimiter)) {
    if (path.includes('node_modules')) continue
    const node = join(path, 'node')
    if (await stat(node).catch(() => undefined)) return node
  }
  return undefined
}

describe('what is published', () => {
  test('is compiled, with types, small, and imports nothing', async () => {
    const manifest: unknown = JSON.parse(await readFile(join(CLIENT, 'package.json'), 'utf8'))
    expect(manifest).not.toHaveProperty('dependencies')
    const files = await readdir(dist)
    expect(files).toContain('index.d.ts')
    const compiled = files.filter((file) => file.endsWith('.js'))
    const code = await Promise.all(compiled.map((file) => readFile(join(dist, file), 'utf8')))
    const imported = code.flatMap((text) => [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name ?? ''))
    expect(imported.filter((name) => !name.startsWith('./'))).toEqual([])
    expect(gzipSync(code.join('\n')).length).toBeLessThan(16_000)
  })

  test('runs under an older Node', async () => {
    const text = `import { Sotto } from 'sotto-client'\nconsole.log((await new Sotto().models()).length > 0)`
    expect(await program('older.mjs', text, await installedNode())).toBe('true\n')
  })

  test('does what its page says', async () => {
    await symlink(fixture('en-two-voices.mp3'), join(folder, 'talk.mp3'))
    const page = await readFile(join(CLIENT, 'README.md'), 'utf8')
    const programs = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text ?? '')
    const printed: string[] = []
    for (const [index, text] of programs.entries()) printed.push(await program(`program-${index}.mts`, text))
    expect(printed).toEqual([
      expect.stringMatching(/My number is 3\.[^]*The hospital is near the park\.[^]*\d+ en\n$/),
      expect.stringMatching(/\d+(\.\d+)? of 10\.\d+ s\n[^]*00:00:0\d,\d{3} --> /),
      'the recording: audio.not_media\n',
      '',
    ])
  })
})

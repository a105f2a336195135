import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { copyFile, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { PROJECT, temporaryFolder } from '../../test/support/server.ts'

const run = promisify(execFile)
const CLIENT = resolve(import.meta.dirname, '..')

/** The Node that people have, rather than the one that comes along; undefined: there is none. */
async function installedNode(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder.includes('node_modules')) continue
    const path = join(folder, 'node')
    if (await stat(path).catch(() => undefined)) return path
  }
  return undefined
}

test('what is published is compiled JavaScript with types, small, without dependencies, and runs under an older Node', async () => {
  await using folder = await temporaryFolder()
  const dist = join(folder.path, 'dist')
  await run(process.execPath, [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-p', CLIENT, '--outDir', dist])
  await copyFile(join(CLIENT, 'package.json'), join(folder.path, 'package.json'))
  const manifest: unknown = JSON.parse(await readFile(join(folder.path, 'package.json'), 'utf8'))
  expect(manifest).not.toHaveProperty('dependencies')
  const files = (await readdir(dist)).filter((file) => file.endsWith('.js'))
  expect(await readdir(dist)).toContain('index.d.ts')
  const code = await Promise.all(files.map((file) => readFile(join(dist, file), 'utf8')))
  const imports = code.flatMap((text) => [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name ?? ''))
  expect(imports.filter((name) => !name.startsWith('./'))).toEqual([])
  expect(gzipSync(code.join('\n')).length).toBeLessThan(16_000)

  await using server = await answering({ data: [{ id: 'sotto/whisper-demo' }] })
  const program = `import { Sotto, verifyWebhook } from './dist/index.js'
    console.log((await new Sotto({ baseUrl: '${server.url}' }).models()).length, typeof verifyWebhook)`
  const script = join(folder.path, 'program.mjs')
  await writeFile(script, program)
  const { stdout } = await run((await installedNode()) ?? process.execPath, [script])
  expect(stdout).toBe('1 function\n')
})

async function answering(body: unknown) {
  const server = createServer((_request, response) => response.end(JSON.stringify(body))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

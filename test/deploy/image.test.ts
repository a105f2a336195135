import { execFile } from 'node:child_process'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { configOf, deployed, imageVariables, instructions, isCommand, versions } from '../support/deployment.ts'
import { PROJECT, Server, temporaryFolder } from '../support/server.ts'

const run = promisify(execFile)
/** What tests alone have, by .dockerignore. */
const TESTS = /\.(?:test|child|contract|fixture)\.ts\b/

test('its variables are settings, and let it listen for others', async () => {
  const { server, engine, hub } = configOf(await imageVariables())
  expect(server).toMatchObject({ host: '0.0.0.0', port: 8080, dataDir: '/data' })
  expect([engine.cacheDir, hub.home].every((folder) => folder.startsWith('/models/'))).toBe(true)
})

test('it runs the Node that the tests run on, under a version that is the project’s', async () => {
  const { sotto: version, node } = await versions()
  const found = instructions(await deployed('Dockerfile'))
  expect(found).toContainEqual(['ARG', `BUILD_IMAGE=node:${node}-bookworm-slim`])
  expect(found).toContainEqual(['ARG', `VERSION=${version}`])
  expect(process.versions.node).toBe(node)
})

test('its Node is the official image’s, and no other is in it', async () => {
  const found = instructions(await deployed('Dockerfile'))
  expect(found).toContainEqual(['COPY', '--from=dependencies /usr/local/bin/node /usr/local/bin/node'])
  const install = 'npm ci --omit=dev && sh deploy/prune.sh && rm -rf node_modules/node-linux-* node_modules/.bin/node'
  expect(found).toContainEqual(['RUN', install])
  expect((await imageVariables())['PATH']).toBeUndefined()
})

test('it takes all that the program consists of, and nothing that tests alone have', async () => {
  const [ignored, manifest] = await Promise.all(
    ['.dockerignore', 'package.json'].map((file) => readFile(join(PROJECT, file), 'utf8')),
  )
  const copied = instructions(await deployed('Dockerfile'))
    .filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
  for (const name of copied) expect(ignored).toContain(`\n!${name}\n`)
  expect(copied).toEqual(
    expect.arrayContaining(['bin', 'models', 'src', 'package.json', 'package-lock.json', '.npmrc']),
  )
  expect(manifest).toContain('"sotto": "bin/sotto.js"')

  const sources = (await readdir(join(PROJECT, 'src'), { recursive: true })).filter((file) => file.endsWith('.ts'))
  const texts = await Promise.all(
    sources.filter((name) => !TESTS.test(name)).map((name) => readFile(join(PROJECT, 'src', name), 'utf8')),
  )
  expect(texts.flatMap((text) => text.match(TESTS) ?? [])).toEqual([])
})

test('its health check tells a server that is ready from one that is gone', async () => {
  const check = /CMD (\[.*\])$/.exec(instruction('HEALTHCHECK', await deployed('Dockerfile')))?.[1]
  const [program, ...args] = JSON.parse(check ?? '[]') as string[]
  expect(program).toBe('node')
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  const env = { PORT: new URL(server.url).port }
  await run(process.execPath, args, { env })
  await server.end('SIGTERM')
  await expect(run(process.execPath, args, { env })).rejects.toMatchObject({ code: 1 })
})

test('it starts a command that there is', async () => {
  const [command = ''] = JSON.parse(instruction('CMD', await deployed('Dockerfile'))) as string[]
  expect(await isCommand([command])).toBe(true)
  expect(instruction('ENTRYPOINT', await deployed('Dockerfile'))).toBe('["node", "/app/bin/sotto.js"]')
})

function instruction(name: string, dockerfile: string): string {
  return instructions(dockerfile).find(([found]) => found === name)?.[1] ?? ''
}

import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import Type from 'typebox'
import Value from 'typebox/value'
import { expect, test } from 'vitest'
import { deployed } from '../support/deployment.ts'
import { PROJECT } from '../support/server.ts'

const Manifest = Type.Object({ optionalDependencies: Type.Record(Type.String(), Type.String()) })

async function sums(): Promise<readonly (readonly [sum: string, path: string])[]> {
  const lines = (await deployed('node-binaries.sha256')).trim().split('\n')
  return lines.map((line) => line.split('  ') as [string, string])
}

test('the Node of each platform’s package is known by its sum', async () => {
  const manifest: unknown = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8'))
  const packages = Object.keys(Value.Parse(Manifest, manifest).optionalDependencies).filter((name) =>
    name.startsWith('node-'),
  )
  const known = (await sums()).map(([, path]) => path.split('/')[1])
  expect(new Set(known)).toEqual(new Set(packages))
})

test('the one that is installed here is the one that was compared', async () => {
  const installed = (await sums()).filter(([, path]) => existsSync(join(PROJECT, path)))
  for (const [sum, path] of installed) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(PROJECT, path)), hash)
    expect([path, hash.digest('hex')]).toEqual([path, sum])
  }
})

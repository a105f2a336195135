import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { FIXTURES } from './fixture.ts'
import { makeCluster } from './make-cluster.ts'
import { EmbeddedMaker } from './make-embedded.ts'

/** `node test/upgrade/make.ts <name of this version>`: see test/fixtures/upgrade/README.md. */
const [version] = process.argv.slice(2)
if (version === undefined) throw new Error('say what this version is called')
const folder = join(FIXTURES, version)
await mkdir(folder, { recursive: true })
const made = { embedded: await EmbeddedMaker.make(), cluster: await makeCluster() }
for (const [kind, { fixture, sql }] of Object.entries(made)) {
  await writeFile(join(folder, `${kind}.json`), `${JSON.stringify(fixture, null, 2)}\n`)
  await writeFile(join(folder, `${kind}.sql`), sql)
}

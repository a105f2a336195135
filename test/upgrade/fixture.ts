import { readFileSync, readdirSync } from 'node:fs'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import Type from 'typebox'
import { Parse } from 'typebox/value'
import { fixture as clip } from '../support/clips.ts'
import { PROJECT } from '../support/server.ts'

export const FIXTURES = join(PROJECT, 'test/fixtures/upgrade')

/** Bytes of a payload: a recording that comes with the tests, or its beginning; or what is short and text. */
const StoredBytes = Type.Union([
  Type.Object({ clip: Type.String(), bytes: Type.Integer() }),
  Type.Object({ text: Type.String() }),
])
export type StoredBytes = Type.Static<typeof StoredBytes>

const Job = Type.Object({ id: Type.String(), pollPath: Type.String() })

const Fixture = Type.Object({
  /** What the clocks said when it was made, in seconds since 1970. */
  madeAt: Type.Number(),
  keys: Type.Record(Type.String(), Type.String()),
  /** Of signed URLs, as base64; absent: the database has it. */
  signingSecret: Type.Optional(Type.String()),
  jobs: Type.Record(Type.String(), Job),
  /** URLs for uploads; of a server's own without their origin. */
  uploads: Type.Record(Type.String(), Type.String()),
  payloads: Type.Record(Type.String(), StoredBytes),
  /** Of uploads to an S3 in parts that were not put together, by their ids. */
  parts: Type.Record(Type.String(), Type.Object({ key: Type.String(), parts: Type.Array(StoredBytes) })),
})

/** What a server of an earlier version has left, beside a dump of its database: see test/fixtures/upgrade/README.md. */
export type UpgradeFixture = Type.Static<typeof Fixture>

/** Names of the versions that there are fixtures of. */
export function versions(): readonly string[] {
  return readdirSync(FIXTURES, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
}

export async function readFixture(
  version: string,
  kind: 'embedded' | 'cluster',
): Promise<{ readonly fixture: UpgradeFixture; readonly sql: string }> {
  const path = join(FIXTURES, version, kind)
  const json: unknown = JSON.parse(await readFile(`${path}.json`, 'utf8'))
  return { fixture: Parse(Fixture, json), sql: await readFile(`${path}.sql`, 'utf8') }
}

export function requireNamed<T>(of: Readonly<Record<string, T>>, name: string): T {
  const found = of[name]
  if (found === undefined) throw new Error(`the fixture has no ${name}`)
  return found
}

export function bytesOf(stored: StoredBytes): Buffer {
  if ('text' in stored) return Buffer.from(stored.text)
  return readFileSync(clip(stored.clip)).subarray(0, stored.bytes)
}

/** As a reference to the recording that they are, or begin, where they do. */
export function storedBytes(bytes: Buffer, clips: readonly string[]): StoredBytes {
  const found = clips.find((name) => readFileSync(clip(name)).subarray(0, bytes.length).equals(bytes))
  if (found !== undefined && bytes.length > 0) return { clip: found, bytes: bytes.length }
  return { text: bytes.toString() }
}

export async function writeTree(folder: string, payloads: UpgradeFixture['payloads']): Promise<void> {
  for (const [path, stored] of Object.entries(payloads)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), bytesOf(stored))
  }
}

export async function readTree(folder: string, clips: readonly string[]): Promise<UpgradeFixture['payloads']> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const read = files.map(async (path) => [relative(folder, path), storedBytes(await readFile(path), clips)] as const)
  return Object.fromEntries(await Promise.all(read))
}

/** Columns with seconds since 1970, by the schema of the version that made the fixtures. */
const TIMES: Readonly<Record<string, readonly string[]>> = {
  jobs: [
    ...['virtual_start', 'accepted_at', 'started_at', 'completed_at', 'cancel_requested_at', 'not_before', 'start_by'],
    ...['expires_at', 'lease_until', 'deferred_since'],
  ],
  api_keys: ['created_at'],
  workers: ['seen_at'],
  garbage: ['due_at', 'claimed_until', 'removed_at'],
  uploads: ['updated_at'],
  installation: ['created_at'],
}
const SECONDS_PER_DAY = 86_400

/** Statements that make the moment at which a fixture was made the present: what lay ahead then lies ahead now. */
export function madeNow({ madeAt }: UpgradeFixture): string {
  const seconds = Date.now() / 1000 - madeAt
  const statements = Object.entries(TIMES).flatMap(([table, columns]) =>
    // Null stays null, and 0 means "from ever on".
    columns.map((column) => `update ${table} set ${column} = ${column} + ${seconds} where ${column} <> 0;`),
  )
  // Ranks are virtual times; those of the synchronous API's jobs are a thousandth of them.
  const rank = `update jobs set rank = rank + ${seconds} / (case urgent when 1 then 1000.0 else 1.0 end);`
  const day = `update audio_usage set day = day + ${Math.floor(Date.now() / 1000 / SECONDS_PER_DAY) - Math.floor(madeAt / SECONDS_PER_DAY)};`
  return [...statements, rank, day].join('\n')
}

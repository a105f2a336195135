/**
 * What the tests run in a process of its own: `node folder-uploads.child.ts append <folder> <length> <stall>` appends up to
 * `stall`, tells every offset that it is told, and waits to be killed; `fill <folder> <length> <ballast>` appends to a disk that
 * is full too early with so many bytes of ballast on it, throws that off and goes on.
 */
import { writeSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { bodyOf, patternOf, stallingBody } from '../../src/payloads/contracts/bodies.fixture.ts'
import { FolderPayloadStore } from '../../src/payloads/folder/folder-store.ts'

const [verb, folder = '', ...sizes] = process.argv.slice(2)
const [length = 0, more = 0] = sizes.map(Number)
const KEY = 'uploads/0b7c2f9e.mp3'
const store = await FolderPayloadStore.open(folder)

function say(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`)
}

async function append(): Promise<void> {
  const body = stallingBody(patternOf(0, more), 50_000)
  const appending = store.uploads.append(KEY, { offset: 0, length, body })
  const tell = async (): Promise<never> => {
    for (;;) say((await store.uploads.progress(KEY)).offset)
  }
  await Promise.race([appending, tell()])
}

async function fill(): Promise<void> {
  const ballast = join(folder, 'ballast')
  await writeFile(ballast, Buffer.alloc(more))
  const error: unknown = await store.uploads
    .append(KEY, { offset: 0, length, body: bodyOf(patternOf(0, length), 50_000) })
    .catch((reason: unknown) => reason)
  const { offset } = await store.uploads.progress(KEY)
  const isVisible = (await store.size(KEY)) !== undefined
  await rm(ballast)
  await store.uploads.append(KEY, { offset, body: bodyOf(patternOf(offset, length), 50_000) })
  const isWhole = (await buffer(await store.read(KEY))).equals(patternOf(0, length))
  say({ code: error instanceof Error && 'code' in error ? error.code : String(error), offset, isVisible, isWhole })
}

await (verb === 'fill' ? fill() : append())

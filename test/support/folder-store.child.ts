/** What the tests run in a process of its own: `node folder-store.child.ts <folder> <megabytes>`, `Infinity` to be killed. */
import process from 'node:process'
import { Readable } from 'node:stream'
import { FolderPayloadStore } from '../../src/payloads/folder/folder-store.ts'

const [folder = '', megabytes] = process.argv.slice(2)
const store = await FolderPayloadStore.open(folder)
const piece = Buffer.alloc(2 ** 16, 'sotto')

function* pieces(): Generator<Buffer> {
  for (let n = 0; n < Number(megabytes) * 16; n++) yield piece
}

/** Kilobytes. */
const before = process.resourceUsage().maxRSS
const { bytes } = await store.write('uploads/large.wav', Readable.from(pieces(), { objectMode: false }))
const grown = process.resourceUsage().maxRSS - before
process.stdout.write(JSON.stringify({ bytes, grownBytes: grown * 1024 }))

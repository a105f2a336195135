import { open } from 'node:fs/promises'
import process from 'node:process'
import { DurableFile } from '../../src/payloads/folder/durable-file.ts'

// Writes more to a file than it may have, all at once, and prints the error's code.
const [path = ''] = process.argv.slice(2)
await using handle = await open(path, 'wx')
const file = new DurableFile(handle)
for (let n = 0; n < 4; n++) await file.write(Buffer.alloc(50_000, `${n}`), 0)
try {
  await file.sync()
  process.stdout.write('none')
} catch (error) {
  process.stdout.write(error instanceof Error && 'code' in error ? String(error.code) : 'unknown')
}
await file.settle()

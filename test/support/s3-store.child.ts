/** What the tests run in a process of its own: `node s3-store.child.ts <bucket> <folder> <megabytes>`, the S3 in `AWS_*`. */
import process from 'node:process'
import { Readable } from 'node:stream'
import { S3PayloadStore } from '../../src/payloads/s3/s3-store.ts'

const SAMPLE_MS = 5

const [bucket = '', folder = '', megabytes] = process.argv.slice(2)
using store = await S3PayloadStore.open({ bucket, prefix: '', pathStyle: true }, folder)
const piece = Buffer.alloc(2 ** 16, 'sotto')

/** Not the system's own peak, which a process has from the one that started it. */
let peak = 0
function sample(): void {
  peak = Math.max(peak, process.memoryUsage.rss())
}

function* pieces(count: number): Generator<Buffer> {
  for (let n = 0; n < count; n++) {
    sample()
    yield piece
  }
}

await store.write('uploads/small.wav', Readable.from(pieces(1), { objectMode: false }))
const before = process.memoryUsage.rss()
const timer = setInterval(sample, SAMPLE_MS)
const body = Readable.from(pieces(Number(megabytes) * 16), { objectMode: false })
const { bytes } = await store.write('uploads/large.wav', body)
{
  await using _ = await store.openLocal('uploads/large.wav')
}
clearInterval(timer)
process.stdout.write(JSON.stringify({ bytes, grownBytes: peak - before }))

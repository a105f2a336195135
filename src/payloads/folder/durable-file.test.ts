import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { DurableFile } from './durable-file.ts'

test('what was given to it is in the file, in order, whatever sizes it came in', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-durable-'))
  await using handle = await open(join(folder.path, 'file'), 'wx')
  const file = new DurableFile(handle)
  const chunks = Array.from({ length: 600 }, (_, index) => Buffer.alloc((index * 7919) % 100_000, `chunk ${index} `))
  for (const chunk of chunks) expect(await file.write(chunk, 0)).toEqual({ bytesWritten: chunk.length })
  expect(await file.write(Buffer.from('not this, but this'), 10)).toEqual({ bytesWritten: 8 })
  await file.sync()
  await file.settle()
  const written = await readFile(join(folder.path, 'file'))
  expect(written.equals(Buffer.concat([...chunks, Buffer.from('but this')]))).toBe(true)
})

test('a system that takes less than it was given is given the rest', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-durable-'))
  const path = join(folder.path, 'file')
  const program = join(import.meta.dirname, '../../../test/support/durable-file.child.ts')
  // 100 KiB, which the second of two calls of the system reaches in its middle: it is cut short, and only the next one fails.
  const limited = 'trap "" XFSZ; ulimit -f 100; exec "$0" "$@"'
  const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, program, path])
  expect(stdout).toBe('EFBIG')
  expect((await readFile(path)).length).toBe(102_400)
})

test.skipIf(!existsSync('/dev/full'))(
  'an error of the disk is thrown before long, and at the latest by sync (skipped without /dev/full)',
  async () => {
    await using handle = await open('/dev/full', 'w')
    const small = new DurableFile(handle)
    await small.write(Buffer.from('little'), 0)
    await expect(small.sync()).rejects.toMatchObject({ code: 'ENOSPC' })
    await small.settle()

    const large = new DurableFile(handle)
    const writes = async (): Promise<void> => {
      for (let n = 0; n < 256; n++) await large.write(Buffer.alloc(65_536), 0)
    }
    await expect(writes()).rejects.toMatchObject({ code: 'ENOSPC' })
    await large.settle()
  },
)

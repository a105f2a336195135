import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { receive } from './receive.ts'
import type { ByteSink } from './receive.ts'

function memory(bytesAtOnce = Infinity): ByteSink & { text: string } {
  return {
    text: '',
    async write(chunk, offset) {
      const taken = chunk.subarray(offset, offset + bytesAtOnce)
      this.text += Buffer.from(taken).toString('latin1')
      return { bytesWritten: taken.length }
    },
  }
}

test('a body is written whole to what takes a few bytes at a time', async () => {
  const sink = memory(3)
  expect(await receive(Readable.from([Buffer.from('abcdefgh'), Buffer.from('ij')]), sink, {})).toBe(10)
  expect(sink.text).toBe('abcdefghij')
})

test('a body may have as many bytes as it may, and no more', async () => {
  const body = (): Readable => Readable.from([Buffer.from('abc'), Buffer.from('de')])
  expect(await receive(body(), memory(), { maxBytes: 5 })).toBe(5)
  const sink = memory()
  await expect(receive(body(), sink, { maxBytes: 4 })).rejects.toMatchObject({ code: 'payload.too_large' })
  expect(sink.text).toBe('abc')
})

test('text is bytes of UTF-8, and anything else is a bug', async () => {
  expect(await receive(Readable.from(['é']), memory(), {})).toBe(2)
  await expect(receive(Readable.from([{ not: 'bytes' }]), memory(), {})).rejects.toThrow(TypeError)
})

test('an abort ends a body that waits, and its reason is what is thrown', async () => {
  const abort = new AbortController()
  const body = new Readable({ read: () => abort.abort(new Error('enough')) })
  await expect(receive(body, memory(), { signal: abort.signal })).rejects.toThrow('enough')
  expect(body.destroyed).toBe(true)
})

test('a body that was refused stays open, for the answer to be given', async () => {
  const body = Readable.from([Buffer.from('abc'), Buffer.from('de')])
  await expect(receive(body, memory(), { maxBytes: 1 })).rejects.toMatchObject({ code: 'payload.too_large' })
  expect(body.destroyed).toBe(false)
  body.destroy()
})

test('what was aborted before it began is not begun', async () => {
  const sink = memory()
  const signal = AbortSignal.abort(new Error('early'))
  await expect(receive(Readable.from(['a']), sink, { signal })).rejects.toThrow('early')
  expect(sink.text).toBe('')
})

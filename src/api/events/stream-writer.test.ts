import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { HEARTBEAT, StreamWriter, frame } from './stream-writer.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What was read, and when, in milliseconds from the beginning. */
function read(writer: StreamWriter): { readonly texts: [text: string, atMs: number][]; readonly ended: Promise<void> } {
  const texts: [string, number][] = []
  const begunMs = performance.now()
  const reading = async (): Promise<void> => {
    for await (const text of writer) texts.push([text, performance.now() - begunMs])
  }
  return { texts, ended: reading() }
}

describe('what is written to a reader', () => {
  test('is each frame, in order, together with those that wait', async () => {
    const writer = new StreamWriter()
    writer.push('a', 'b')
    const { texts, ended } = read(writer)
    await vi.advanceTimersByTimeAsync(0)
    writer.push('c')
    writer.end('d')
    await ended
    expect(texts.map(([text]) => text)).toEqual(['ab', 'cd'])
  })

  test('is a comment when there was nothing for a while', async () => {
    const writer = new StreamWriter()
    const { texts } = read(writer)
    await vi.advanceTimersByTimeAsync(10_000)
    writer.push('a')
    await vi.advanceTimersByTimeAsync(31_000)
    expect(texts).toEqual([
      ['a', 10_000],
      [HEARTBEAT, 25_000],
      [HEARTBEAT, 40_000],
    ])
    writer.end()
  })

  test('is the latest of each name, four times a second at most', async () => {
    const writer = new StreamWriter()
    const { texts } = read(writer)
    for (let n = 0; n < 100; n++) {
      writer.setLatest('one', `1:${n} `)
      writer.setLatest('two', `2:${n} `)
      await vi.advanceTimersByTimeAsync(10)
    }
    await vi.advanceTimersByTimeAsync(1000)
    expect(texts.map(([, atMs]) => atMs)).toEqual([0, 250, 500, 750, 1000])
    expect(texts.map(([text]) => text)).toEqual(['1:0 2:0 ', '1:24 2:24 ', '1:49 2:49 ', '1:74 2:74 ', '1:99 2:99 '])
    writer.end()
  })

  test('is the latest before what follows from it', async () => {
    const writer = new StreamWriter()
    writer.setLatest('one', 'progress ')
    writer.flushLatest()
    writer.push('end')
    writer.end()
    const { texts, ended } = read(writer)
    await ended
    expect(texts.map(([text]) => text)).toEqual(['progress end'])
  })

  test('holds up who makes it while the reader is slow', async () => {
    const writer = new StreamWriter()
    let made = 0
    const making = (async () => {
      for (; made < 100; made++) {
        writer.push('x')
        await writer.room()
      }
      writer.end()
    })()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(made).toBe(15)
    const { texts, ended } = read(writer)
    await Promise.all([making, ended])
    expect(texts.map(([text]) => text).join('')).toHaveLength(100)
  })

  test('holds up nobody when it has ended', async () => {
    const writer = new StreamWriter()
    for (let n = 0; n < 100; n++) writer.push('x')
    const room = writer.room()
    writer.end()
    expect(await room).toBe(undefined)
  })

  test('is an event with its id, where it has one', () => {
    expect(frame('status', { a: 'b\nc' }, 7)).toBe('id: 7\nevent: status\ndata: {"a":"b\\nc"}\n\n')
    expect(frame('progress', {})).toBe('event: progress\ndata: {}\n\n')
  })
})

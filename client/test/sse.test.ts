import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readEvents } from '../src/sse.ts'
import type { ServerSentEvent } from '../src/sse.ts'

async function eventsOf(text: string, cuts: readonly number[] = []): Promise<readonly ServerSentEvent[]> {
  const bytes = new TextEncoder().encode(text)
  const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  const chunks = borders.slice(1).map((end, index) => bytes.slice(borders[index], end))
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
  return await Array.fromAsync(readEvents(body))
}

describe('an event stream', () => {
  test.each([
    ['LF', 'data: a\n\n'],
    ['CR', 'data: a\r\r'],
    ['CRLF', 'data: a\r\n\r\n'],
    ['no space', 'data:a\n\n'],
    ['a BOM', '\uFEFFdata: a\n\n'],
    ['a comment, and a field that is not known', ': hello\nfoo: 1\ndata: a\n\n'],
  ])('with %s', async (_, text) => {
    expect(await eventsOf(text)).toEqual([{ type: 'message', data: 'a', lastEventId: '' }])
  })

  test('has a name for one event, and an id until there is another', async () => {
    expect(await eventsOf('event: status\nid: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: x\0y\ndata: d\n\n')).toEqual([
      { type: 'status', data: 'a', lastEventId: '7' },
      { type: 'message', data: 'b', lastEventId: '7' },
      { type: 'message', data: 'c', lastEventId: '' },
      { type: 'message', data: 'd', lastEventId: '' },
    ])
  })

  test('joins lines of data, and only those are an event', async () => {
    expect(await eventsOf('data: a\ndata\ndata:  b\n\nevent: none\n\n')).toEqual([
      { type: 'message', data: 'a\n\n b', lastEventId: '' },
    ])
  })

  test('what breaks off is no event', async () => {
    expect(await eventsOf('data: a\n\ndata: b\n')).toHaveLength(1)
  })

  test('does not depend on where it is cut', async () => {
    const text = 'event: segments\r\nid: 12\r\ndata: {"text":"Grüße 🙂"}\r\n\r\n: still here\r\rdata: b\n\n'
    const whole = await eventsOf(text)
    expect(whole).toHaveLength(2)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (cuts) => {
        expect(await eventsOf(text, cuts)).toEqual(whole)
      }),
    )
  })
})

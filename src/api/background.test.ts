import pino from 'pino'
import { expect, test } from 'vitest'
import { Background } from './background.ts'

test('closing tells what runs behind answers, and waits for it', async () => {
  const background = new Background(pino({ level: 'silent' }))
  const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>()
  const seen: string[] = []
  background.start('work', async (closing) => {
    closing.addEventListener('abort', () => seen.push('told'))
    await mayEnd
    seen.push('ended')
  })
  background.start('work that fails', () => Promise.reject(new Error('broken')))
  const closed = background.close().then(() => seen.push('closed'))
  expect(seen).toEqual(['told'])
  letEnd()
  await closed
  expect(seen).toEqual(['told', 'ended', 'closed'])
})

import { expect, test } from 'vitest'
import { NativeCalls } from './native-calls.ts'

test('calls that end are progress, one that does not is none', async () => {
  const calls = new NativeCalls()
  expect(calls.advance()).toBe(true)
  const { promise, reject } = Promise.withResolvers<never>()
  const hanging = calls.track(promise)
  expect(calls.advance()).toBe(false)
  await calls.track(Promise.resolve())
  expect([calls.advance(), calls.advance()]).toEqual([true, false])
  reject(new Error('the device was reset'))
  await expect(hanging).rejects.toThrow('reset')
  expect([calls.advance(), calls.advance()]).toEqual([true, true])
})

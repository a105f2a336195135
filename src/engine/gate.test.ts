import { expect, test } from 'vitest'
import { Gate } from './gate.ts'

test('lets in while it is open, and says when the last one has left', async () => {
  let empty = 0
  const gate = new Gate(() => (empty += 1))
  const [one, other] = [await gate.enter(), await gate.enter()]
  gate.close()
  one[Symbol.dispose]()
  expect(empty).toBe(0)
  other[Symbol.dispose]()
  expect(empty).toBe(1)
})

test('holds back who comes while it is closed, until it opens', async () => {
  const gate = new Gate(() => undefined)
  gate.close()
  let isIn = false
  const entering = gate.enter().then((inside) => {
    isIn = true
    return inside
  })
  await Promise.resolve()
  expect(isIn).toBe(false)
  gate.open()
  expect(await entering).toBeDefined()
  expect(isIn).toBe(true)
})

test('says at once that nobody is inside', () => {
  let empty = 0
  new Gate(() => (empty += 1)).close()
  expect(empty).toBe(1)
})

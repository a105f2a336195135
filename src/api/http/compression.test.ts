import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { CompressedBodies } from './compression.ts'

const BODY = 'a line of text\n'.repeat(5000)

describe('compressed bodies', () => {
  test('that never change are made once for all that ask meanwhile and later', async () => {
    const bodies = new CompressedBodies()
    const asked = await Promise.all(Array.from({ length: 20 }, () => bodies.compress(BODY, 'gzip', 'one')))
    expect(new Set(asked).size).toBe(1)
    expect(await bodies.compress(BODY, 'gzip', 'one')).toBe(asked[0])
    expect(gunzipSync(asked[0] ?? '').toString()).toBe(BODY)
    expect(await bodies.compress(BODY, 'br', 'one')).not.toBe(asked[0])
    expect(await bodies.compress(BODY, 'gzip', 'other')).not.toBe(asked[0])
  })

  test('that may change are made each time, a few at once, and all of them in the end', async () => {
    const bodies = new CompressedBodies()
    const asked = await Promise.all(Array.from({ length: 20 }, () => bodies.compress(BODY, 'gzip', null)))
    expect(new Set(asked).size).toBe(20)
    for (const each of asked) expect(gunzipSync(each).toString()).toBe(BODY)
  })
})

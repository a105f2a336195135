import { expect } from 'vitest'

/** Fewer are compared soon enough. */
const MANY_BYTES = 1024

/**
 * Arrays of numbers of one type whose bytes are the same are equal. Vitest compares them number by number, which takes half a second for
 * a recording; here it is only asked where this does not say so, and so it tells what differs.
 */
export function areEqualBytes(one: unknown, other: unknown): true | undefined {
  if (!ArrayBuffer.isView(one) || !ArrayBuffer.isView(other) || one.byteLength < MANY_BYTES) return undefined
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return undefined
  return Buffer.compare(bytesOf(one), bytesOf(other)) === 0 ? true : undefined
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

expect.addEqualityTesters([areEqualBytes])

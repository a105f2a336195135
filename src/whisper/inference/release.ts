/**
 * Gives the memory of an array back at once. The garbage collector sees a small object, whatever it holds, and would let hundreds of
 * megabytes gather.
 * @param values which nobody reads any more: its buffer is detached
 */
export function release({ buffer }: Float32Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

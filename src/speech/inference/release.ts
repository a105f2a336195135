import type { InferenceSession } from 'onnxruntime-node'

/**
 * Gives the memory of an array back at once. The garbage collector sees a small object, whatever it holds, and would let hundreds of
 * megabytes gather.
 * @param values which nobody reads any more: its buffer is detached
 */
export function release({ buffer }: Float32Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** onnxruntime-node writes a graph's results to the tensors that it was given for them, and then returns copies. */
export function releaseCopies(copies: InferenceSession.ReturnType): void {
  for (const { data } of Object.values(copies)) if (data instanceof Float32Array) release(data)
}

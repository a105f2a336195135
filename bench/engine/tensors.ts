import { open } from 'node:fs/promises'
import type { WhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { TensorLocation } from '../../src/speech/weights/safetensors.ts'

/** The numbers of a tensor as the model has them, widened to float32. */
export interface TensorValues {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** @throws Error when the model lacks it */
export async function readTensor({ tensors }: Pick<WhisperWeights, 'tensors'>, name: string): Promise<TensorValues> {
  const location = tensors.get(name)
  if (location === undefined) throw new Error(`the model has no tensor ${name}`)
  return { shape: location.shape, values: widen(await bytesOf(location), location) }
}

/** Overwrites a tensor where it lies, in the type that it has there. */
export async function overwriteTensor(location: TensorLocation, values: Float32Array): Promise<void> {
  const bytes = location.type === 'F16' ? halfBytes(values) : location.type === 'F32' ? floatBytes(values) : undefined
  if (bytes?.length !== location.length) throw new Error('only a whole tensor of F16 or F32 can be overwritten')
  await using file = await open(location.file, 'r+')
  await file.write(bytes, 0, bytes.length, location.offset)
}

export function halfBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(new Float16Array(values).buffer)
}

export function floatBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

async function bytesOf({ file: path, offset, length }: TensorLocation): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length)
  await using file = await open(path)
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) throw new Error('the model is cut off')
    done += bytesRead
  }
  return bytes
}

function widen(bytes: Uint8Array<ArrayBuffer>, { type }: TensorLocation): Float32Array {
  if (type === 'F32') return new Float32Array(bytes.buffer)
  if (type === 'F16') return new Float32Array(new Float16Array(bytes.buffer))
  // bfloat16 is the upper half of a float32.
  return new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16).buffer)
}

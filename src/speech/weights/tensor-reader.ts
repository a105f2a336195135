import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { EngineError } from '../errors.ts'
import type { TensorLocation } from './safetensors.ts'

/** Reads tensors of a model piece by piece, since the largest are hundreds of megabytes. */
export class TensorReader implements AsyncDisposable {
  readonly #files = new Map<string, FileHandle>()

  /** @returns the bytes [from, to) of the tensor */
  async bytes({ file, offset }: TensorLocation, from: number, to: number): Promise<Buffer> {
    const bytes = Buffer.alloc(to - from)
    const handle = await this.#open(file)
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + from + done)
      if (bytesRead === 0) throw new EngineError('checkpoint.invalid', `${file} ends in the middle of its tensors.`)
      done += bytesRead
    }
    return bytes
  }

  /**
   * @returns rows [from, to) of a matrix, row-major
   * @throws EngineError `checkpoint.unsupported` when they are integers
   */
  async rows(tensor: TensorLocation, from: number, to: number): Promise<Float32Array> {
    const [rows = 1] = tensor.shape
    const bytesPerRow = tensor.length / rows
    const bytes = await this.bytes(tensor, from * bytesPerRow, to * bytesPerRow)
    switch (tensor.type) {
      case 'F32':
        return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
      case 'F16':
        return Float32Array.from(new Float16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2))
      case 'BF16':
        return widened(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2))
      case 'I8':
      case 'U8':
        throw new EngineError(
          'checkpoint.unsupported',
          `The model has weights of the type ${tensor.type}; F32, F16 and BF16 can be used.`,
        )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()))
  }

  async #open(file: string): Promise<FileHandle> {
    const known = this.#files.get(file)
    if (known !== undefined) return known
    const handle = await open(file)
    this.#files.set(file, handle)
    return handle
  }
}

/** bfloat16 is the upper half of float32. */
function widened(halves: Uint16Array): Float32Array {
  const bits = Uint32Array.from(halves, (half) => half << 16)
  return new Float32Array(bits.buffer)
}

/** What graphs calculate in. */
export type FloatType = 'F32' | 'F16'

export const DEVICE_CHOICES = ['auto', 'cpu', 'webgpu', 'cuda', 'coreml', 'dml'] as const

/** `auto`: the first device that answers and is worth it, else the CPU. */
export type DeviceChoice = (typeof DEVICE_CHOICES)[number]
export type DeviceName = Exclude<DeviceChoice, 'auto'>

/** What models run on, and what it can be trusted with; as `openDevice` finds it. */
export interface Device {
  readonly name: DeviceName
  /** What graphs calculate in. */
  readonly floats: FloatType
  readonly hasFusedAttention: boolean
}

/** What `sotto device --json` prints. */
export type DeviceReport =
  | { readonly device: Device }
  | { readonly error: { readonly code: string; readonly message: string } }

export const CPU: Device = Object.freeze({ name: 'cpu', floats: 'F32', hasFusedAttention: true })

/** What is taken for the memory of a device, which nothing tells: most have as much. */
export const DEFAULT_DEVICE_MEMORY = 4 * 2 ** 30
/** The largest batch: a step reads its weights once for all windows, and more of them hardly speed it up. */
export const MAX_SLOTS = 32

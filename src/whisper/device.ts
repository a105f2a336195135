import type { FloatType } from './graph/graph-builder.ts'

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

export const CPU: Device = Object.freeze({ name: 'cpu', floats: 'F32', hasFusedAttention: true })

import { readDimensions } from '../weights/whisper-weights.ts'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { countWeights } from './weight-count.ts'
import { MAX_SLOTS } from '../../../contract/device.ts'
import type { Device, FloatType } from '../../../contract/device.ts'
import { CELLS_PER_BLOCK } from '../inference/device-cells.ts'
import type { Precision } from '../../../contract/precision.ts'

const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2 }
/** The reference's default number of beams, for which there is to be room. */
const BEAMS = 5
/** Tables as large as the logits that a step has at a time. */
const LOGITS_TABLES = 6
/** Attention scores and activations of the encoder that are alive at a time. */
const SCORE_TABLES = 2
const ACTIVATIONS = 12
/** Part of the memory that is kept free: for fragmentation, and for the display. */
const SPARE = 0.1

/** How a model uses a device. */
export interface DevicePlan {
  /** Windows that are decoded at the same time. */
  readonly slots: number
  readonly bytes: number
}

export interface DeviceShare {
  readonly device: Device
  readonly precision: Precision
  /** What the model may take. */
  readonly memoryBytes: number
}

/** What a graph calculates in on a device: only the CPU has weights in integers. */
export function floatsOn(device: Device, precision: Precision): FloatType {
  return precision === 'f32' ? 'F32' : device.floats
}

/** @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid` */
export async function planDevice(folder: string, share: DeviceShare): Promise<DevicePlan> {
  return planFor(await readDimensions(folder), share)
}

/** As many windows as the memory has room for; one at least, which then may fail. */
export function planFor(dimensions: Dimensions, { device, precision, memoryBytes }: DeviceShare): DevicePlan {
  const { nAudioCtx, nAudioHead, nState, nTextCtx, nTextLayer, nVocab } = dimensions
  const perFloat = FLOAT_BYTES[floatsOn(device, precision)]
  const weights = countWeights(dimensions)
  const encoder = SCORE_TABLES * nAudioHead * nAudioCtx ** 2 + ACTIVATIONS * nAudioCtx * nState
  const fixed = perFloat * (weights.encoder + weights.decoder + encoder)

  const tokens = ((1 + BEAMS) * nTextCtx) / 2
  const cells = Math.ceil(tokens / CELLS_PER_BLOCK) * CELLS_PER_BLOCK
  const caches = perFloat * 2 * nTextLayer * nState * (nAudioCtx + cells)
  const perSlot = caches + FLOAT_BYTES.F32 * LOGITS_TABLES * BEAMS * nVocab
  const room = Math.floor(((1 - SPARE) * memoryBytes - fixed) / perSlot)
  const slots = Math.min(MAX_SLOTS, Math.max(1, room))
  return { slots, bytes: fixed + slots * perSlot }
}

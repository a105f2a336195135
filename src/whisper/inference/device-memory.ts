import type { Checkpoint } from '../checkpoint/checkpoint.ts'

/** Cells are added by so many: on a device each new number of them moves all caches. */
export const CELLS_PER_BLOCK = 256

/** The reference's default number of beams, for which there is to be room. */
const BEAMS = 5
/** Tables as large as the logits that a step has at a time. */
const LOGITS_TABLES = 6
/** Attention scores and activations of the encoder that are alive at a time. */
const SCORE_TABLES = 2
const ACTIVATIONS = 12
/** Further windows hardly speed up a step, whose weights are read once for all. */
const MOST_SLOTS = 64
/** Part of the memory that is left alone: for fragments, and for what else shows something on the screen. */
const SPARE = 0.1

/** What is taken for the memory of a device, which nothing tells: most have as much. */
export const DEFAULT_DEVICE_MEMORY = 4 * 2 ** 30

/** What a model takes on a device. */
export interface DeviceNeed {
  /** Weights, and what the encoder works with. */
  readonly fixedBytes: number
  /** Of each window that is decoded at the same time. */
  readonly slotBytes: number
}

/** @param bytesPerValue 2 or 4 */
export function deviceNeed({ dimensions, tensors }: Checkpoint, bytesPerValue: number): DeviceNeed {
  const { nAudioCtx, nAudioHead, nState, nTextCtx, nTextLayer, nVocab } = dimensions
  const valuesOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1)
  const weights = [...tensors.values()].reduce((sum, { shape }) => sum + valuesOf(shape), 0)
  const encoder = SCORE_TABLES * nAudioHead * nAudioCtx ** 2 + ACTIVATIONS * nAudioCtx * nState
  const prompt = nTextCtx / 2
  const cells = Math.ceil((prompt + (BEAMS * nTextCtx) / 2) / CELLS_PER_BLOCK) * CELLS_PER_BLOCK
  const caches = 2 * nTextLayer * nState * (nAudioCtx + cells)
  const logits = LOGITS_TABLES * BEAMS * nVocab
  return {
    fixedBytes: bytesPerValue * (weights + encoder),
    slotBytes: bytesPerValue * caches + Float32Array.BYTES_PER_ELEMENT * logits,
  }
}

/** As many windows as the memory has room for. */
export function slotsFor({ fixedBytes, slotBytes }: DeviceNeed, memoryBytes: number): number {
  const room = Math.floor(((1 - SPARE) * memoryBytes - fixedBytes) / slotBytes)
  return Math.min(MOST_SLOTS, Math.max(1, room))
}

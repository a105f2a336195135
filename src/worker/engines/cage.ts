import { limited } from '../../confinement/limits.ts'
import type { NodeProgram, ProcessLimits } from '../../confinement/limits.ts'
import type { Sandbox } from './sandbox.ts'

/** What an engine process may take at most. Any memory where drivers of GPUs need it. */
export interface CageOptions extends Pick<ProcessLimits, 'dataBytes' | 'fileBytes'> {
  /** A namespace of its own where there is one. */
  readonly sandbox: Sandbox | null
}

/** Recordings, their log-mel, weights, libraries: a few dozen for each task. */
const OPEN_FILES = 4096
/** The largest file that an engine writes is the log-mel of a recording: 100 frames a second of 32-bit floats, 128 in most models at most. */
const LOG_MEL_BYTES_PER_SECOND = 100 * 4 * 128
/** The others are quantised copies of weights. */
const WEIGHTS_BYTES = 16 * 2 ** 30

/**
 * What Node and the libraries reserve before they do anything, and hardly use; the stacks of threads. Measured: 1.17 GB on two cores, of
 * which 0.2 GB are used.
 */
const RESERVED_BYTES = 1.25 * 2 ** 30
const STACK_BYTES = 16 * 2 ** 20
/** ONNX Runtime's arena grows in steps, and reserves more than it uses. Measured: 1.0 to 1.5 times the estimate. */
const MODEL_SHARE = 1.75

/**
 * The limit for a process that has loaded a model.
 * @param modelBytes what the model takes in use, by estimate
 * @param roomBytes what may come on top for recordings
 */
export function dataLimit(modelBytes: number, roomBytes: number, threads: number): number {
  return Math.ceil(RESERVED_BYTES + threads * STACK_BYTES + MODEL_SHARE * modelBytes + roomBytes)
}

/** @param maxAudioSeconds of a recording; null: any length, and so files of any size */
export function fileLimit(maxAudioSeconds: number | null): number | null {
  return maxAudioSeconds === null ? null : Math.max(WEIGHTS_BYTES, maxAudioSeconds * LOG_MEL_BYTES_PER_SECOND)
}

/** An engine's program in its cage. */
export function caged(node: NodeProgram, { sandbox, ...limits }: CageOptions): NodeProgram {
  return limited(node, { ...limits, openFiles: OPEN_FILES }, sandbox?.command)
}

import { Tensor } from 'onnxruntime-node'
import type { Caches } from './caches.ts'
import { maskOfRows } from './cells.ts'

/** What the sizes of a step's inputs follow from. */
export interface StepShape {
  /** Slots, the first one and how many. */
  readonly firstSlot: number
  readonly slots: number
  readonly sequences: number
  /** Tokens that each sequence reads. */
  readonly t: number
  /** Rows whose logits are wanted, of all slots together. */
  readonly wanted: number
  /** Text tokens that are wanted for each of them. */
  readonly top: number
}

/** The inputs of a step, in arrays that are filled again for each step of the same shape. */
export class StepTensors {
  /** [slots, n] each. */
  readonly tokens: Int32Array
  readonly positions: Int32Array
  /** [slots, n, cells]. */
  readonly maskCells: Float32Array
  /** [wanted]. */
  readonly logitsAt: Int32Array
  readonly feeds: Readonly<Record<string, Tensor>>

  constructor(shape: StepShape, caches: Caches) {
    const { slots, sequences, t, wanted, top } = shape
    const n = sequences * t
    const { cells, heads, headWidth } = caches
    this.tokens = new Int32Array(slots * n)
    this.positions = new Int32Array(slots * n)
    this.maskCells = new Float32Array(slots * n * cells)
    this.logitsAt = new Int32Array(wanted)
    this.feeds = {
      tokens: new Tensor('int32', this.tokens, [slots * n]),
      positions: new Tensor('int32', this.positions, [slots * n]),
      shape: integers([slots, n, heads, headWidth]),
      cells_and_rows: integers([cells, n]),
      mask_cells: new Tensor('float32', this.maskCells, [slots, 1, n, cells]),
      mask_rows: new Tensor('float32', maskOfRows(sequences, t), [1, 1, n, n]),
      logits_at: new Tensor('int32', this.logitsAt, [wanted]),
      top: integers([top]),
      ...cacheTensors(shape, caches),
    }
  }
}

/** The part of the caches that belongs to the slots, where it lies. */
function cacheTensors({ firstSlot, slots }: StepShape, caches: Caches): Record<string, Tensor> {
  const { cells, heads, headWidth, positions } = caches
  const view = (cache: Float32Array, shape: readonly [number, number]): Tensor => {
    const perSlot = heads * shape[0] * shape[1]
    return new Tensor('float32', cache.subarray(firstSlot * perSlot, (firstSlot + slots) * perSlot), [
      slots,
      heads,
      ...shape,
    ])
  }
  const tensors: Record<string, Tensor> = {}
  for (const [layer, { pastKey, pastValue, crossKey, crossValue }] of caches.layers.entries()) {
    tensors[`past_key_${layer}`] = view(pastKey, [cells, headWidth])
    tensors[`past_value_${layer}`] = view(pastValue, [cells, headWidth])
    tensors[`cross_key_${layer}`] = view(crossKey, [positions, headWidth])
    tensors[`cross_value_${layer}`] = view(crossValue, [headWidth, positions])
  }
  return tensors
}

function integers(values: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
}

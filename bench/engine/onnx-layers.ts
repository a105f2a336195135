import type { Dimensions } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { Scope } from './onnx-graph.ts'
import type { Linear } from './onnx-linear.ts'
import type { TensorValues } from './tensors.ts'

/** A model's tensors, all of them read. */
export type Tensors = ReadonlyMap<string, TensorValues>

/** The parts that both of the exports' networks are made of, in one scope. Activations are [batch, length, nState]. */
export class OnnxLayers {
  readonly #scope: Scope
  readonly #tensors: Tensors
  readonly #linear: Linear
  readonly #nState: number
  readonly #heads: number

  constructor(scope: Scope, tensors: Tensors, linear: Linear, { nState }: Dimensions, heads: number) {
    this.#scope = scope
    this.#tensors = tensors
    this.#linear = linear
    this.#nState = nState
    this.#heads = heads
  }

  get headWidth(): number {
    return this.#nState / this.#heads
  }

  /** A tensor as it is. */
  constant(name: string): string {
    const { shape, values } = this.#tensor(name)
    return this.#scope.constants.tensors.has(name) ? name : this.#scope.constants.add(name, 'F32', shape, values)
  }

  multiply(input: string, name: string): string {
    const { shape, values } = this.#tensor(name)
    const [outputs = 0, inputs = 0] = shape
    return this.#linear.apply(this.#scope, input, { name: `${name}_matrix`, outputs, inputs, values })
  }

  layerNorm(input: string, name: string): string {
    const inputs = [input, this.constant(`${name}.weight`), this.constant(`${name}.bias`)]
    return this.#scope.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: 1e-5 } })
  }

  queries(input: string, name: string): string {
    const scale = this.#scope.constants.scalar(1 / Math.sqrt(this.headWidth))
    return this.#split(this.#scope.node('Mul', [this.#biased(input, `${name}.q_proj`), scale]))
  }

  /** [batch, heads, length, headWidth] */
  keys(input: string, name: string): string {
    return this.#split(this.multiply(input, `${name}.k_proj.weight`))
  }

  values(input: string, name: string): string {
    return this.#split(this.#biased(input, `${name}.v_proj`))
  }

  /** @param mask is added to the scores */
  attend(queries: string, keys: string, values: string, name: string, mask?: string): string {
    const scope = this.#scope
    const scores = scope.node('MatMul', [queries, scope.node('Transpose', [keys], { perm: [0, 1, 3, 2] })])
    const masked = mask === undefined ? scores : scope.node('Add', [scores, mask])
    const mixed = scope.node('MatMul', [scope.node('Softmax', [masked], { axis: -1 }), values])
    const joined = scope.node('Reshape', [
      scope.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }),
      scope.constants.integers(0, 0, this.#nState),
    ])
    return this.#biased(joined, `${name}.out_proj`)
  }

  mlp(input: string, name: string): string {
    return this.#biased(this.#scope.contrib('Gelu', [this.#biased(input, `${name}.fc1`)]), `${name}.fc2`)
  }

  add(one: string, other: string): string {
    return this.#scope.node('Add', [one, other])
  }

  #biased(input: string, name: string): string {
    return this.add(this.multiply(input, `${name}.weight`), this.constant(`${name}.bias`))
  }

  #split(value: string): string {
    const shape = this.#scope.constants.integers(0, 0, this.#heads, this.headWidth)
    return this.#scope.node('Transpose', [this.#scope.node('Reshape', [value, shape])], { perm: [0, 2, 1, 3] })
  }

  #tensor(name: string): TensorValues {
    const tensor = this.#tensors.get(name)
    if (tensor === undefined) throw new Error(`the model has no tensor ${name}`)
    return tensor
  }
}
